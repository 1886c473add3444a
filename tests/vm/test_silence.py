"""A VM that does not answer for a while: never called ready without proof, never ended for it.

Real QEMU and a real guest. The VMM is silenced by SIGSTOP; the guest, as the agent hears
it, by somebody else who holds the one connection that its readiness port has.
"""

import os
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from schedune.api.vmplacement import PlacementState
from schedune_agent.placement_worker import PlacementWorker
from schedune_agent.record import LaunchRecord
from schedune_agent.vmm.qemu.argv import ready_socket

S = PlacementState
NewWorld = Callable[..., Any]
BOOTED = {"level": "Guest", "timeoutSeconds": 120}
IMPATIENT = {"level": "Guest", "timeoutSeconds": 1}


def is_in(*states: PlacementState) -> Callable[[LaunchRecord], bool]:
    return lambda record: record.state in states


def moves_after(record: LaunchRecord, number: int) -> list[PlacementState]:
    return [entry.to for entry in record.trace[number:]]


@contextmanager
def silent_guest(world: Any) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as holder:
        holder.connect(str(ready_socket(world.paths)))
        yield


@contextmanager
def silent_vmm(world: Any) -> Iterator[None]:
    pid = world.record.process.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def until(world: Any, worker: PlacementWorker, *states: PlacementState) -> LaunchRecord:
    await world.carry_on(worker, is_in(*states))
    return worker.record


@pytest.fixture
async def world(new_world: NewWorld) -> Any:
    """Boot a guest until it has answered, and let its agent go."""
    found = new_world(readiness=BOOTED)
    await found.agent(is_in(S.RUNNING))
    assert found.record.readiness.rung == "R4"
    # From here on every wait is longer than a start may take.
    launch = found.placement.spec.launch
    impatient = launch.model_copy(
        update={"readiness": type(launch.readiness).model_validate(IMPATIENT)}
    )
    spec = found.placement.spec.model_copy(update={"launch": impatient})
    found.placement = found.placement.model_copy(update={"spec": spec})
    return found


async def test_a_guest_that_was_ready_once_is_never_ended_for_its_silence(world: Any) -> None:
    """After an agent's end and after a silence of its VMM alike, and the trace tells each move."""
    pid, told = world.record.process.pid, len(world.record.trace)
    with silent_guest(world):
        worker = world.new_agent()
        await worker.step()
        assert moves_after(worker.record, told) == [S.RUNNING, S.DEGRADED]
        with silent_vmm(world):
            await until(world, worker, S.UNKNOWN)
        await until(world, worker, S.RUNNING, S.DEGRADED)
        assert moves_after(worker.record, told + 2) == [S.UNKNOWN, S.RUNNING, S.DEGRADED]
        assert worker.record.trace[told + 2].code == "RECOVERY_UNANSWERED"
    with silent_vmm(world):
        await until(world, worker, S.UNKNOWN)
    await until(world, worker, S.RUNNING)
    assert moves_after(worker.record, told + 5) == [S.UNKNOWN, S.RUNNING]
    assert "answered a nonce" in worker.record.trace[-1].message
    assert world.vms() == [pid]
    worker.let_go()


async def test_a_vm_that_was_found_but_did_not_answer_is_resumed_once_it_does(
    new_world: NewWorld,
) -> None:
    """Started, never recorded, its agent killed: it still waits, paused, to be let run."""
    world = new_world()
    just_spawned = 6
    assert await world.agent(is_in(S.RUNNING), kill_at=just_spawned)
    (pid,) = world.vms()
    assert world.record.process is None
    worker = world.new_agent()
    os.kill(pid, signal.SIGSTOP)
    await until(world, worker, S.UNKNOWN)
    os.kill(pid, signal.SIGCONT)
    record = await until(world, worker, S.RUNNING)
    assert world.vms() == [record.process.pid] == [pid]
    worker.let_go()


async def test_no_vmm_is_started_while_its_launch_cannot_be_written_down(
    new_world: NewWorld,
) -> None:
    world = new_world()
    worker = world.new_agent()
    await until(world, worker, S.PREPARING)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        for _ in range(5):
            await worker.step()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert world.vms() == []
    assert world.record.state is S.PREPARING
    await until(world, worker, S.RUNNING)
    assert len(world.vms()) == 1
    worker.let_go()
