"""What a SchedulerEnvelope says of a node here, and what each difference is called."""

from datetime import UTC, datetime
from typing import Any

import pytest

from schedune.api.nodetruth import NodeTruth
from schedune.api.vmworkload import Backend
from schedune_cli.importing.documents import import_document
from schedune_cli.importing.notes import Imported
from schedune_cli.importing.workload import ImportPolicy

ENVELOPE: dict[str, Any] = {
    "schema_version": "v1alpha1",
    "agent_version": "0.1.0",
    "collection_id": "c-1",
    "timestamp_sec": 1_700_000_000,
    "node_id": "node-1",
    "compatibility": {"class": "X86HoldingPool", "reason_codes": []},
    "facts": {
        "cpu": {"architecture": "x86_64", "cores": 8},
        "memory": {"total_mb": 2048},
        "os": {"hostname": "h", "name": "Debian"},
    },
    "capabilities": [],
    "health": {"state": "Healthy"},
}


def imported(**changes: Any) -> Imported:
    found = import_document({**ENVELOPE, **changes}, ImportPolicy())
    assert isinstance(found, Imported), found
    return found


def truth(**changes: Any) -> NodeTruth:
    manifest = imported(**changes).manifest
    assert isinstance(manifest, NodeTruth)
    return manifest


def losses(**changes: Any) -> list[str]:
    return [str(one) for one in imported(**changes).losses]


def refused(**changes: Any) -> list[str]:
    found = import_document({**ENVELOPE, **changes}, ImportPolicy())
    assert isinstance(found, tuple), found
    assert all(one.remedy for one in found)
    return [one.field for one in found]


def capability(**changes: Any) -> dict[str, Any]:
    return {
        "feature": "kvm_vm_launch",
        "state": "Supported",
        "reason_code": "CAP_KVM_OPENABLE",
        "observed_at_sec": 100,
        **changes,
    }


def test_a_node_is_never_renamed_because_its_truth_is_named_as_it_is() -> None:
    assert truth(node_id="a.example").metadata.name == "a.example"
    assert refused(node_id="Node_1") == ["node_id"]


def test_facts_of_an_envelope_are_facts_of_the_truth() -> None:
    status = truth(health={"state": "Warning"}).status
    assert status.cpu is not None
    assert (status.cpu.architecture, status.cpu.cores) == ("amd64", 8)
    assert status.capacity is not None
    assert (status.capacity.vcpus, status.capacity.memory) == (8, "2048Mi")
    assert status.memory is not None
    assert status.memory.total_bytes == 2048 * 2**20
    assert status.observed_time == datetime.fromtimestamp(1_700_000_000, UTC)
    assert status.health is not None
    assert status.health.state.value == "Warning"
    assert status.identity is None


def test_of_two_capabilities_with_one_name_the_last_one_counts() -> None:
    twice = [capability(), capability(state="Unsupported")]
    (found,) = truth(capabilities=twice).status.capabilities
    assert found.state.value == "Unsupported"
    assert any("the last one counts" in one for one in losses(capabilities=twice))


@pytest.mark.parametrize(("until", "seconds"), [(None, None), (400, 300), (100, 1), (40, 1)])
def test_a_capability_holds_exactly_as_long_as_in_the_original(
    until: int | None, seconds: int | None
) -> None:
    (found,) = truth(capabilities=[capability(stale_after_sec=until)]).status.capabilities
    assert found.stale_after_seconds == seconds
    if until is not None and seconds is not None:
        assert found.observed_time.timestamp() + seconds == until


def test_a_capability_without_a_readable_code_says_so() -> None:
    (found,) = truth(capabilities=[capability(reason_code=None)]).status.capabilities
    assert found.reason_code == "CAP_NOT_EXPLAINED"
    told = losses(capabilities=[capability(reason_code="kvm ok")])
    assert any("reason_code" in one for one in told)


@pytest.mark.parametrize("provenance", ["Observed", {"Unavailable": "no probe"}, {"a": [1]}, 7])
def test_no_provenance_makes_it_fail(provenance: object) -> None:
    assert truth(capabilities=[capability(provenance=provenance)]).status.capabilities


def test_a_binary_that_is_supported_is_a_backend_with_its_version() -> None:
    line = "QEMU emulator version 6.2.0 (Debian)"
    binary = capability(feature="qemu_binary_present", version=line)
    absent = capability(feature="firecracker_binary_present", state="Unsupported")
    (found,) = truth(capabilities=[binary, absent]).status.backends
    assert (found.name, found.version, found.version_line) == (Backend.QEMU, "6.2.0", line)
    assert (found.path, found.architecture) == ("qemu-system-x86_64", "amd64")


def test_a_failed_collector_is_a_failed_probe() -> None:
    status = {"collector_name": "C", "success": False, "duration_ms": 5, "error_message": "boom"}
    (found,) = truth(collector_statuses=[status]).status.probes
    assert (found.outcome, found.reason_code) == ("Failed", "PROBE_FAILED")
    assert any('"boom"' in one for one in losses(collector_statuses=[status]))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"capabilities": [capability(state="Banana")]}, "capabilities[0].state"),
        ({"constraints": [{"code": "lower"}]}, "constraints[0].code"),
        ({"health": {"state": "Fine"}}, "health.state"),
        ({"compatibility": {"class": "linux_x86_kvm"}}, "compatibility.class"),
        ({"timestamp_sec": 0}, "timestamp_sec"),
        ({"schema_version": "v2"}, "schema_version"),
    ],
)
def test_elements_of_an_envelope_are_validated(changes: dict[str, Any], field: str) -> None:
    assert refused(**changes) == [field]
