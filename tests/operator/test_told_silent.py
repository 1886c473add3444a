"""When the VMs of a node are told that it is silent."""

import copy
from datetime import UTC, datetime
from typing import Any

import pytest

from schedune_kube.client import KubeClient
from schedune_kube.credentials import Credentials
from schedune_operator.world import World
from schedune_testing.seen import recorded_nodes

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def world_of(*objects: dict[str, Any]) -> World:
    """Return a world of some objects in which no heartbeat was ever heard."""
    client = KubeClient(Credentials("https://127.0.0.1:1"), field_manager="test")
    world = World(client, lambda: None, lambda _: {}, lambda: NOW, lambda: 1000.0)
    for version, raw in enumerate(objects, start=1):
        mirror = world.nodes if raw["kind"] == "Node" else world.truths
        raw["metadata"] |= {"resourceVersion": str(version), "uid": f"uid-{version}"}
        mirror.absorb(raw)
    return world


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
    world = world_of(node, truth)
    assert world.is_silent(name)
    assert world.is_told_silent(name) is is_told


def test_where_nobody_will_say_that_a_truth_is_stale_silence_is_told_at_once() -> None:
    node, truth = node_and_truth("True")
    name = node["metadata"]["name"]
    assert world_of(truth).is_told_silent(name)
    assert world_of(node).is_told_silent(name)
