"""Somebody sits down at a guest's serial line, and gets up again, or is killed there."""

import asyncio
import platform
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from typing import Any

import pytest

from schedune.api.vmplacement import PlacementState
from schedune_agent.record import LaunchRecord
from schedune_agent.vmm.console_log import ConsoleLog

S = PlacementState
NewWorld = Callable[..., Any]
SHELL = "console=ttyS0 quiet rdinit=/bin/busybox -- sh"
READY = {"restartPolicy": "Never", "commandLine": SHELL}
CODE = "from schedune_cli.main import main; main()"
pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="QEMU's line of arm64 stays")


@pytest.fixture
def world(new_world: NewWorld) -> Any:
    """A guest that is a shell, under a name of its own."""
    found = new_world(**READY)
    metadata = found.placement.metadata.model_copy(update={"name": found.uid})
    found.placement = found.placement.model_copy(update={"metadata": metadata})
    return found


def is_running(record: LaunchRecord) -> bool:
    return record.state is S.RUNNING


def holds(world: Any, words: bytes) -> Callable[[LaunchRecord], bool]:
    return lambda _: words in ConsoleLog(world.paths.kept).whole()


async def sit_down(world: Any) -> Process:
    settings = world.settings
    places = [
        "--state-directory",
        settings.state_directory,
        "--run-directory",
        settings.run_directory,
    ]
    argv = ["-c", CODE, "console", f"default/{world.uid}", *map(str, places)]
    return await asyncio.create_subprocess_exec(
        sys.executable, *argv, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )


async def read_until(seat: Process, words: bytes) -> None:
    assert seat.stdout is not None
    shown = b""
    async with asyncio.timeout(60):
        while words not in shown:
            came = await seat.stdout.read(4096)
            assert came, await seat.communicate()
            shown += came


async def type_in(seat: Process, words: bytes) -> None:
    assert seat.stdin is not None
    seat.stdin.write(words)
    await seat.stdin.drain()


async def test_what_is_typed_reaches_the_guest_and_what_it_says_is_shown_and_kept(
    world: Any,
) -> None:
    await world.agent(lambda record: is_running(record) and holds(world, b"/ # ")(record))
    seat = await sit_down(world)
    await type_in(seat, b"echo it is $((40 + 2))\n")
    await read_until(seat, b"it is 42")
    await type_in(seat, b"\x1d")
    assert await asyncio.wait_for(seat.wait(), 20) == 0
    assert holds(world, b"it is 42")(world.record)
    # The ring is back: what comes now is kept by an agent again.
    await world.agent(lambda record: "RECOVERY_CONFIRMED" in [one.code for one in record.trace])
    assert is_running(world.record)


async def test_a_line_that_was_left_by_death_is_taken_back_by_the_agent(
    world: Any,
) -> None:
    await world.agent(lambda record: is_running(record) and holds(world, b"/ # ")(record))
    seat = await sit_down(world)
    await type_in(seat, b"while :; do sleep 1; echo be''at; done\n")
    await read_until(seat, b"beat")
    seat.send_signal(signal.SIGKILL)
    await seat.communicate()
    before = len(ConsoleLog(world.paths.kept).whole())
    await world.agent(lambda _: len(ConsoleLog(world.paths.kept).whole()) > before + 20)
    assert is_running(world.record)
