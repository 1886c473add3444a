"""HTTP over a VMM's unix socket, as Cloud Hypervisor and Firecracker serve it.

One connection a request: their servers stop answering when idle connections stay open,
and so every request goes only to a process that was proved an instant before.
"""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schedune_agent.system import sockets

MOST_SENT: Final = 51200
"""Bytes of a body: the servers refuse more by its header, and a sender of more blocks."""
MOST_ANSWERED: Final = 2**20
_MOST_HEADER: Final = 16384
_MOST_TOLD: Final = 400
_END: Final = b"\r\n\r\n"


class HttpSocketError(Exception):
    """There is no answer; whether the request was carried out is unknown."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a VMM answered."""

    status: int
    body: bytes

    @property
    def is_done(self) -> bool:
        """Say whether it did what was asked."""
        return 200 <= self.status < 300

    def fields(self) -> dict[str, object]:
        """Return the object that was answered; nonsense has no fields."""
        told = _read_json(self.body)
        return told if isinstance(told, dict) else {}

    def complaint(self) -> str:
        """Return why it refused, for people: a list of causes, or one of two objects."""
        told = _read_json(self.body)
        if isinstance(told, dict):
            told = told.get("fault_message") or told.get("error")
        if isinstance(told, list):
            told = ": ".join(map(str, told))
        text = " ".join(str(told or self.body.decode(errors="replace")).split())
        return (text or "it gave no reason")[:_MOST_TOLD]


@dataclass(frozen=True, slots=True)
class HttpSocket:
    """The API of one proved process."""

    path: Path
    pid: int
    """Who must be listening; nothing is sent to anybody else."""

    async def request(
        self, method: str, target: str, body: str = "", *, timeout_s: float
    ) -> Answer:
        """Ask, and return the answer, whatever its status.

        Raises:
            HttpSocketError: nobody listens, somebody else does, no answer in time, or nonsense.
        """
        content = body.encode()
        if len(content) > MOST_SENT:
            raise HttpSocketError(
                f"{target}: a body of {len(content)} bytes; the VMM takes at most {MOST_SENT}"
            )
        head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n"
        if content:
            head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
        try:
            async with asyncio.timeout(timeout_s):
                return await self._exchange(f"{head}\r\n".encode() + content, timeout_s)
        except TimeoutError as error:
            raise HttpSocketError(f"{target}: no answer within {timeout_s:.0f} s") from error
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            raise HttpSocketError(f"{target} of {self.path}: {error!r}") from error

    async def _exchange(self, message: bytes, timeout_s: float) -> Answer:
        reader, writer, pid = await sockets.connect(
            self.path, timeout_s=timeout_s, limit=_MOST_HEADER
        )
        try:
            if pid != self.pid:
                raise HttpSocketError(f"{self.path} is served by pid {pid}, not by {self.pid}")
            writer.write(message)
            await writer.drain()
            return await _read_answer(reader)
        finally:
            writer.close()


async def _read_answer(reader: asyncio.StreamReader) -> Answer:
    """Read one answer; a status without a reason, and 204 without a length, are normal.

    Raises:
        ValueError: it is no HTTP, or too long.
    """
    status_line, *lines = (await reader.readuntil(_END)).decode("latin-1").split("\r\n")
    version, status, *_ = status_line.split(" ")
    if not version.startswith("HTTP/1.") or not _is_number(status, 3):
        raise ValueError(f"no HTTP: {status_line[:80]!r}")
    headers = dict(_header(line) for line in lines if line)
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers or not _is_number(length, 9):
        raise ValueError(f"an answer of unknown length: {length[:40]!r}")
    if int(length) > MOST_ANSWERED:
        raise ValueError(f"an answer of {length} bytes; at most {MOST_ANSWERED} are read")
    return Answer(int(status), await reader.readexactly(int(length)))


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip().lower(), value.strip()


def _is_number(text: str, digits: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= digits


def _read_json(body: bytes) -> object:
    try:
        # A raw newline in a string is how their transport's errors come.
        return json.loads(body, strict=False)
    except (ValueError, RecursionError):
        return None
