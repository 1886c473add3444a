"""What a worker does about a VM that it did not record; stand-ins for VMMs, for all but proof.

A VM is always real elsewhere (tests/vm, tests/cluster/test_walk.py): these tests are about
identity. What lacks a part of the proof is in test_carriers.py.
"""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from schedune.api.vmplacement import Ended, PlacementState, VMPlacement
from schedune_agent.node import Node
from schedune_agent.placement_worker import PlacementWorker
from schedune_agent.record import LaunchRecord, RecordedProcess
from schedune_agent.system import processes

NewPlacement = Callable[..., VMPlacement]
S = PlacementState
BOOT_ID = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
UID = "11111111-2222-3333-4444-555555555555"
ENDED = {"time": "2026-11-24T12:00:00Z", "reason": "GuestPoweredOff"}


def vmm(pid: int, *, start_time: int = 1, boot_id: str = BOOT_ID) -> dict[str, object]:
    return {
        "pid": pid,
        "startTime": start_time,
        "bootID": boot_id,
        "controlSocket": "/nowhere",
        "survival": "OutlivesAgent",
    }


def codes(worker: PlacementWorker) -> list[str]:
    return [entry.code for entry in worker.record.trace]


def recorded(state: PlacementState, pid: int = os.getpid()) -> LaunchRecord:
    """Leave the record of a process that is proved gone: its number is another's now."""
    gone = RecordedProcess(
        pid=pid, start_time=1, boot_id=BOOT_ID, executable=(0, 0), argv_digest="x"
    )
    names = {"placement_uid": UID, "workload_uid": "w", "namespace": "default", "name": "vm"}
    return LaunchRecord(**names, state=state, process=gone, argv=["/bin/false"])


async def test_a_deleted_placement_whose_record_is_lost_ends_its_process_before_it_says_so(
    node: Node, new_placement: NewPlacement, marked: "subprocess.Popen[bytes]"
) -> None:
    worker = PlacementWorker(node, new_placement(deleted=True), None)
    await worker.step()
    assert worker.record.ended is not None
    assert marked.wait(5) is not None


async def test_a_placement_that_has_ended_is_not_launched_again_when_its_record_is_lost(
    node: Node, new_placement: NewPlacement
) -> None:
    status = {"state": "Terminated", "ended": ENDED}
    worker = PlacementWorker(node, new_placement(status=status), None)
    await worker.step()
    assert worker.record.state is S.TERMINATED
    assert not worker.is_live


async def test_a_marked_process_that_does_not_answer_is_unknown_and_never_called_failed(
    node: Node, new_placement: NewPlacement, marked: "subprocess.Popen[bytes]"
) -> None:
    status = {"state": "Running", "vmm": vmm(marked.pid)}
    worker = PlacementWorker(node, new_placement(status=status), None)
    for _ in range(3):
        await worker.step()
    assert worker.record.state is S.UNKNOWN
    assert codes(worker)[-2:] == ["RECOVERY_RECORD_LOST", "RECOVERY_UNANSWERED"]
    assert worker.record.ended is None
    assert worker.is_live
    assert marked.poll() is None


async def test_a_vm_of_a_lost_record_that_is_proved_dead_is_the_end_of_its_incarnation(
    node: Node, new_placement: NewPlacement
) -> None:
    status = {"state": "Running", "vmm": vmm(1, boot_id="another-boot")}
    worker = PlacementWorker(node, new_placement(status=status), None)
    await worker.step()
    assert worker.record.state is S.EXITED
    assert worker.record.incarnation == 2
    assert codes(worker) == ["ERR_RECOVERY_EXECUTION_MISSING", "EXIT_UNKNOWN"]


@pytest.mark.parametrize("state", [S.LAUNCHING, S.STARTING])
async def test_a_process_that_was_recorded_and_is_proved_gone_before_it_was_ready_ends_its_launch(
    node: Node, new_placement: NewPlacement, state: PlacementState
) -> None:
    """Nothing is started in its stead under the same launch: the operator tries anew."""
    worker = PlacementWorker(node, new_placement(), recorded(state))
    await worker.step()
    assert worker.record.ended is not None
    assert worker.record.ended.reason == "ExitedEarly"
    assert codes(worker) == ["ERR_RECOVERY_EXECUTION_MISSING", "EXIT_UNKNOWN"]


@pytest.mark.parametrize("state", [S.RUNNING, S.TERMINATING])
async def test_an_end_that_was_ordered_is_not_called_ours_when_the_vm_was_gone_before(
    node: Node, new_placement: NewPlacement, state: PlacementState
) -> None:
    worker = PlacementWorker(node, new_placement(deleted=True), recorded(state))
    await worker.step()
    assert worker.record.state is S.TERMINATED
    assert codes(worker)[-1] == "RECOVERY_TERMINATED_MISSING"
    assert f"pid {os.getpid()} is gone" in worker.record.trace[-1].message
    assert worker.record.ended is not None
    assert worker.record.ended.reason == "ExitUnknown"


async def test_a_process_that_may_not_be_looked_at_is_unknown_and_never_called_gone(
    node: Node,
    new_placement: NewPlacement,
    marked: "subprocess.Popen[bytes]",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Root may look at everything: the refusal of the kernel is brought about here."""

    def refuse(pid: int, boot_id: str) -> None:
        raise PermissionError(f"pid {pid} may not be looked at")

    worker = PlacementWorker(node, new_placement(), recorded(S.RUNNING, pid=marked.pid))
    monkeypatch.setattr(processes, "read_identity", refuse)
    for _ in range(2):
        await worker.step()
    assert worker.record.state is S.UNKNOWN
    assert codes(worker) == ["ERR_RECOVERY_REHYDRATE_FAILED"]
    assert marked.poll() is None


async def test_a_told_process_without_a_marker_stays_unknown_for_every_later_agent(
    new_node: Callable[..., Node],
    new_placement: NewPlacement,
    unmarked: "subprocess.Popen[bytes]",
) -> None:
    """The status is rewritten from the record: the evidence must outlive both of them."""
    found = processes.read_identity(unmarked.pid, BOOT_ID)
    assert found is not None
    told = vmm(unmarked.pid, start_time=found.start_time)
    placement = new_placement(status={"state": "Running", "vmm": told})
    for _ in range(3):
        node = new_node()
        record = node.records.load_all().get(placement.metadata.uid)
        worker = PlacementWorker(node, placement, record)
        await worker.step()
        assert worker.record.state is S.UNKNOWN
        assert worker.is_live
        status = placement.status.model_validate(worker.status())
        placement = placement.model_copy(update={"status": status})
    assert unmarked.poll() is None
    unmarked.kill()
    unmarked.wait()
    await worker.step()
    assert (worker.record.state, worker.record.incarnation) == (S.EXITED, 2)


async def test_a_vm_is_found_before_its_placement_is_refused_when_its_record_is_lost(
    new_node: Callable[..., Node],
    new_placement: NewPlacement,
    marked: "subprocess.Popen[bytes]",
) -> None:
    """Nothing of the launch reached the API server, and the node has no room any more."""
    node = new_node(capacity={"vcpus": 0, "memory": "0", "basis": "Declared"})
    worker = PlacementWorker(node, new_placement(), None)
    for _ in range(3):
        await worker.step()
    assert worker.record.ended is None
    assert worker.record.state is S.UNKNOWN
    assert worker.is_live
    assert node.ledger.held[worker.record.placement_uid].vcpus == 1
    assert marked.poll() is None


async def test_of_several_processes_with_one_marker_none_is_taken_and_none_is_ended(
    node: Node, new_placement: NewPlacement, start_marked: Callable[[], "subprocess.Popen[bytes]"]
) -> None:
    twins = [start_marked(), start_marked()]
    worker = PlacementWorker(node, new_placement(), None)
    for deleted in (False, True):
        worker.placement = new_placement(deleted=deleted)
        for _ in range(2):
            await worker.step()
        assert (worker.record.state, worker.record.ended) == (S.UNKNOWN, None)
        assert codes(worker) == ["PREPARING", "ERR_RECOVERY_REASSOCIATION_AMBIGUOUS"]
        assert all(str(one.pid) in worker.record.trace[-1].message for one in twins)
        assert [one.poll() for one in twins] == [None, None]
    twins[0].kill()
    twins[0].wait()
    await worker.step()
    assert worker.record.ended is not None
    assert twins[1].wait(5) is not None


async def test_a_launch_that_may_have_been_started_counts_as_live(
    node: Node, new_placement: NewPlacement
) -> None:
    worker = PlacementWorker(node, new_placement(status={"state": "Launching"}), None)
    assert worker.record.process is None
    assert worker.is_live


def test_the_finalizer_stays_until_the_end_is_stored_on_the_server(
    node: Node, new_placement: NewPlacement
) -> None:
    worker = PlacementWorker(node, new_placement(deleted=True), None)
    worker.record = worker.record.model_copy(update={"ended": Ended.model_validate(ENDED)})
    assert not worker.releasable
