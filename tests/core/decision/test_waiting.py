"""Whom a change concerns: those whose objections on some node are others now, and nobody else."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schedune.decision.decide import decide
from schedune.decision.waiting import MOST_GROUPS, Waiting
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import ClaimRecord, NodeRecord
from schedune.fleet.peers import Peer
from schedune_testing.fleets import (
    PEERS,
    VARIED_SPECS,
    capability,
    labelled,
    varied_fleets,
    varied_nodes,
)
from schedune_testing.nodes import NOW, facts, intent, node

NO_KVM = [capability("kvm_vm_launch", "Unsupported")]
EMULATED = {"acceleration": "Emulated"}


class World:
    """One node, and workloads that wait for it, each under a name of its own."""

    def __init__(self, **status: Any) -> None:
        self.status = status
        self.fleet = Fleet.of([self._node()])
        self.waiting: Waiting[str] = Waiting()
        self.now = NOW

    def _node(self, **options: Any) -> NodeRecord:
        return node("n", facts("n", **self.status), **options)

    def waits(self, name: str, **spec: Any) -> None:
        wanted = intent(**spec)
        assert decide(self.fleet, wanted, now=self.now).chosen is None, "it has a node"
        self.waiting.keep(name, self.fleet, wanted, self.now)

    def changes(self, *, options: dict[str, Any] | None = None, **status: Any) -> set[str]:
        self.status |= status
        self.fleet.update(self._node(**options or {}))
        return self.woken()

    def woken(self) -> set[str]:
        return self.waiting.woken(self.fleet, self.now)


def test_kvm_that_appears_wakes_who_waits_for_kvm_and_nobody_else() -> None:
    world = World(capabilities=NO_KVM)
    world.waits("for-kvm")
    world.waits("for-memory", **EMULATED, resources={"vcpus": 1, "memory": "900Gi"})
    world.waits("for-a-zone", **EMULATED, placement={"nodeSelector": {"zone": "a"}})
    works = facts("n")["capabilities"]
    assert world.changes(capabilities=works) == {"for-kvm"}


def test_a_binary_that_is_upgraded_wakes_who_asked_for_its_version() -> None:
    world = World()
    newer = {"versions": [{"name": "QEMU", "minimum": "8.0"}]}
    world.waits("for-qemu-8", backend=newer)
    world.waits("for-vcpus", resources={"vcpus": 100, "memory": "1Gi"})
    (qemu,) = facts("n")["backends"]
    assert world.changes(backends=[{**qemu, "version": "7.9.0"}]) == set()
    assert world.changes(backends=[{**qemu, "version": "8.1.0"}]) == {"for-qemu-8"}


def test_a_file_that_is_copied_in_wakes_who_asked_for_it() -> None:
    world = World()
    (kernel,) = facts("n")["artifacts"]
    world.waits("for-this", boot={"kernel": {"artifact": "this"}})
    world.waits("for-that", boot={"kernel": {"artifact": "that"}})
    assert world.changes(artifacts=[kernel, {**kernel, "name": "this"}]) == {"for-this"}


def test_a_claim_that_is_given_back_wakes_who_found_no_room_beside_it() -> None:
    world = World()
    world.fleet.reserve(ClaimRecord("n", "p", 7, 2**30))
    world.waits("for-vcpus", resources={"vcpus": 4, "memory": "1Gi"})
    world.waits("for-more-vcpus", resources={"vcpus": 40, "memory": "1Gi"})
    world.fleet.release("p")
    assert world.woken() == {"for-vcpus"}


def test_heartbeats_wake_nobody_until_the_node_was_silent() -> None:
    world = World(capabilities=NO_KVM)
    world.waits("for-kvm")
    world.now = NOW + timedelta(seconds=60)
    assert world.changes(options={"age_s": -59.0}) == set()
    world.now = NOW + timedelta(seconds=600)
    assert world.woken() == {"for-kvm"}


def test_an_answer_that_is_too_old_wakes_who_relied_on_it() -> None:
    tpm = capability("hardware_tpm", "Supported", staleAfterSeconds=60)
    world = World(capabilities=[*NO_KVM, tpm])
    world.waits("with-tpm", placement={"requiredCapabilities": ["hardware_tpm"]})
    world.waits("without")
    world.now = NOW + timedelta(seconds=61)
    assert world.woken() == {"with-tpm"}


def test_a_node_that_comes_or_goes_wakes_everybody() -> None:
    world = World(capabilities=NO_KVM)
    world.waits("a")
    world.waits("b", **EMULATED, resources={"vcpus": 1, "memory": "900Gi"})
    world.fleet.update(node("m"))
    assert world.woken() == {"a", "b"}


def test_a_live_vm_wakes_its_own_workload_only() -> None:
    world = World(capabilities=NO_KVM)
    world.waits("mine")
    stranger = intent()
    assert stranger.demands == intent().demands
    object.__setattr__(stranger, "uid", "another")
    world.waiting.keep("other", world.fleet, stranger, NOW)
    live = {"placementUID": "p", "workloadUID": "u", "namespace": "default", "name": "vm"}
    assert world.changes(liveVMs=[live]) == {"mine"}


def test_who_is_woken_stays_so_until_it_is_looked_at() -> None:
    world = World(capabilities=NO_KVM)
    world.waits("for-kvm")
    assert world.changes(capabilities=[]) == {"for-kvm"}
    assert world.woken() == {"for-kvm"}
    world.waits("for-kvm")
    assert world.woken() == set()
    world.waiting.drop("for-kvm")
    assert world.changes(capabilities=NO_KVM) == set()


def filled(fleet: Fleet, waiting: Waiting[str], groups: int) -> None:
    """Let so many wait who share nothing, on a node that is full."""
    fleet.reserve(ClaimRecord("n", "p", 8, 2**30))
    for number in range(groups):
        wanted = intent(placement={"nodeSelector": {"number": str(number)}})
        waiting.keep(f"low-{number}", fleet, wanted, NOW)


@pytest.mark.parametrize("groups", [3, MOST_GROUPS, 5 * MOST_GROUPS])
def test_of_however_many_the_most_important_is_woken_at_once(groups: int) -> None:
    fleet, waiting = Fleet.of([node("n")]), Waiting[str]()
    filled(fleet, waiting, groups)
    waiting.keep("urgent", fleet, intent(), NOW, rank=1000)
    fleet.release("p")
    waiting.woken(fleet, NOW)
    assert waiting.freed == {"urgent"}


def test_of_very_many_all_have_their_turn_and_until_then_it_is_known_that_some_lag() -> None:
    fleet, waiting = Fleet.of([node("n")]), Waiting[str]()
    filled(fleet, waiting, 3 * MOST_GROUPS)
    assert not waiting.lags(fleet)
    fleet.release("p")
    turns = 0
    while waiting.lags(fleet):
        waiting.woken(fleet, NOW)
        turns += 1
    assert 1 < turns <= 8
    assert len(waiting.woken(fleet, NOW)) == 3 * MOST_GROUPS


def test_what_one_was_told_is_of_the_fleet_as_it_was_then() -> None:
    world = World(capabilities=NO_KVM)
    world.waits("vm")
    later = NOW + timedelta(seconds=60)
    assert not world.waiting.is_out_of_date("vm", world.fleet, later)
    world.fleet.reserve(ClaimRecord("n", "p", 1, 2**30))
    assert world.woken() == set(), "the same objects"
    assert not world.waiting.is_out_of_date("vm", world.fleet, NOW)
    assert world.waiting.is_out_of_date("vm", world.fleet, later)
    assert not world.waiting.is_out_of_date("nobody", world.fleet, later)


def objections(fleet: Fleet, wanted: Any, now: datetime) -> dict[str, set[tuple[str, str, str]]]:
    decision = decide(fleet, wanted, now=now)
    return {
        one.name: {
            (found.atom, found.row.code, str(found.backend))
            for found in decision.findings
            if found.objects[at]
        }
        for at, one in enumerate(fleet.nodes)
    }


SPREAD = {
    "placement": {
        "topologySpread": [
            {
                "maxSkew": 1,
                "topologyKey": "zone",
                "whenUnsatisfiable": "DoNotSchedule",
                "workloadSelector": {"matchLabels": {"app": "x"}},
            }
        ]
    }
}
STEPS = st.lists(
    st.sampled_from(["change", "add", "remove", "claim", "release", "age"]), max_size=8
)


def take_step(fleet: Fleet, step: str, data: Any) -> None:
    at = data.draw(st.integers(0, 5))
    match step:
        case "change":
            fleet.update(data.draw(varied_nodes(f"n{at:02}")))
        case "add":
            fleet.update(data.draw(varied_nodes(f"m{at:02}")))
        case "remove":
            fleet.remove(f"n{at:02}")
        case "claim":
            there = f"n{at:02}" in fleet.row
            rules = data.draw(PEERS).keeps_away if there else ()
            peer = Peer({"app": "x"}, rules)
            held = ClaimRecord(f"n{at:02}", f"p{at}", 4, 2**33, namespace="default", peer=peer)
            fleet.reserve(held)
        case "release":
            fleet.release(f"p{at}")


@given(
    varied_fleets(),
    st.lists(VARIED_SPECS | st.just(SPREAD), min_size=2, max_size=3),
    STEPS,
    st.data(),
)
@settings(max_examples=50, deadline=None)
def test_exactly_those_are_woken_for_whom_something_is_another(
    records: list[NodeRecord], specs: list[Any], steps: list[str], data: Any
) -> None:
    """Unless the rows themselves are others: then everybody is."""
    fleet, waiting, now = Fleet.of(records), Waiting[int](), NOW
    wanted = {number: labelled(intent(**spec), data) for number, spec in enumerate(specs)}
    before = {number: objections(fleet, one, now) for number, one in wanted.items()}
    for number, one in wanted.items():
        waiting.keep(number, fleet, one, now)
    for step in steps:
        shape = fleet.shape
        take_step(fleet, step, data)
        now += timedelta(seconds=50 if step == "age" else 0)
        after = {number: objections(fleet, one, now) for number, one in wanted.items()}
        changed = {number for number in wanted if after[number] != before[number]}
        woken = waiting.woken(fleet, now)
        assert woken == (changed if fleet.shape is shape else wanted.keys())
        for number in woken:
            waiting.keep(number, fleet, wanted[number], now)
        before = after
