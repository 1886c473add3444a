"""What a worker does about processes that it did not record; processes stand in for VMMs here.

A VM is always real elsewhere (tests/cluster/test_walk.py): these tests are about identity.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from schedune.api.nodetruth import NodeTruthStatus
from schedune.api.vmplacement import Ended, PlacementState, VMPlacement
from schedune_agent.identity import NodeIdentity
from schedune_agent.ledger import Ledger
from schedune_agent.placement_base import Node
from schedune_agent.placement_worker import PlacementWorker
from schedune_agent.record import RecordStore
from schedune_agent.settings import AgentSettings
from schedune_agent.system import processes
from schedune_agent.vmm.qemu.argv import marker

UID = "11111111-2222-3333-4444-555555555555"
CLUSTER = "cluster-of-this-test"
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
BOOT_ID = Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def node(folder: Path) -> Node:
    settings = AgentSettings.model_validate(
        {
            "kubernetes": {"server": "https://127.0.0.1:1", "caFile": "/ca", "tokenFile": "/token"},
            "clusterUID": CLUSTER,
            "runDirectory": str(folder / "run"),
            "stateDirectory": str(folder / "state"),
            "imageRoots": [str(folder)],
        }
    )
    identity = NodeIdentity("node", "node-uid", "machine", BOOT_ID)
    return Node(
        settings=settings,
        identity=identity,
        records=RecordStore(settings.state_directory),
        ledger=Ledger(),
        facts=NodeTruthStatus,
        clock=lambda: NOW,
        launches=True,
        contained=False,
    )


def placement(*, deleted: bool = False, status: dict[str, object] | None = None) -> VMPlacement:
    launch = {
        "runtimeClass": "VirtualMachine",
        "architecture": "amd64",
        "acceleration": "Emulated",
        "vcpus": 1,
        "memory": "64Mi",
        "kernel": {"artifact": "kernel"},
        "restartPolicy": "Always",
        "readiness": {"level": "Guest", "timeoutSeconds": 5},
        "terminationGraceSeconds": 0,
    }
    evidence = {
        "truthDigest": "t",
        "decisionDigest": "d",
        "score": 1,
        "decisionTime": "2026-11-24T12:00:00Z",
        "operatorEpoch": 1,
    }
    metadata = {"name": "vm", "namespace": "default", "uid": UID, "finalizers": ["schedune.io/vm"]}
    if deleted:
        metadata["deletionTimestamp"] = "2026-11-24T12:00:00Z"
    return VMPlacement.model_validate(
        {
            "metadata": metadata,
            "spec": {
                "attempt": 1,
                "backend": "QEMU",
                "claim": {"vcpus": 1, "memory": "64Mi", "overheadMemory": "16Mi"},
                "evidence": evidence,
                "launch": launch,
                "mode": "Execute",
                "nodeName": "node",
                "nodeUID": "node-uid",
                "workload": {"generation": 1, "uid": "workload-uid"},
            },
            "status": status or {},
        }
    )


@pytest.fixture
def marked() -> Iterator[subprocess.Popen[bytes]]:
    """A process that carries the placement's marker."""
    code = "import time; time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, marker(UID, CLUSTER)]) as process:
        _await_argv(process.pid)
        yield process
        process.kill()


def _await_argv(pid: int) -> None:
    deadline = time.monotonic() + 10
    while pid not in processes.find_by_argument(marker(UID, CLUSTER)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


async def test_a_deleted_placement_whose_record_is_lost_ends_its_process_before_it_says_so(
    tmp_path: Path, marked: subprocess.Popen[bytes]
) -> None:
    worker = PlacementWorker(node(tmp_path), placement(deleted=True), None)
    await worker.step()
    assert worker.record.ended is not None
    assert marked.wait(5) is not None


async def test_a_placement_that_has_ended_is_not_launched_again_when_its_record_is_lost(
    tmp_path: Path,
) -> None:
    ended = Ended(time=NOW, reason="GuestPoweredOff").render()
    status = {"state": "Terminated", "ended": ended}
    worker = PlacementWorker(node(tmp_path), placement(status=status), None)
    await worker.step()
    assert worker.record.state is PlacementState.TERMINATED
    assert not worker.is_live


async def test_a_marked_process_that_does_not_answer_is_unknown_and_never_called_failed(
    tmp_path: Path, marked: subprocess.Popen[bytes]
) -> None:
    vmm = {
        "pid": marked.pid,
        "startTime": 1,
        "bootID": BOOT_ID,
        "controlSocket": "/nowhere",
        "survival": "OutlivesAgent",
    }
    status = {"state": "Running", "vmm": vmm}
    worker = PlacementWorker(node(tmp_path), placement(status=status), None)
    for _ in range(3):
        await worker.step()
    assert worker.record.state is PlacementState.UNKNOWN
    assert worker.record.ended is None
    assert worker.is_live
    assert marked.poll() is None


async def test_a_vm_of_a_lost_record_that_is_proved_dead_is_the_end_of_its_incarnation(
    tmp_path: Path,
) -> None:
    vmm = {
        "pid": 1,
        "startTime": 1,
        "bootID": "another-boot",
        "controlSocket": "/nowhere",
        "survival": "OutlivesAgent",
    }
    worker = PlacementWorker(
        node(tmp_path), placement(status={"state": "Running", "vmm": vmm}), None
    )
    await worker.step()
    assert worker.record.state is PlacementState.EXITED
    assert worker.record.incarnation == 2


def test_the_finalizer_stays_until_the_end_is_stored_on_the_server(tmp_path: Path) -> None:
    worker = PlacementWorker(node(tmp_path), placement(deleted=True), None)
    worker.record = worker.record.model_copy(update={"ended": Ended(time=NOW, reason="X")})
    assert not worker.releasable
