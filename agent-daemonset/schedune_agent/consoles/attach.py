"""Sit down at a guest's serial line: what is typed goes in, what comes is shown and kept."""

import asyncio
import contextlib
import os
import sys
import termios
import tty
from collections.abc import Iterator
from typing import Final

from schedune_agent.record import LaunchRecord
from schedune_agent.system import sockets
from schedune_agent.vmm.console_log import ConsoleLog
from schedune_agent.vmm.port import VmPaths
from schedune_agent.vmm.qemu.argv import machine_uuid, second_monitor_socket
from schedune_agent.vmm.qemu.line import close_line, line_socket, open_line
from schedune_agent.vmm.qemu.qmp import QmpClient, QmpError

_LEAVE: Final = b"\x1d"
"""Ctrl-], as in telnet and virsh."""
_CHUNK: Final = 4096
_SECONDS: Final = 5.0


class AttachError(Exception):
    """One cannot sit down at this line; the message says why."""


async def attach(record: LaunchRecord, paths: VmPaths) -> None:
    """Join this terminal and the guest's line, until Ctrl-], the end of input or of the VM.

    Raises:
        AttachError: the VM does not let anybody, or somebody sits there already.
    """
    try:
        monitor = await QmpClient.connect(second_monitor_socket(paths))
    except QmpError as error:
        raise AttachError(f"nobody answers, or somebody sits there already: {error}") from error
    try:
        await _prove(monitor, record)
        path = line_socket(paths)
        await open_line(monitor, path)
        try:
            reader, writer, _ = await sockets.connect(path, timeout_s=_SECONDS, limit=_CHUNK)
            with _raw_terminal():
                await _join(reader, writer, ConsoleLog(paths.kept))
        finally:
            with contextlib.suppress(QmpError):
                await close_line(monitor)
    except (QmpError, OSError, TimeoutError) as error:
        raise AttachError(str(error)) from error
    finally:
        monitor.close()


async def _prove(monitor: QmpClient, record: LaunchRecord) -> None:
    """Type into no other VM than the one that was meant."""
    told = await monitor.execute("query-uuid")
    pid = record.process.pid if record.process else None
    if monitor.peer_pid != pid or told != {"UUID": machine_uuid(record.placement_uid)}:
        raise AttachError(f"pid {monitor.peer_pid} answers, which is not this VM")


async def _join(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, log: ConsoleLog
) -> None:
    keyboard = asyncio.create_task(_type(writer))
    screen = asyncio.create_task(_show(reader, log))
    _, rest = await asyncio.wait({keyboard, screen}, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
    writer.close()


async def _type(writer: asyncio.StreamWriter) -> None:
    keys = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(keys), sys.stdin)
    while typed := await keys.read(_CHUNK):
        before, leave, _ = typed.partition(_LEAVE)
        writer.write(before)
        await writer.drain()
        if leave:
            return


async def _show(reader: asyncio.StreamReader, log: ConsoleLog) -> None:
    while shown := await reader.read(_CHUNK):
        log.append(shown)
        os.write(sys.stdout.fileno(), shown)


@contextlib.contextmanager
def _raw_terminal() -> Iterator[None]:
    """Pass every key on, also Ctrl-C; what is no terminal is left as it is."""
    if not sys.stdin.isatty():
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    tty.setraw(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
