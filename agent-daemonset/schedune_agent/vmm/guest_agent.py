"""Ask the QEMU guest agent: does it answer, which addresses has the guest? Or tell it to end.

The protocol is qemu-guest-agent's over a serial port: one line of JSON each way. What comes
is the guest's, hence hostile: lines, their number, the time and every value are bounded,
and nothing is ever done by it.
"""

import asyncio
import ipaddress
import json
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schedune_agent.system import sockets
from schedune_agent.vmm.port import VmPaths

PORT_NAME: Final = "org.qemu.guest_agent.0"
"""By which the agent in the guest finds its port."""
MOST_ADDRESSES: Final = 16
_LINE_LIMIT: Final = 2**20
_MOST_LINES: Final = 64
"""Before the answer that is waited for: what the guest had to say before us."""
_MARK: Final = b"\xff"
"""Begins a question after which all that was left half asked counts for nothing."""


def agent_socket(paths: VmPaths) -> Path:
    """Return the host side of the guest agent's port."""
    return paths.run / "g.sock"


@dataclass(frozen=True, slots=True)
class AgentAnswer:
    """What the guest's agent said of its guest."""

    addresses: tuple[str, ...] = ()
    """Of the guest, as other machines could reach them; none: it has none, or does not say."""


_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _NoAnswerError(Exception):
    """Nobody answers, or nonsense does."""


async def ask_agent(path: Path, *, pid: int, timeout_s: float) -> AgentAnswer | None:
    """Return what the agent says once it answers a number that was never asked before.

    ``pid`` is the VMM: what somebody else says at its socket is no answer. None: no answer.
    """
    try:
        async with _conversation(path, pid, timeout_s) as (reader, writer):
            if await _execute(reader, writer, "guest-ping") != {}:
                return None
            return AgentAnswer(await _addresses(reader, writer))
    except (_NoAnswerError, OSError, TimeoutError):
        return None


async def order_shutdown(path: Path, *, pid: int, timeout_s: float) -> bool:
    """Tell the agent to power its guest down, and say whether one was there to be told.

    Whether the guest does it only its end tells: of success the agent says nothing.
    """
    try:
        async with _conversation(path, pid, timeout_s) as (_, writer):
            await _send(writer, "guest-shutdown", {"mode": "powerdown"})
    except (_NoAnswerError, OSError, TimeoutError):
        return False
    return True


@asynccontextmanager
async def _conversation(path: Path, pid: int, timeout_s: float) -> AsyncIterator[_Streams]:
    """Talk to an agent that has answered a new number.

    Raises:
        _NoAnswerError, OSError, TimeoutError: there is none, or it is somebody else.
    """
    reader, writer, peer = await sockets.connect(path, timeout_s=timeout_s, limit=_LINE_LIMIT)
    try:
        async with asyncio.timeout(timeout_s):
            if peer != pid:
                raise _NoAnswerError
            await _synchronise(reader, writer)
            yield reader, writer
    finally:
        writer.close()


async def _synchronise(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    number = secrets.randbelow(2**31)
    writer.write(_MARK)
    await _send(writer, "guest-sync-delimited", {"id": number})
    for _ in range(_MOST_LINES):
        answer = await _read(reader)
        # Before it there may be a complaint about the mark, and answers to another's questions.
        if type(answer.get("return")) is int and answer["return"] == number:
            return
    raise _NoAnswerError


async def _send(
    writer: asyncio.StreamWriter, command: str, arguments: Mapping[str, object]
) -> None:
    question = {"execute": command, **({"arguments": arguments} if arguments else {})}
    writer.write(json.dumps(question).encode() + b"\n")
    await writer.drain()


async def _execute(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, command: str
) -> object:
    await _send(writer, command, {})
    answer = await _read(reader)
    if "return" not in answer:
        raise _NoAnswerError
    return answer["return"]


async def _read(reader: asyncio.StreamReader) -> dict[str, object]:
    """Return one line as an object; what is none is an empty one."""
    try:
        line = await reader.readline()
    except ValueError as error:
        raise _NoAnswerError from error
    if not line:
        raise _NoAnswerError
    try:
        answer = json.loads(line.rpartition(_MARK)[2])
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


async def _addresses(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, ...]:
    """Return them; an agent whose administrator forbids the question answers nevertheless."""
    try:
        told = await _execute(reader, writer, "guest-network-get-interfaces")
    except _NoAnswerError:
        return ()
    found = dict.fromkeys(_reachable(told))
    return tuple(list(found)[:MOST_ADDRESSES])


def _reachable(told: object) -> Iterator[str]:
    for card in told if isinstance(told, list) else ():
        listed = card.get("ip-addresses") if isinstance(card, dict) else None
        for one in listed if isinstance(listed, list) else ():
            text = one.get("ip-address") if isinstance(one, dict) else None
            try:
                address = ipaddress.ip_address(text) if isinstance(text, str) else None
            except ValueError:
                continue
            if address is not None and _says_where(address):
                yield str(address)


def _says_where(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Say whether an address could be that of a machine seen from outside it."""
    nowhere = (address.is_loopback, address.is_link_local, address.is_multicast)
    return not (any(nowhere) or address.is_unspecified or "%" in str(address))
