"""Whoever writes a part whole owns it whole; what the definitions accept is no other for that."""

from typing import Any

import pytest

from schedune.api.crd.definition import DEFINITIONS, render_definition

MAP_TYPE = "x-kubernetes-map-type"


def properties_of(kind: str) -> dict[str, Any]:
    (definition,) = (one for one in DEFINITIONS if one.kind == kind)
    version = render_definition(definition)["spec"]["versions"][0]
    properties: dict[str, Any] = version["schema"]["openAPIV3Schema"]["properties"]
    return properties


def has_owners_inside(part: dict[str, Any]) -> bool:
    """Say whether the fields of a part, or of the items of a list, have an owner each."""
    inside = part["items"] if part["type"] == "array" else part
    return inside["type"] == "object" and inside.get(MAP_TYPE) != "atomic"


@pytest.mark.parametrize(
    ("kind", "part"), [("VMWorkload", "status"), ("VMPlacement", "spec"), ("VMPlacement", "status")]
)
def test_what_one_of_us_writes_has_one_owner(kind: str, part: str) -> None:
    assert properties_of(kind)[part][MAP_TYPE] == "atomic"


@pytest.mark.parametrize("kind", ["VMWorkload", "NodeTruth"])
def test_what_people_and_their_tools_write_has_an_owner_for_each_field(kind: str) -> None:
    assert MAP_TYPE not in properties_of(kind)["spec"]


def test_agent_and_operator_share_the_conditions_of_a_node_and_nothing_else() -> None:
    status = properties_of("NodeTruth")["status"]
    assert MAP_TYPE not in status
    shared = [name for name, part in status["properties"].items() if has_owners_inside(part)]
    assert shared == ["conditions"]


def test_lists_with_one_owner_still_hold_no_two_of_a_name() -> None:
    artifacts = properties_of("NodeTruth")["status"]["properties"]["artifacts"]
    assert artifacts["x-kubernetes-list-map-keys"] == ["name"]
