"""What a worker does about living processes that may be its VM and are not proved to be.

Real processes in real control groups stand in for VMMs here.
"""

import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from schedune.api.vmplacement import PlacementState, VMPlacement
from schedune_agent.node import Node
from schedune_agent.placement_worker import PlacementWorker
from schedune_agent.record import LaunchRecord, RecordedProcess
from schedune_agent.system import cgroup, processes

NewPlacement = Callable[..., VMPlacement]
StartMarked = Callable[..., "subprocess.Popen[bytes]"]
S = PlacementState
BOOT_ID = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
BECOMES = "import os, sys; sys.stdin.readline(); os.execv('/bin/sleep', ['sleep', '60'])"


@pytest.fixture
def uid() -> str:
    """The name of a control group is the whole machine's: each test has its own."""
    return str(uuid.uuid4())


@pytest.fixture
def in_group(uid: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A process without a marker, in the control groups of the placement."""
    doors = cgroup.make_groups(uid)
    with subprocess.Popen(["/bin/sleep", "60"]) as process:
        for door in doors:
            door.write_text(str(process.pid))
        yield process
        process.kill()
    assert cgroup.remove_groups(uid)


def start(*argv: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(argv, stdin=subprocess.PIPE)


def codes(worker: PlacementWorker) -> list[str]:
    return [entry.code for entry in worker.record.trace]


def launching(uid: str, **changes: object) -> LaunchRecord:
    """Leave the record of a launch that may have started a process just before its agent ended."""
    body = {"placementUID": uid, "workloadUID": "w", "namespace": "default", "name": "vm"}
    argv = ["/bin/false"]
    return LaunchRecord.model_validate({**body, "state": "Launching", "argv": argv, **changes})


async def test_nothing_is_started_while_an_unmarked_process_is_in_the_vms_control_group(
    node: Node, new_placement: NewPlacement, uid: str, in_group: "subprocess.Popen[bytes]"
) -> None:
    worker = PlacementWorker(node, new_placement(uid), launching(uid))
    for _ in range(3):
        await worker.step()
    assert (worker.record.state, codes(worker)) == (S.UNKNOWN, ["ERR_RECOVERY_UNMARKED_IN_GROUP"])
    assert f"pid {in_group.pid}" in worker.record.trace[-1].message
    assert worker.is_live
    assert in_group.poll() is None
    in_group.kill()
    in_group.wait()
    await worker.step()
    assert worker.record.ended is not None


async def test_a_lost_state_directory_is_made_up_for_by_the_control_groups_too(
    node: Node, new_placement: NewPlacement, uid: str, in_group: "subprocess.Popen[bytes]"
) -> None:
    """Neither record nor status tells of a process; without the group one would be started."""
    worker = PlacementWorker(node, new_placement(uid), None)
    for _ in range(3):
        await worker.step()
    assert (worker.record.state, codes(worker)[-1]) == (S.UNKNOWN, "ERR_RECOVERY_UNMARKED_IN_GROUP")
    assert in_group.poll() is None


async def test_a_placement_is_not_called_ended_while_its_control_group_may_hold_its_vm(
    node: Node, new_placement: NewPlacement, uid: str, in_group: "subprocess.Popen[bytes]"
) -> None:
    worker = PlacementWorker(node, new_placement(uid, deleted=True), launching(uid))
    for _ in range(2):
        await worker.step()
    assert (worker.record.state, worker.record.ended) == (S.UNKNOWN, None)
    assert in_group.poll() is None


async def test_a_vm_whose_marker_is_there_is_found_though_others_share_its_control_group(
    node: Node,
    new_placement: NewPlacement,
    start_marked: StartMarked,
    uid: str,
    in_group: "subprocess.Popen[bytes]",
) -> None:
    vm = start_marked(uid)
    worker = PlacementWorker(node, new_placement(uid), None)
    await worker.step()
    assert worker.record.process is not None
    assert worker.record.process.pid == vm.pid
    assert in_group.poll() is None


async def test_a_recorded_process_that_became_another_program_is_foreign_until_it_is_gone(
    node: Node, new_placement: NewPlacement, uid: str
) -> None:
    """It has the recorded pid and start time: not the VM any more, and not proved gone."""
    with start(sys.executable, "-c", BECOMES) as process:
        was = processes.read_identity(process.pid, BOOT_ID)
        assert was is not None
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
        deadline = time.monotonic() + 10
        while not processes.executable_of(process.pid).endswith("sleep"):
            assert time.monotonic() < deadline
        record = launching(uid, state="Running", process=RecordedProcess.of(was).render())
        worker = PlacementWorker(node, new_placement(uid), record)
        for _ in range(3):
            await worker.step()
        assert codes(worker) == ["ERR_RECOVERY_FOREIGN_PROCESS"]
        assert (worker.record.state, worker.is_live) == (S.UNKNOWN, True)
        worker.placement = new_placement(uid, deleted=True)
        await worker.step()
        assert worker.record.ended is None
        assert process.poll() is None
        process.kill()
        process.wait()
        await worker.step()
    assert worker.record.ended is not None


async def test_a_vm_that_is_marked_is_taken_though_the_recorded_pid_is_foreign(
    node: Node, new_placement: NewPlacement, start_marked: StartMarked, uid: str
) -> None:
    with start("/bin/sleep", "60") as foreign:
        found = processes.read_identity(foreign.pid, BOOT_ID)
        assert found is not None
        told = RecordedProcess.of(found).model_copy(update={"argv_digest": "of-another"})
        vm = start_marked(uid)
        record = launching(uid, state="Running", process=told.render())
        worker = PlacementWorker(node, new_placement(uid), record)
        await worker.step()
        assert worker._vm is not None
        assert worker._vm.handle.identity.pid == vm.pid
        assert foreign.poll() is None
        foreign.kill()
