"""A QMP client that keeps deadlines and bounds, whatever sits at the other end."""

import asyncio
import json
from pathlib import Path
from typing import Any, Final, Self

from schedune_agent.system import sockets
from schedune_agent.vmm.reboots import Reboots

LINE_LIMIT: Final = 8 * 2**20
MOST_EVENTS: Final = 256
"""Read in one wait: a monitor that floods us with events is no work for ever."""
_STOP: Final = "STOP"
"""The guest runs no longer: it powered off, panicked, or a disk had no room."""
_RESET: Final = "RESET"
"""The machine began anew; QEMU says whether it was the guest's doing."""


class QmpError(Exception):
    """The monitor did not do what was asked; whether the VM lives is another question."""


class QmpRefusalError(QmpError):
    """The monitor answered that it does not do it."""


class QmpClient:
    """One connection to one monitor; a monitor serves one client at a time."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer_pid: int
    ) -> None:
        self.peer_pid = peer_pid
        self.version = ""
        self.reboots = Reboots()
        """Of its guest, as far as they were heard of over this connection."""
        self._reader = reader
        self._writer = writer
        self._number = 0
        self._has_stopped = False
        """Whether it was told so since it was last listened for."""

    @classmethod
    async def connect(cls, path: Path, *, timeout_s: float = 5.0) -> Self:
        """Connect, read the greeting, negotiate.

        Raises:
            QmpError: nobody listens, or nobody greets in time: occupied, or not QEMU.
        """
        try:
            reader, writer, pid = await sockets.connect(path, timeout_s=timeout_s, limit=LINE_LIMIT)
        except (OSError, TimeoutError) as error:
            raise QmpError(f"{path}: {error!r}") from error
        client = cls(reader, writer, pid)
        try:
            async with asyncio.timeout(timeout_s):
                greeting = await client._receive()
                version = greeting["QMP"]["version"]["qemu"]
            client.version = "{major}.{minor}.{micro}".format(**version)
            await client.execute("qmp_capabilities", timeout_s=timeout_s)
        except (KeyError, TypeError, TimeoutError, QmpError) as error:
            client.close()
            raise QmpError(
                f"{path}: no QMP greeting within {timeout_s:.0f} s: {error!r}"
            ) from error
        return client

    async def execute(
        self, command: str, arguments: dict[str, Any] | None = None, *, timeout_s: float = 5.0
    ) -> Any:
        """Run a command and return its answer.

        Raises:
            QmpRefusalError: an error answer.
            QmpError: nonsense, silence, or the end of the connection.
        """
        self._number += 1
        request: dict[str, Any] = {"execute": command, "id": self._number}
        if arguments is not None:
            request["arguments"] = arguments
        try:
            async with asyncio.timeout(timeout_s):
                self._writer.write(json.dumps(request).encode() + b"\r\n")
                await self._writer.drain()
                return await self._answer(self._number)
        except TimeoutError as error:
            raise QmpError(f"{command}: no answer within {timeout_s:.0f} s") from error
        except OSError as error:
            raise QmpError(f"{command}: {error!r}") from error

    async def _answer(self, number: int) -> Any:
        while True:
            message = await self._receive()
            if message.get("id") == number:
                if "error" in message:
                    raise QmpRefusalError(str(message["error"])[:500])
                return message.get("return")

    async def hear_stop(self) -> bool:
        """Listen until the guest has stopped; False: so much else was said that none listens on.

        Raises:
            QmpError: nonsense, or the end of the connection.
        """
        for _ in range(MOST_EVENTS):
            if self._has_stopped:
                break
            await self._receive()
        found, self._has_stopped = self._has_stopped, False
        return found

    async def _receive(self) -> dict[str, Any]:
        try:
            line = await self._reader.readline()
            message = json.loads(line) if line else None
        except (ValueError, RecursionError) as error:
            raise QmpError(f"nonsense instead of JSON: {error}") from error
        except OSError as error:
            raise QmpError(f"the connection broke: {error!r}") from error
        if not isinstance(message, dict):
            raise QmpError("the connection ended")
        self._hear(message)
        return message

    def _hear(self, message: dict[str, Any]) -> None:
        event, data, stamp = message.get("event"), message.get("data"), message.get("timestamp")
        self._has_stopped = self._has_stopped or event == _STOP
        if event == _RESET and isinstance(data, dict) and data.get("guest") is True:
            self.reboots.add(stamp.get("seconds") if isinstance(stamp, dict) else None)

    def close(self) -> None:
        """Leave the monitor to the next client."""
        self._writer.close()
