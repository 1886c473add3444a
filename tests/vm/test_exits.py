"""How a VM ended is told apart, and its last words are told, whoever was there to hear them.

Real QEMU, a real kernel that really panics, reboots and powers off; real signals.
"""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from schedune.api.vmplacement import PlacementState
from schedune_agent.record import LaunchRecord
from schedune_agent.vmm.console_log import HALF_BYTES, ConsoleLog
from schedune_agent.vmm.qemu.argv import monitor_socket
from schedune_agent.vmm.qemu.qmp import QmpClient

S = PlacementState
NewWorld = Callable[..., Any]
BOOTED = b"schedune-guest: kernel"
NEVER = {"restartPolicy": "Never", "readiness": {"level": "Guest", "timeoutSeconds": 300}}


def is_ended(record: LaunchRecord) -> bool:
    return record.ended is not None


def is_running(record: LaunchRecord) -> bool:
    return record.state is S.RUNNING


def asked(word: str) -> dict[str, object]:
    """Ask the guest for something, by its kernel's command line."""
    return {**NEVER, "commandLine": f"console=ttyS0 panic=0 schedune.test={word}"}


def console_holds(world: Any, words: bytes) -> Callable[[LaunchRecord], bool]:
    return lambda _: words in ConsoleLog(world.paths.kept).whole()


async def until_vmm_says(world: Any, status: str) -> None:
    """Wait, with no agent, until the VMM says that it is in this state."""
    monitor = await QmpClient.connect(monitor_socket(world.paths))
    deadline = time.monotonic() + 60
    while (await monitor.execute("query-status"))["status"] != status:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.2)
    monitor.close()


def assert_told(world: Any, reason: str, last_words: str) -> None:
    ended, last = world.record.ended, world.placement.status.last_exit
    assert (ended.reason, last.reason) == (reason, reason)
    assert any(last_words in line for line in last.console_tail), last.console_tail
    assert len(last.console_tail) <= 20
    assert (world.vms(), world.remains()) == ([], [])


async def test_a_kernel_that_panics_is_told_with_its_last_words(new_world: NewWorld) -> None:
    world = new_world(**asked("panic"))
    await world.agent(is_ended)
    assert_told(world, "GuestPanicked", "Kernel panic - not syncing")


async def test_a_panic_while_no_agent_runs_is_told_by_the_next_one(new_world: NewWorld) -> None:
    world = new_world(**asked("panic"))
    await world.agent(lambda record: record.state is S.STARTING)
    await until_vmm_says(world, "guest-panicked")
    assert not console_holds(world, b"Kernel panic")(world.record)
    await world.agent(is_ended)
    assert_told(world, "GuestPanicked", "Kernel panic - not syncing")


async def test_a_guest_that_powers_off_is_heard_of_without_being_asked(
    new_world: NewWorld,
) -> None:
    """Its VMM lives on and waits: only what it says tells."""
    world = new_world(
        **asked("poweroff") | {"readiness": {"level": "Backend", "timeoutSeconds": 300}}
    )
    worker = world.new_agent()
    await world.carry_on(worker, lambda record: record.state is S.RUNNING)
    assert await worker.step() > 1, "it is well, and nobody looks soon"
    await asyncio.wait_for(worker.stirs(), 60)
    await world.carry_on(worker, is_ended)
    worker.let_go()
    assert_told(world, "GuestPoweredOff", "Power down")


async def test_a_vmm_that_says_again_and_again_that_its_guest_stopped_is_not_looked_at_for_ever(
    new_world: NewWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one does that its guest has broken out into."""
    world = new_world(readiness={"level": "Backend", "timeoutSeconds": 300})
    worker = world.new_agent()
    await world.carry_on(worker, lambda record: record.state is S.RUNNING)
    looks, until = 0, time.monotonic() + 3
    while time.monotonic() < until:
        assert await worker.step() > 1
        monkeypatch.setattr(worker._vm._monitor, "_has_stopped", True)
        await worker.stirs()
        looks += 1
    worker.let_go()
    assert looks <= 5


async def test_a_guest_that_powers_off_is_told_as_just_that(new_world: NewWorld) -> None:
    world = new_world(**asked("poweroff"))
    await world.agent(is_ended)
    assert_told(world, "GuestPoweredOff", "Power down")


async def test_a_vmm_killed_from_outside_leaves_the_last_words_of_its_guest(
    new_world: NewWorld,
) -> None:
    world = new_world(**NEVER)
    worker = world.new_agent()
    await world.carry_on(worker, console_holds(world, BOOTED))
    await world.carry_on(worker, is_running)
    os.kill(world.record.process.pid, signal.SIGKILL)
    await world.carry_on(worker, is_ended)
    assert_told(world, "VMMKilled", BOOTED.decode())
    assert world.record.last_exit.signal == signal.SIGKILL


async def test_a_guest_deaf_to_the_power_button_is_told_as_ended_by_the_host(
    new_world: NewWorld,
) -> None:
    world = new_world(**asked("ignore-button"), terminationGraceSeconds=1)
    await world.agent(is_running)
    world.delete()
    await world.agent(is_ended)
    assert_told(world, "HostStopped", BOOTED.decode())


async def test_an_end_that_nobody_saw_is_told_as_unknown_with_the_words_that_were_kept(
    new_world: NewWorld,
) -> None:
    world = new_world(**NEVER)
    await world.agent(console_holds(world, BOOTED))
    await world.agent(is_running)
    pid = world.record.process.pid
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)  # noqa: ASYNC222 - it is killed already
    await world.agent(is_ended)
    assert_told(world, "ExitUnknown", BOOTED.decode())


async def test_a_reboot_is_no_end_and_is_told_in_the_trace(new_world: NewWorld) -> None:
    world = new_world(**NEVER)
    await world.agent(is_running)
    boot_id, pid = world.record.readiness.guest_boot_id, world.record.process.pid
    monitor = await QmpClient.connect(monitor_socket(world.paths))
    await monitor.execute("system_reset")
    monitor.close()

    def has_rebooted(record: LaunchRecord) -> bool:
        return record.readiness.guest_boot_id not in (None, boot_id)

    await world.agent(lambda _: ConsoleLog(world.paths.kept).whole().count(BOOTED) > 1)
    await world.agent(has_rebooted)
    record = world.record
    assert (record.process.pid, record.incarnation, record.ended) == (pid, 1, None)
    assert "GUEST_REBOOTED" in [entry.code for entry in record.trace]


async def test_a_guest_that_reboots_again_and_again_is_ended_with_that_as_the_reason(
    new_world: NewWorld,
) -> None:
    launch = {"kernel": {"artifact": "resets"}, "initrd": None, "restartPolicy": "Never"}
    world = new_world(**launch)
    await world.agent(is_ended)
    assert world.record.ended.reason == "GuestRebootLoop", world.record.trace
    assert (world.record.incarnation, world.vms(), world.remains()) == (1, [], [])


async def test_a_guest_that_floods_its_console_fills_no_disk(new_world: NewWorld) -> None:
    flood = "console=ttyS0 quiet rdinit=/bin/busybox -- yes 0123456789abcdef"
    world = new_world(**{**NEVER, "commandLine": flood})
    log = ConsoleLog(world.paths.kept)
    await world.agent(lambda _: log.path.with_name("console.log.1").exists())
    sizes = [path.stat().st_size for path in log.path.parent.glob("console.log*")]
    assert max(sizes) <= HALF_BYTES
    assert b"0123456789abcdef" in log.whole()[-100:]
