"""The largest numbers the API admits are counted, explained and scored without overflow."""

from typing import Any

import pytest

from schedune.api.quantity import MAX_BYTES
from schedune.decision.decide import decide
from schedune.decision.evaluation import evaluation_of
from schedune.decision.explanation import Explanation
from schedune.decision.why import why_lines
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import ClaimRecord
from schedune_testing.nodes import NOW, facts, intent
from schedune_testing.stories import with_facts

MOST = str(MAX_BYTES)
IMAGE = {"name": "image", "kind": "Disk", "format": "Qcow2", "architecture": "Unknown"}
DISKS = [
    {"name": "root", "source": {"artifact": "image"}, "format": "Qcow2", "access": "Persistent"},
    {"name": "data", "source": {"empty": {"size": MOST}}, "format": "Raw", "access": "Persistent"},
]


def decided(capacity: dict[str, Any], memory: str, *, claims: int = 0, **spec: Any) -> list[str]:
    """Decide on one node of these sizes and return every word that is told of it."""
    image = {**IMAGE, "sizeBytes": 2**63 - 1, "virtualSizeBytes": 2**63 - 1}
    record = with_facts(
        "n", capacity={**capacity, "basis": "Declared"}, artifacts=[*facts("n")["artifacts"], image]
    )
    fleet = Fleet.of([record])
    for number in range(claims):
        fleet.reserve(ClaimRecord("n", f"p{number}", 65536, MAX_BYTES, MAX_BYTES))
    resources = {"vcpus": 1, "memory": memory}
    decision = decide(fleet, intent(resources=resources, **spec), now=NOW)
    explanation = Explanation(decision)
    assert evaluation_of(explanation).nodes_evaluated == 1
    return why_lines(explanation)


@pytest.mark.parametrize("offered", ["0", "16Gi", MOST])
@pytest.mark.parametrize("asked", ["16Mi", "16Gi", MOST])
def test_the_largest_amounts_are_decided_and_told(offered: str, asked: str) -> None:
    capacity = {"vcpus": 65536, "memory": offered, "disk": offered}
    for disks in ([], DISKS):
        assert decided(capacity, asked, disks=disks)


def test_hundreds_of_the_largest_claims_on_one_node_leave_nothing_free() -> None:
    told = decided({"vcpus": 65536, "memory": MOST, "disk": MOST}, "16Gi", claims=500)
    assert any("memory" in line for line in told)
