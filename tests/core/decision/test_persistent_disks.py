"""A Persistent disk holds its workload where it is, and no other workload."""

from dataclasses import replace
from typing import Any

from schedune.codes import placement as codes
from schedune.decision.decide import Decision, decide
from schedune.decision.explanation import Explanation
from schedune.fleet.fleet import Fleet
from schedune.launch.intent import Intent
from schedune_testing.nodes import NOW, facts, node
from schedune_testing.stories import Story

DISK = {"name": "root", "source": {"empty": {"size": "1Mi"}}, "format": "Raw"}
HELD = {"namespace": "default", "workload": "vm", "disk": "root", "sizeBytes": 1}
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
