"""What becomes of Persistent disks: kept, removed by order, remembered where they are."""

from typing import Any

import pytest

from schedune.api.vmplacement import VMPlacement
from schedune.api.vmworkload import PersistentDiskHome
from schedune.lifecycle.disks import DiskFate, fate_of_disks, homes_of

GOES = {"name": "root", "format": "Raw", "access": "Persistent", "retention": "Delete"}
STAYS = {**GOES, "retention": "Retain"}
OVERLAY = {**STAYS, "access": "Ephemeral"}


def placement(*disks: dict[str, Any], stop: str = "", mode: str = "Execute", **status: Any) -> Any:
    launch = {
        "runtimeClass": "VirtualMachine", "architecture": "amd64", "acceleration": "KVM",
        "vcpus": 1, "memory": "1Gi", "restartPolicy": "Always", "disks": list(disks),
        "readiness": {"level": "Guest", "timeoutSeconds": 1}, "terminationGraceSeconds": 0,
    }  # fmt: skip
    evidence = {
        "truthDigest": "t", "decisionDigest": "d", "score": 1,
        "decisionTime": "2026-11-24T12:00:00Z", "operatorEpoch": 1,
    }  # fmt: skip
    spec: dict[str, Any] = {
        "attempt": 1, "backend": "QEMU", "evidence": evidence, "launch": launch, "mode": mode,
        "claim": {"vcpus": 1, "memory": "1Gi", "overheadMemory": "1Mi"},
        "nodeName": "n", "nodeUID": "uid-n", "workload": {"generation": 1, "uid": "w"},
    }  # fmt: skip
    if stop:
        spec["stop"] = {"reason": stop, "graceSeconds": 0}
    raw = {"metadata": {"name": "vm", "namespace": "default"}, "spec": spec, "status": status}
    return VMPlacement.model_validate(raw)


@pytest.mark.parametrize(
    ("disk", "stop", "mode", "fate"),
    [
        (GOES, "WorkloadGone", "Execute", DiskFate.REMOVE),
        (GOES, "Stopped", "Execute", DiskFate.KEEP),
        (GOES, "", "Execute", DiskFate.AWAIT),
        (STAYS, "WorkloadGone", "Execute", DiskFate.KEEP),
        (STAYS, "", "Execute", DiskFate.KEEP),
        (OVERLAY, "WorkloadGone", "Execute", DiskFate.KEEP),
        (GOES, "WorkloadGone", "DryRun", DiskFate.KEEP),
    ],
)
def test_only_a_workload_that_is_gone_takes_only_the_disks_along_that_are_to_go(
    disk: dict[str, Any], stop: str, mode: str, fate: DiskFate
) -> None:
    assert fate_of_disks(placement(disk, stop=stop, mode=mode)) is fate


HERE = PersistentDiskHome(disk="root", node_name="n", node_uid="uid-n")
BEFORE = PersistentDiskHome(disk="root", node_name="m", node_uid="uid-m")
OTHER = PersistentDiskHome(disk="data", node_name="m", node_uid="uid-m")


@pytest.mark.parametrize("state", ["Launching", "Starting", "Running"])
def test_a_disk_is_where_its_placement_came_as_far_as_a_launch(state: str) -> None:
    assert homes_of([], placement(STAYS, state=state)) == [HERE]
    assert homes_of([BEFORE, OTHER], placement(STAYS, state=state)) == [OTHER, HERE]


def test_a_placement_that_was_refused_or_ran_nothing_holds_no_disk() -> None:
    assert homes_of([], placement(STAYS, state="Terminated")) == []
    assert homes_of([BEFORE], placement(STAYS, mode="DryRun", state="Validated")) == [BEFORE]
    assert homes_of([], placement(OVERLAY, state="Running")) == []
    assert homes_of([BEFORE], None) == [BEFORE]


def test_a_placement_that_ended_has_launched_by_its_trace() -> None:
    moved = {"time": "2026-11-24T12:00:00Z", "from": "Validated", "to": "Launching", "code": "CODE"}
    assert homes_of([], placement(STAYS, state="Failed", trace=[moved])) == [HERE]
