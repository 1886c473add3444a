"""Two operators as processes of their own, and the line by which they reach the API server.

The line is a forwarder of bytes: cut, it ends watches and requests where they are, so that
nobody knows which of the writes under way have landed.
"""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from schedune_lab.processes import start
from schedune_testing.control_plane import ControlPlane

LEADER = {"durationSeconds": 5, "renewDeadlineSeconds": 3, "retrySeconds": 0.7, "marginSeconds": 1}


@dataclass
class Line:
    """Forwards connections to the API server until they are cut."""

    port: int
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def __aenter__(self) -> "Line":
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()

    @property
    def url(self) -> str:
        """Return where the API server seems to be."""
        assert self._server is not None
        return f"https://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def cut(self) -> int:
        """End all connections at once; return how many there were."""
        count = len(self._open) // 2
        for writer in list(self._open):
            writer.transport.abort()
        return count

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, far_writer}
        self._open |= ends
        try:
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        finally:
            self._open -= ends
            for one in ends:
                one.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while part := await reader.read(2**16):
            writer.write(part)
            await writer.drain()
    writer.transport.abort()


class OperatorProcess:
    """One operator, which is killed, stopped and started again."""

    def __init__(self, name: str, line: Line, plane: ControlPlane, token: str) -> None:
        folder = plane.layout.folder
        self.name = name
        self.log = folder / "log" / f"{name}.log"
        self._settings = folder / f"{name}.yaml"
        token_file = folder / f"{name}.token"
        token_file.write_text(token)
        self._settings.write_text(yaml.safe_dump(_settings(line, plane, token_file)))
        self._process: Any = None
        self.is_stopped = False

    def start(self) -> None:
        """Start it anew."""
        argv = [sys.executable, "-m", "schedune_operator", "--settings", str(self._settings)]
        self._process, self.is_stopped = start(argv, self.log), False

    def kill(self) -> None:
        """End it as a power cut does."""
        self._signal(signal.SIGKILL)
        self._process.wait()

    def leave(self) -> None:
        """End it in order."""
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)
        self._process.wait(timeout=20)

    def stop(self) -> None:
        """Let time stand still for it."""
        self._signal(signal.SIGSTOP)
        self.is_stopped = True

    def wake(self) -> None:
        """Let it go on as if nothing had happened."""
        self._signal(signal.SIGCONT)
        self.is_stopped = False

    def ended(self) -> str:
        """Return the last words of one that ended by itself; "": it runs."""
        if self._process is None or self._process.poll() is None:
            return ""
        return f"{self.name} ended: {self.log.read_text(errors='replace')[-1500:]}"

    def count(self, event: str) -> int:
        """Return how often it logged an event."""
        return self.log.read_text(errors="replace").count(event) if self.log.exists() else 0

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._process.pid, number)


def _settings(line: Line, plane: ControlPlane, token_file: Path) -> dict[str, Any]:
    return {
        "kubernetes": {
            "server": line.url,
            "caFile": str(plane.layout.authority),
            "tokenFile": str(token_file),
        },
        "leasePollSeconds": 2,
        "tickSeconds": 1,
        "sweepSeconds": 15,
        "leader": LEADER,
        "policy": {"failureBackOffSeconds": 1},
    }
