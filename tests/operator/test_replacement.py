"""When a running VM makes room for what its workload asks for now, and when it runs on."""

from typing import Any

import pytest

from schedune.api.scheduling_policy import DEFAULT_POLICY, SchedulingPolicy
from schedune.api.vmplacement import VMPlacement
from schedune.api.vmworkload import VMWorkload
from schedune.codes import summary as codes
from schedune.decision.placing import Placer, Placing
from schedune.fleet.fleet import Fleet
from schedune.fleet.peers import NOBODY
from schedune.launch.intent import Intent, parse_intent, read_workload
from schedune.lifecycle.changes import changed_fields
from schedune.lifecycle.wants import is_restart_asked
from schedune_kube.client import KubeClient
from schedune_kube.credentials import Credentials
from schedune_operator.actions import placement_body
from schedune_operator.claims import claim_of
from schedune_operator.holds import Holds
from schedune_operator.replacement import (
    Order,
    order_for,
    order_to_recreate,
    recreates,
)
from schedune_operator.world import World
from schedune_testing.nodes import NOW, facts, node, workload

POLICY = SchedulingPolicy()
ENDED = {"ended": {"time": "2026-11-24T12:00:00Z", "reason": "GuestPoweredOff"}}
RECREATE = {"updateStrategy": "Recreate"}


def read(**spec: Any) -> VMWorkload:
    found = read_workload(workload(**spec))
    assert not isinstance(found, tuple), found
    return found


def meant(wanted: VMWorkload) -> Intent:
    found = parse_intent(wanted)
    assert isinstance(found, Intent), found
    return found


def a_fleet(memory: str = "16Gi", *, with_vm: bool = True) -> Fleet:
    """One node, on which the workload's VM lives."""
    live = [{"placementUID": "p", "workloadUID": "u", "namespace": "default", "name": "vm"}]
    capacity = {"vcpus": 8, "memory": memory, "basis": "Declared"}
    told = facts("n", capacity=capacity, liveVMs=live if with_vm else [])
    return Fleet.of([node("n", told)])


def placed(wanted: VMWorkload, fleet: Fleet, **status: Any) -> VMPlacement:
    """Return the placement of a workload, which holds its claim in the fleet."""
    placing = Placer(a_fleet(with_vm=False)).place(meant(wanted), NOW)
    assert isinstance(placing, Placing)
    body = placement_body(wanted, placing, DEFAULT_POLICY, attempt=1, epoch=1)
    body["metadata"]["uid"] = "p"
    claim = claim_of(body, NOBODY)
    assert claim is not None
    fleet.reserve(claim)
    return VMPlacement.model_validate({**body, "status": status})


def changes(wanted: VMWorkload, placement: VMPlacement) -> list[str]:
    later = wanted.metadata.model_copy(update={"generation": 2})
    edited = wanted.model_copy(update={"metadata": later})
    return changed_fields(placement, edited, meant(edited))


def recreated(wanted: VMWorkload, placement: VMPlacement, fleet: Fleet) -> Order:
    changed = changes(wanted, placement)
    assert recreates(wanted, placement, changed)
    client = KubeClient(Credentials("https://nowhere.invalid"), field_manager="test")
    world = World(client, lambda: None, lambda _key: {}, lambda: NOW)
    world._fleet = fleet
    holds = Holds(world, POLICY, lambda: NOW)
    return order_to_recreate(holds, wanted, meant(wanted), placement, changed)


@pytest.mark.parametrize(
    ("before", "now", "is_asked"),
    [
        (None, None, False),
        (None, "1", True),
        ("1", "1", False),
        ("1", "2", True),
        ("2", "1", True),
        ("1", None, False),
    ],
)
def test_any_new_value_of_the_token_restarts_and_none_does_not(
    before: str | None, now: str | None, *, is_asked: bool
) -> None:
    placement = placed(read(restartToken=before), a_fleet())
    wanted = read(restartToken=now)
    assert is_restart_asked(wanted, placement) is is_asked
    assert order_for(wanted, placement).stop is (codes.RESTART_REQUESTED if is_asked else None)


def test_a_token_says_nothing_of_the_launch_itself() -> None:
    placement = placed(read(restartToken="1"), a_fleet())
    assert changes(read(restartToken="2"), placement) == []


def test_who_stops_the_vm_does_not_restart_it() -> None:
    placement = placed(read(), a_fleet())
    wanted = read(restartToken="2", runState="Stopped")
    assert order_for(wanted, placement).stop is codes.STOPPED


def test_a_changed_vm_whose_place_is_only_free_without_itself_is_recreated() -> None:
    """The node has 16Gi, the VM holds 4Gi of them, and shall have 15Gi."""
    fleet = a_fleet()
    placement = placed(read(**RECREATE), fleet)
    wanted = read(**RECREATE, resources={"vcpus": 2, "memory": "15Gi"})
    assert recreated(wanted, placement, fleet).stop is codes.SPEC_CHANGED
    overhead = 66 * 2**20
    assert fleet.claims.sums["memory"].tolist() == [15 * 2**30 + overhead], "only what is more"
    assert fleet.claims.sums["vms"].tolist() == [1]
    assert fleet.claims.held["p"].guest_bytes == 4 * 2**30


def test_a_changed_vm_that_no_node_can_run_runs_on_and_says_why() -> None:
    fleet = a_fleet()
    placement = placed(read(**RECREATE), fleet)
    wanted = read(**RECREATE, resources={"vcpus": 2, "memory": "17Gi"})
    held = dict(fleet.claims.held)
    order = recreated(wanted, placement, fleet)
    assert order.stop is None
    assert order.waits is not None
    assert order.waits.row is codes.RECREATE_WAITS
    assert order.waits.message.startswith("changed since the VM was placed: memory; it runs on")
    assert "1 InsufficientMemory" in order.waits.message
    assert dict(fleet.claims.held) == held


def test_a_vm_whose_node_is_excluded_by_now_runs_on_until_there_is_another_one() -> None:
    fleet = a_fleet()
    placement = placed(read(**RECREATE), fleet)
    wanted = read(**RECREATE, placement={"nodeSelector": {"zone": "b"}})
    order = recreated(wanted, placement, fleet)
    assert order.waits is not None
    assert order.waits.message.startswith("changed since the VM was placed: placement; it runs on")
    fleet.update(node("other", facts("other"), labels={"zone": "b"}))
    assert recreated(wanted, placement, fleet).stop is codes.SPEC_CHANGED


@pytest.mark.parametrize("strategy", ["OnRestart", "Recreate"])
def test_only_recreate_lets_a_change_touch_a_running_vm(strategy: str) -> None:
    placement = placed(read(), a_fleet())
    wanted = read(updateStrategy=strategy, resources={"vcpus": 3, "memory": "4Gi"})
    touched = recreates(wanted, placement, changes(wanted, placement))
    assert touched is (strategy == "Recreate")


def test_what_was_not_changed_or_has_ended_is_not_recreated() -> None:
    same, fleet = read(**RECREATE), a_fleet()
    assert not recreates(same, placed(same, fleet), changes(same, placed(same, fleet)))
    wanted = read(**RECREATE, resources={"vcpus": 3, "memory": "4Gi"})
    ended = placed(same, fleet, **ENDED)
    assert not recreates(wanted, ended, changes(wanted, ended))


@pytest.mark.parametrize(("percent", "told"), [(100, None), (250, 250)])
def test_a_placement_tells_the_agent_by_which_measure_vcpus_are_shared(
    percent: int, told: int | None
) -> None:
    policy = SchedulingPolicy(vcpu_overcommit_percent=percent)
    wanted = read()
    placing = Placer(a_fleet(with_vm=False), policy).place(meant(wanted), NOW)
    assert isinstance(placing, Placing)
    body = placement_body(wanted, placing, policy, attempt=1, epoch=1)
    assert body["spec"]["claim"].get("vcpuOvercommitPercent") == told
