"""What is held for a VM that leaves its node, and for how long."""

from dataclasses import replace
from typing import Any

import pytest

from schedune.api.nodetruth import NodeTruth
from schedune.api.scheduling_policy import DEFAULT_POLICY
from schedune.api.vmplacement import VMPlacement
from schedune.codes import summary as codes
from schedune.codes.intent import INVALID_FIELD
from schedune.codes.row import Reason
from schedune.decision.placing import Placer, Placing
from schedune.launch.intent import Intent, parse_intent, read_workload
from schedune_kube.client import KubeClient
from schedune_kube.credentials import Credentials
from schedune_operator.actions import placement_body
from schedune_operator.cache import WorkloadCache
from schedune_operator.draining import Drains
from schedune_operator.holds import Holds, name_of_hold
from schedune_operator.world import World
from schedune_testing.nodes import NOW, facts, node, workload

KEY = ("default", "vm")
VM = {"resources": {"vcpus": 2, "memory": "4Gi"}}


class Fleet:
    """A world of two nodes: a VM leaves the first one, and can only go to the other."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        client = KubeClient(Credentials("https://nowhere.invalid"), field_manager="test")
        cache = WorkloadCache()
        self.world = World(client, lambda: None, cache.peer_of, lambda: NOW, lambda: 1000.0)
        self.holds = Holds(self.world, DEFAULT_POLICY, lambda: NOW)
        self.world.on_freed = self.holds.take_over
        self.drains = Drains(self.world, self.holds, 4)
        self.fleet = self.world.fleet()
        read = read_workload(workload(**VM))
        assert not isinstance(read, tuple)
        self.workload, meant = read, parse_intent(read)
        assert isinstance(meant, Intent)
        self.intent = meant
        self.truths = dict[str, NodeTruth | None]()
        monkeypatch.setattr(self.world, "truth", self.truths.get)

    def has(self, name: str, scheduling: str = "Enabled") -> None:
        """Bring in a node, or order something about it."""
        capacity = {"vcpus": 64, "memory": "64Gi", "basis": "Declared"}
        record = node(name, facts(name, capacity=capacity), scheduling=scheduling)
        self.fleet.update(record)
        self.truths[name] = record.truth

    def place(self, uid: str, version: int) -> VMPlacement:
        """Place the VM where it can be placed now, under a UID."""
        placing = Placer(self.fleet, DEFAULT_POLICY).place(self.intent, NOW)
        assert isinstance(placing, Placing)
        body = placement_body(self.workload, placing, DEFAULT_POLICY, attempt=1, epoch=1)
        body["metadata"] |= {"uid": uid, "resourceVersion": str(version)}
        return self.becomes(body)

    def becomes(self, body: dict[str, Any]) -> VMPlacement:
        self.world.placements.store[KEY] = body
        self.world.tenants.note(KEY, body)
        self.world.note_placement(KEY)
        self.world.fleet()
        return VMPlacement.model_validate(body)

    def ends(self, version: int) -> None:
        ended = {"ended": {"time": "2026-11-24T12:00:00Z", "reason": "GuestPoweredOff"}}
        body = self.world.placements.store[KEY]
        metadata = {**body["metadata"], "resourceVersion": str(version)}
        self.becomes({**body, "metadata": metadata, "status": ended})

    @property
    def held(self) -> list[str]:
        """The nodes on which something is held for it."""
        claim = self.fleet.claims.held.get(name_of_hold(KEY))
        return [claim.node_name] if claim is not None else []


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Fleet:
    found = Fleet(monkeypatch)
    found.has("old")
    found.place("p1", 1)
    found.has("new")
    found.has("old", "Draining")
    return found


def leaves(world: Fleet) -> VMPlacement:
    """Let it be told to leave the old node for the new one."""
    placement = VMPlacement.model_validate(world.world.placements.store[KEY])
    order = world.drains.order(world.intent, placement)
    assert order.stop is codes.DRAIN_MOVES
    assert world.held == ["new"]
    return placement


def test_what_an_earlier_term_held_is_not_held_any_more(world: Fleet) -> None:
    """Another has led meanwhile: it may have placed the VM, and filled that node."""
    leaves(world)
    world.drains.begin_term()
    assert world.held == []


def test_a_vm_that_lives_elsewhere_by_now_is_decided_on_anew(world: Fleet) -> None:
    """Its node is drained in turn, and the one that was held for it is gone: it stays."""
    leaves(world)
    world.fleet.remove("old")
    moved = world.place("p2", 7)
    assert moved.spec.node_name == "new"
    world.has("new", "Draining")
    order = world.drains.order(world.intent, moved)
    assert order.stop is None
    assert order.stays is not None
    assert world.held == []


def test_an_order_that_was_not_written_is_decided_on_anew(world: Fleet) -> None:
    placement = leaves(world)
    world.fleet.remove("new")
    assert world.drains.order(world.intent, placement).stop is None
    assert world.held == []


def test_an_order_that_stands_is_not_decided_on_again(world: Fleet) -> None:
    placement = leaves(world)
    stop = {"stop": {"reason": codes.DRAIN_MOVES.reason, "graceSeconds": 5}}
    body = world.world.placements.store[KEY]
    ordered = world.becomes({**body, "spec": {**body["spec"], **stop}})
    assert ordered.metadata.uid == placement.metadata.uid
    world.fleet.remove("new")
    assert world.drains.order(world.intent, ordered).stop is codes.DRAIN_MOVES


def test_its_quota_is_its_own_until_it_is_placed_again(world: Fleet) -> None:
    """Whoever waits for quota does not get what a VM on its way to another node gives back."""
    before = world.fleet.claims.of_namespace("default")
    assert before != (0, 0)
    leaves(world)
    assert world.fleet.claims.of_namespace("default") == before, "counted twice"
    world.ends(2)
    assert world.fleet.claims.of_namespace("default") == before
    world.drains.let_go(KEY)
    assert world.fleet.claims.of_namespace("default") == (0, 0)


def test_a_vm_on_its_way_is_counted_where_it_is_and_where_it_goes(world: Fleet) -> None:
    """Who keeps away from it keeps away from both."""
    world.intent = replace(world.intent, labels={"app": "web"})
    leaves(world)
    hold = world.fleet.claims.held[name_of_hold(KEY)]
    assert (hold.namespace, hold.peer.labels) == ("default", {"app": "web"})
    assert hold.workload_uid == world.intent.uid, "it is not in its own way"
    world.ends(2)
    hold = world.fleet.claims.held[name_of_hold(KEY)]
    assert (hold.peer.labels, hold.workload_uid) == ({"app": "web"}, world.intent.uid)


REFUSAL = Reason(INVALID_FIELD, "1Mi", "must be at least 16Mi", "spec.resources.memory")


def test_a_vm_whose_spec_is_refused_stays_and_is_named_with_what_is_to_be_corrected(
    world: Fleet,
) -> None:
    placement = VMPlacement.model_validate(world.world.placements.store[KEY])
    order = world.drains.keep(placement, REFUSAL)
    assert order.stop is None
    assert order.stays is not None
    assert order.stays.row is codes.DRAIN_WAITS
    assert "spec.resources.memory: 1Mi: must be at least 16Mi" in order.stays.message
    assert "(default/vm: a corrected spec.resources.memory)" in world.drains.tell("old")
    leaves(world)
    assert world.drains.tell("old") == "the node is being drained: 1 VM is left"


def test_what_was_held_for_a_vm_is_given_back_when_its_spec_is_refused_before_it_was_told(
    world: Fleet,
) -> None:
    world.drains.keep(leaves(world), REFUSAL)
    assert world.held == []


def test_one_that_is_on_its_way_already_keeps_its_place_there(world: Fleet) -> None:
    leaves(world)
    stop = {"stop": {"reason": codes.DRAIN_MOVES.reason, "graceSeconds": 5}}
    body = world.world.placements.store[KEY]
    order = world.drains.keep(world.becomes({**body, "spec": {**body["spec"], **stop}}), REFUSAL)
    assert (order.stop, order.stays) == (None, None)
    assert world.held == ["new"]


def test_a_refused_spec_says_nothing_where_no_node_is_drained(world: Fleet) -> None:
    world.has("old", "Enabled")
    placement = VMPlacement.model_validate(world.world.placements.store[KEY])
    order = world.drains.keep(placement, REFUSAL)
    assert (order.stop, order.stays) == (None, None)
