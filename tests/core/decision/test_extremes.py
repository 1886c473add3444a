"""The largest numbers the API admits are counted, explained and scored without overflow."""

from typing import Any

import pytest

from schedune.api.quantity import MAX_BYTES
from schedune.codes.intent import INVALID_FIELD
from schedune.codes.launch import TOO_MANY_VCPUS
from schedune.decision.decide import decide
from schedune.decision.evaluation import evaluation_of
from schedune.decision.explanation import Explanation
from schedune.decision.why import why_lines
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import ClaimRecord, NodeRecord
from schedune.launch.intent import parse_intent, read_workload
from schedune_testing.fleets import capability
from schedune_testing.nodes import NOW, facts, intent, workload
from schedune_testing.stories import with_facts

MOST = str(MAX_BYTES)
IMAGE = {"name": "image", "kind": "Disk", "format": "Qcow2", "architecture": "Unknown"}
DISKS = [
    {"name": "root", "source": {"artifact": "image"}, "format": "Qcow2", "access": "Persistent"},
    {
        "name": "data",
        "source": {"empty": {"size": "16Ti"}},
        "format": "Raw",
        "access": "Persistent",
    },
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


@pytest.mark.parametrize("size", ["16Pi", "9Ei", "1E", "1e1.5", "0", "17Ti", "16777217Mi"])
def test_a_new_disk_that_no_image_can_be_is_refused_by_name(size: str) -> None:
    """The schema lets these through: as text each of them is a quantity."""
    disk = {"name": "data", "source": {"empty": {"size": size}}, "format": "Raw",
            "access": "Ephemeral"}  # fmt: skip
    read = read_workload(workload(disks=[disk]))
    assert not isinstance(read, tuple), read
    refused = parse_intent(read)
    assert isinstance(refused, tuple)
    assert [one.row for one in refused] == [INVALID_FIELD]
    assert refused[0].subject == "spec.disks[].source.empty.size"
    assert refused[0].observed == size


@pytest.mark.parametrize(("vcpus", "is_told"), [(288, False), (289, True)])
def test_qemu_is_asked_for_no_more_vcpus_than_its_machine_has(vcpus: int, *, is_told: bool) -> None:
    """QEMU 7.2: the max CPUs supported by machine 'pc-q35-7.2' is 288."""
    capacity = {"vcpus": 512, "memory": "64Gi", "disk": "1Ti", "basis": "Declared"}
    asked = intent(resources={"vcpus": vcpus, "memory": "1Gi"}, backend={"preference": ["QEMU"]})
    decision = decide(Fleet.of([with_facts("n", capacity=capacity)]), asked, now=NOW)
    told = [line for line in why_lines(Explanation(decision)) if TOO_MANY_VCPUS.code in line]
    assert bool(told) is is_told
    assert bool(decision.eligible[0]) is not is_told


def test_what_is_known_of_a_binary_is_told_right_after_many_other_questions() -> None:
    """A column that was let go of for others comes back with its values numbered anew."""

    def record(name: str, state: str) -> NodeRecord:
        said = [capability("qemu_binary_present", state)]
        return with_facts(name, backends=[], capabilities=[*facts(name)["capabilities"], *said])

    def told(fleet: Fleet) -> list[str]:
        asked = intent(backend={"preference": ["QEMU"]})
        return why_lines(Explanation(decide(fleet, asked, now=NOW)))

    fleet = Fleet.of([record("a", "Unknown"), record("b", "Unsupported")])
    assert told(fleet)
    swapped = [record("a", "Unsupported"), record("b", "Unknown")]
    for one in swapped:
        fleet.update(one)
    for number in range(600):
        fleet.keyed("artifact", f"file-{number}")
    assert told(fleet) == told(Fleet.of(swapped))
