"""When the VMs of a node are told that it is silent."""

import copy
from typing import Any

import pytest

from schedune_testing.seen import recorded_nodes, world_of


def node_and_truth(fresh: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a Node and its NodeTruth, of which the operator has said whether it is fresh."""
    node, truth = copy.deepcopy(recorded_nodes(1)[:2])
    condition = {
        "type": "Fresh", "status": fresh, "reason": "Told", "message": "",
        "lastTransitionTime": "2026-11-24T12:00:00Z",
    }  # fmt: skip
    truth["status"]["conditions"] = [condition] if fresh else []
    return node, truth


@pytest.mark.parametrize(
    ("fresh", "is_told"), [("True", False), ("False", True), ("Unknown", True), (None, True)]
)
def test_the_vms_of_a_silent_node_are_told_when_its_truth_is(
    fresh: str | None, *, is_told: bool
) -> None:
    node, truth = node_and_truth(fresh)
    name = node["metadata"]["name"]
    world = world_of([node, truth], silent=[name]).world
    assert world.is_silent(name)
    assert world.is_told_silent(name) is is_told


def test_where_nobody_will_say_that_a_truth_is_stale_silence_is_told_at_once() -> None:
    node, truth = node_and_truth("True")
    name = node["metadata"]["name"]
    for known in (node, truth):
        assert world_of([known], silent=[name]).world.is_told_silent(name)


def test_an_order_that_comes_with_the_answer_to_our_own_write_is_heard() -> None:
    """An administrator wrote just before us: the watch brings nothing newer than our write."""
    node, truth = node_and_truth("True")
    name, told = node["metadata"]["name"], list[str]()
    world = world_of([node, truth]).world
    world.on_node = told.append
    ordered = copy.deepcopy(truth)
    ordered["spec"] = {"scheduling": "Draining"}
    ordered["metadata"]["resourceVersion"] = "99"
    world.absorb_truth(ordered)
    assert told == [name]
    assert [one.scheduling for one in world.fleet().nodes] == ["Draining"]
