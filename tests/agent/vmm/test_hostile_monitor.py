"""Whoever sits at the control socket: every question ends in time, in bounds, without a lie.

A real socket; its peer is hostile, as a VMM is that its guest has broken out into.
"""

import asyncio
import json
import os
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from schedune_agent.system import processes
from schedune_agent.vmm.port import VmmError, VmPaths
from schedune_agent.vmm.qemu.qmp import LINE_LIMIT, QmpClient, QmpError
from schedune_agent.vmm.qemu.vm import QemuVm

BOOT_ID = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
GREETING = {"QMP": {"version": {"qemu": {"major": 9, "minor": 2, "micro": 0}}, "capabilities": []}}
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
SOON_S = 0.5
"""How long the client is willing to wait."""
LATE_S = 5.0
"""A machine that is busy with other tests; without a deadline it would be for ever."""


def line(message: object) -> bytes:
    return json.dumps(message).encode() + b"\n"


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(line(GREETING))
    await reader.readline()
    writer.write(line({"return": {}, "id": 1}))


async def _nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def _forged(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(line({"QMP": {"version": {"qemu": "9.2.0"}}}))
    await reader.read()


async def _no_object(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"[" * 200_000 + b"\n")
    await reader.read()


async def _endless_line(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def _drops(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for byte in line(GREETING) * 100:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.05)


async def _wrong_answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await greet(reader, writer)
    await reader.readline()
    for number in (None, "2", 0, 3, {"id": 2}):
        writer.write(line({"return": "not yours", "id": number}))
    await reader.read()


async def _floods_events(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await greet(reader, writer)
    await reader.readline()
    while True:
        writer.write(line({"event": "RTC_CHANGE", "data": {"offset": 1}}) * 100)
        await writer.drain()


async def _hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await greet(reader, writer)
    await reader.readline()
    writer.close()


@asynccontextmanager
async def peer(path: Path, talk: Talk) -> AsyncIterator[Path]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except (OSError, asyncio.CancelledError):
            return
        finally:
            writer.close()

    server = await asyncio.start_unix_server(serve, str(path))
    try:
        yield path
    finally:
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()


async def ask(path: Path) -> None:
    client = await QmpClient.connect(path, timeout_s=SOON_S)
    try:
        await client.execute("query-status", timeout_s=SOON_S)
    finally:
        client.close()
        await asyncio.sleep(0)


HOSTILE = {
    "silence": _nothing,
    "forged-greeting": _forged,
    "deep-json": _no_object,
    "endless-line": _endless_line,
    "drop-by-drop": _drops,
    "answers-to-others": _wrong_answers,
    "event-flood": _floods_events,
    "hangs-up": _hangs_up,
}


@pytest.mark.parametrize("talk", HOSTILE.values(), ids=list(HOSTILE))
async def test_a_question_to_a_hostile_monitor_ends_in_time_and_within_its_bounds(
    tmp_path: Path, talk: Talk
) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with peer(tmp_path / "q.sock", talk) as path:
        began = time.monotonic()
        with pytest.raises(QmpError):
            await ask(path)
        assert time.monotonic() - began < LATE_S
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < 8 * LINE_LIMIT


async def test_whoever_floods_us_with_events_is_listened_to_no_longer(tmp_path: Path) -> None:
    async with peer(tmp_path / "q.sock", _floods_events) as path:
        client = await QmpClient.connect(path, timeout_s=SOON_S)
        with pytest.raises(QmpError, match="no answer within"):
            await client.execute("query-status", timeout_s=SOON_S)
        assert not await client.hear_stop()
        client.close()


async def test_a_monitor_that_another_process_serves_is_never_asked(tmp_path: Path) -> None:
    """As when the socket was replaced, or listened at by whoever passed it on."""
    child = await asyncio.create_subprocess_exec("/bin/sleep", "60")
    identity = processes.read_identity(child.pid, BOOT_ID)
    assert identity is not None
    handle = processes.ProcessHandle(identity, os.pidfd_open(child.pid))
    vm = QemuVm(handle, VmPaths(tmp_path, tmp_path), "uid")
    asked = list[bytes]()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await greet(reader, writer)
        asked.append(await reader.readline())

    async with peer(tmp_path / "q.sock", listen):
        with pytest.raises(VmmError, match=f"served by pid {os.getpid()}"):
            await vm.ask("quit")
    assert not any(b"quit" in one for one in asked)
    vm.close()
    child.kill()
    await child.wait()
