"""A VMM that takes long to listen, as among many that start at once: waited for, with a bound.

A real QEMU, stopped by SIGSTOP before its first instruction: alive, and nobody answers.
"""

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from schedune.api.vmplacement import PlacementState
from schedune_agent import placement_launch
from schedune_agent.record import LaunchRecord
from schedune_agent.system import processes
from schedune_agent.vmm.qemu import vm

S = PlacementState
NewWorld = Callable[..., Any]


@pytest.fixture
def stopped_at_birth(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let each VMM that is started from now on be stopped before it does anything."""
    monkeypatch.setattr(vm, "_SOCKET_SECONDS", 0.3)

    def install() -> None:
        inner = processes.spawn

        def spawn(*arguments: object, **options: object) -> int:
            pid = inner(*arguments, **options)
            os.kill(pid, signal.SIGSTOP)
            return pid

        monkeypatch.setattr(processes, "spawn", spawn)

    return install


def is_told_as_silent(record: LaunchRecord) -> bool:
    return any(entry.code == "RECOVERY_UNANSWERED" for entry in record.trace)


async def test_a_vmm_that_is_slow_to_listen_is_waited_for_and_told_of_once(
    new_world: NewWorld, stopped_at_birth: Callable[[], None]
) -> None:
    world = new_world()
    worker = world.new_agent()
    stopped_at_birth()
    await world.carry_on(worker, is_told_as_silent)
    (pid,) = world.vms()
    for _ in range(3):
        await worker.step()
    assert worker.record.state is S.LAUNCHING
    os.kill(pid, signal.SIGCONT)
    await world.carry_on(worker, lambda record: record.state is S.RUNNING)
    codes = [entry.code for entry in worker.record.trace]
    assert codes[codes.index("LAUNCH_RECORDED") :] == [
        "LAUNCH_RECORDED", "RECOVERY_UNANSWERED", "VMM_STARTED", "GUEST_READY",
    ]  # fmt: skip
    assert world.vms() == [worker.record.process.pid] == [pid]
    worker.let_go()


async def test_a_vmm_that_never_listens_is_ended_after_its_deadline_and_the_cause_is_told(
    new_world: NewWorld, stopped_at_birth: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placement_launch, "_CONTROL_SECONDS", 1.0)
    world = new_world()
    worker = world.new_agent()
    stopped_at_birth()
    await world.carry_on(worker, lambda record: record.ended is not None)
    assert worker.record.ended.reason == "QEMUSocketTimeout"
    assert worker.record.trace[-1].code == "ERR_READY_QEMU_SOCKET_TIMEOUT"
    assert (world.vms(), world.remains()) == ([], [])


async def test_an_agent_that_comes_after_a_slow_start_finds_it_and_starts_none_beside_it(
    new_world: NewWorld, stopped_at_birth: Callable[[], None]
) -> None:
    world = new_world()
    worker = world.new_agent()
    stopped_at_birth()
    await world.carry_on(worker, is_told_as_silent)
    (pid,) = world.vms()
    worker.let_go()
    following = world.new_agent()
    await world.carry_on(following, lambda record: record.state is S.UNKNOWN)
    assert world.vms() == [pid]
    os.kill(pid, signal.SIGCONT)
    await world.carry_on(following, lambda record: record.state is S.RUNNING)
    assert world.vms() == [following.record.process.pid] == [pid]
    following.let_go()
