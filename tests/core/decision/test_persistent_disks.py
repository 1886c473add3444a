"""A Persistent disk holds its workload where it is, and no other workload."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schedune.api.scheduling_policy import SchedulingPolicy
from schedune.codes import placement as codes
from schedune.decision.decide import Decision, decide
from schedune.decision.explanation import Explanation
from schedune.decision.reservation import record_on
from schedune.eligibility.capacity import overcommitted_rows
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import ClaimRecord, NodeRecord
from schedune.fleet.view import View
from schedune.launch.intent import Intent
from schedune_testing.nodes import NOW, facts, node
from schedune_testing.stories import Story

DISK = {"name": "root", "source": {"empty": {"size": "1Mi"}}, "format": "Raw"}
HELD = {"namespace": "default", "workload": "vm", "disk": "root", "sizeBytes": 1}
MEBI = 2**20
ROOM = {"vcpus": 8, "memory": "16Gi", "disk": "1Gi", "basis": "Declared"}


def intent(*homes: str) -> Intent:
    told = [{"disk": "root", "nodeName": one, "nodeUID": f"uid-{one}"} for one in homes]
    spec = {"disks": [{**DISK, "access": "Persistent"}]}
    return Story(node("a"), spec=spec, status={"persistentDisks": told}).intent()


def judge(asked: Intent, **held: dict[str, Any]) -> Decision:
    nodes = [
        node(name, facts(name, capacity=ROOM, persistentDisks=[held[name]] if name in held else []))
        for name in ("a", "b")
    ]
    return decide(Fleet.of(nodes), asked, now=NOW)


def where(decision: Decision) -> list[str]:
    eligible = zip(decision.fleet.nodes, decision.eligible, strict=True)
    return [one.name for one, is_eligible in eligible if is_eligible]


def asking_for(size: str) -> Intent:
    disk = {"name": "scratch", "source": {"empty": {"size": size}}, "format": "Raw"}
    return Story(node("a"), spec={"disks": [{**disk, "access": "Ephemeral"}]}).intent()


def disk(workload: str, mebi: int) -> dict[str, Any]:
    told = {"namespace": "default", "namespaceUID": "ns", "workload": workload, "disk": "root"}
    return {**told, "sizeBytes": mebi * MEBI}


def a_node(*disks: dict[str, Any]) -> NodeRecord:
    return node("a", facts("a", capacity=ROOM, persistentDisks=list(disks)))


def claim(workload: str, mebi: int = 0) -> ClaimRecord:
    names = {"namespace": "default", "namespace_uid": "ns", "workload": workload}
    held = frozenset({"root"})
    return ClaimRecord(
        "a", f"of-{workload}", 0, 0, disk_bytes=mebi * MEBI, persistent_disks=held, **names
    )


def test_what_a_stopped_vm_may_come_back_to_is_not_given_to_others() -> None:
    fleet = Fleet.of([a_node(disk("stopped", 600))])
    assert where(decide(fleet, asking_for("424Mi"), now=NOW)) == ["a"]
    decision = decide(fleet, asking_for("425Mi"), now=NOW)
    (cause,) = Explanation(decision).causes(0)
    assert cause.change == (
        "425Mi of disk is free (424Mi is left, 600Mi is kept for VMs that are not placed)"
    )


def test_the_workload_itself_finds_the_room_of_its_disk() -> None:
    wanted = {**DISK, "source": {"empty": {"size": "700Mi"}}, "access": "Persistent"}
    asked = Story(node("a"), spec={"disks": [wanted]}).intent()
    assert where(decide(Fleet.of([a_node(disk("vm", 700))]), asked, now=NOW)) == ["a"]
    crowded = Fleet.of([a_node(disk("vm", 700), disk("other", 400))])
    assert where(decide(crowded, asked, now=NOW)) == []


def test_the_disk_of_a_vm_that_is_placed_counts_once_and_goes_on_counting_after_it() -> None:
    fleet = Fleet.of([a_node(disk("busy", 600))], [claim("busy", 600)])
    for _ in range(2):
        assert where(decide(fleet, asking_for("424Mi"), now=NOW)) == ["a"]
        assert where(decide(fleet, asking_for("425Mi"), now=NOW)) == []
        fleet.release("of-busy")


def test_only_the_disks_that_a_claim_counts_are_not_counted_beside_it() -> None:
    """A VM that was placed without its second disk, or in a namespace made anew."""
    second = {**disk("busy", 400), "disk": "data"}
    fleet = Fleet.of([a_node(disk("busy", 600), second)], [claim("busy", 600)])
    assert fleet.kept.tolist() == [400 * MEBI]
    anew = replace(claim("busy", 600), namespace_uid="new")
    assert Fleet.of([a_node(disk("busy", 600))], [anew]).kept.tolist() == [600 * MEBI]


def test_a_disk_that_is_there_counts_as_large_as_it_is_whatever_is_asked_for() -> None:
    wanted = {**DISK, "access": "Persistent"}
    asked = Story(node("a"), spec={"disks": [wanted]}).intent()
    fleet = Fleet.of([a_node(disk("vm", 700))])
    held = record_on(fleet, asked, 0, "p")
    assert held.disk_bytes == 700 * MEBI
    fleet.reserve(held)
    assert fleet.kept.tolist() == [0]


def test_nonsense_of_one_node_is_no_more_than_a_node_without_room() -> None:
    huge = [{**disk("x", 0), "disk": f"d{one}", "sizeBytes": 2**63 - 1} for one in range(3)]
    fleet = Fleet.of([a_node(*huge)], [claim("other", 3000)])
    assert where(decide(fleet, asking_for("1Mi"), now=NOW)) == []


def test_what_is_kept_makes_no_node_hold_more_than_it_has() -> None:
    """Who is withdrawn from it would not free that room."""
    fleet = Fleet.of([a_node(disk("stopped", 900))], [claim("other", 500)])
    assert overcommitted_rows(View(fleet), SchedulingPolicy()).tolist() == []


STEPS = st.lists(
    st.tuples(st.sampled_from(["disk", "claim", "release", "add", "remove"]), st.integers(0, 2))
)


@given(STEPS)
def test_what_is_kept_is_the_same_step_by_step_and_made_anew(steps: list[tuple[str, int]]) -> None:
    fleet, records, claims = Fleet.of([]), dict[str, NodeRecord](), dict[int, ClaimRecord]()
    for step, number in steps:
        match step:
            case "disk" | "add":
                record = a_node(*(disk(str(one), 2**one) for one in range(number)))
                records["a"] = record
                fleet.update(record)
            case "remove":
                records.clear()
                fleet.remove("a")
            case "claim":
                claims[number] = claim(str(number))
                fleet.reserve(claims[number])
            case "release":
                claims.pop(number, None)
                fleet.release(f"of-{number}")
        anew = Fleet.of(records.values(), claims.values())
        assert fleet.kept.tolist() == anew.kept.tolist()
        held = [one for one in range(3) if one not in claims]
        made = len(records["a"].truth.status.persistent_disks) if records else 0  # type: ignore[union-attr]
        assert fleet.kept.sum() == sum(2**one * MEBI for one in held if one < made)


def test_a_disk_that_no_node_holds_is_made_anywhere() -> None:
    assert where(judge(intent())) == ["a", "b"]


def test_a_workload_goes_where_its_disk_is() -> None:
    assert where(judge(intent(), b={**HELD, "namespaceUID": "ns"})) == ["b"]


def test_a_namespace_made_anew_is_not_held_by_the_disks_of_the_old_one() -> None:
    old = {**HELD, "namespaceUID": "old"}
    fresh = replace(intent(), namespace_uid="new")
    assert where(judge(fresh, b=old)) == ["a", "b"]
    assert where(judge(replace(intent(), namespace_uid="old"), b=old)) == ["b"]


def test_a_disk_that_was_just_made_holds_its_workload_before_the_truth_lists_it() -> None:
    assert where(judge(intent("b"))) == ["b"]


def test_where_a_truth_lists_the_disk_counts_more_than_what_is_remembered() -> None:
    assert where(judge(intent("b"), a={**HELD, "namespaceUID": "ns"})) == ["a"]


def test_a_disk_on_a_node_that_is_gone_is_lost_not_made_anew() -> None:
    decision = judge(intent("gone"))
    assert where(decision) == []
    causes = Explanation(decision).causes(0)
    assert [one.reason.row for one in causes] == [codes.PERSISTENT_DISK_LOST]


def of_an_artefact(*more: dict[str, Any]) -> Intent:
    source = {"source": {"artifact": "golden"}}
    return Story(
        node("a"), spec={"disks": [{**DISK, **source, "access": "Persistent"}, *more]}
    ).intent()


def test_a_disk_that_is_there_needs_its_artefact_no_more_and_only_there() -> None:
    for name in ("another", "vm"):
        fleet = Fleet.of([a_node(disk(name, 1))])
        decision = decide(fleet, of_an_artefact(), now=NOW)
        assert where(decision) == (["a"] if name == "vm" else [])
    (cause,) = Explanation(decide(Fleet.of([a_node()]), of_an_artefact(), now=NOW)).causes(0)
    assert cause.reason.row.code == "REJECT_ARTIFACT_MISSING"


def test_an_artefact_that_another_disk_needs_is_needed_where_the_first_one_is() -> None:
    same = {"name": "second", "source": {"artifact": "golden"}, "format": "Raw"}
    fleet = Fleet.of([a_node(disk("vm", 1))])
    for access in ("Persistent", "ReadOnly"):
        decision = decide(fleet, of_an_artefact({**same, "access": access}), now=NOW)
        assert where(decision) == []
    both = Fleet.of([a_node(disk("vm", 1), {**disk("vm", 1), "disk": "second"})])
    second = {**same, "access": "Persistent"}
    assert where(decide(both, of_an_artefact(second), now=NOW)) == ["a"]
