"""Nodes and intents for tests: a healthy node, changed in one place at a time."""

from datetime import UTC, datetime, timedelta
from typing import Any

from schedune.api.nodetruth import NodeTruth
from schedune.api.vmworkload import Backend
from schedune.fleet.node import NodeRecord
from schedune.launch.intent import Intent, parse_intent, read_workload
from schedune.launch.traits import TRAITS

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
LEASE_S = 180


def facts(name: str, architecture: str = "amd64", **changes: Any) -> dict[str, Any]:
    """Return the status of a healthy node's truth, with changes."""
    kernel = {"name": "kernel", "kind": "Kernel", "format": "BzImage", "sizeBytes": 1}
    boots = "BzImage" if architecture == "amd64" else "Image"
    qemu = {
        "name": "QEMU",
        "path": "/usr/bin/qemu",
        "version": "7.2.0",
        "architecture": architecture,
        "accelerations": ["KVM", "Emulated"],
        "machineTypes": ["q35" if architecture == "amd64" else "virt"],
        "features": sorted(TRAITS[Backend.QEMU].all_devices),
    }
    kvm = {
        "name": "kvm_vm_launch",
        "state": "Supported",
        "reasonCode": "CAP_KVM_SUPPORTED",
        "observedTime": "2026-11-24T12:00:00Z",
        "message": "a guest ran",
    }
    return {
        "artifacts": [{**kernel, "format": boots, "architecture": architecture}],
        "backends": [qemu],
        "capabilities": [kvm],
        "capacity": {"vcpus": 8, "memory": "16Gi", "basis": "Declared"},
        "cpu": {"architecture": architecture, "cores": 8},
        "health": {"state": "Healthy"},
        "identity": {
            "nodeUID": f"uid-{name}",
            "machineID": "m",
            "bootID": "b",
            "agentVersion": "1",
        },
        "digest": f"sha256:{name}",
        **changes,
    }


def node(
    name: str,
    status: dict[str, Any] | None = None,
    *,
    age_s: float | None = 1.0,
    scheduling: str = "Enabled",
    **changes: Any,
) -> NodeRecord:
    """Return a node record; without changes nothing stands against it."""
    truth = NodeTruth.model_validate(
        {
            "metadata": {"name": name},
            "spec": {"scheduling": scheduling},
            "status": facts(name) if status is None else status,
        }
    )
    values: dict[str, Any] = {
        "name": name,
        "uid": f"uid-{name}",
        "truth": truth,
        "last_proof": None if age_s is None else NOW - timedelta(seconds=age_s),
        "lease_seconds": LEASE_S,
        **changes,
    }
    return NodeRecord(**values)


def workload(**spec: Any) -> dict[str, Any]:
    """Return a VMWorkload as the API server would give it."""
    return {
        "apiVersion": "schedune.io/v1alpha1",
        "kind": "VMWorkload",
        "metadata": {"name": "vm", "namespace": "default", "uid": "u", "generation": 1},
        "spec": {
            "runtimeClass": "VirtualMachine",
            "architecture": "Any",
            "resources": {"vcpus": 2, "memory": "4Gi"},
            "boot": {"kernel": {"artifact": "kernel"}},
            **spec,
        },
    }


def intent(**spec: Any) -> Intent:
    """Return a parsed intent."""
    read = read_workload(workload(**spec))
    assert not isinstance(read, tuple), read
    parsed = parse_intent(read)
    assert isinstance(parsed, Intent), parsed
    return parsed
