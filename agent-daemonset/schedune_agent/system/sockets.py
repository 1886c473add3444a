"""Sockets: connect, and learn who listens."""

import asyncio
import os
import socket
import struct
from pathlib import Path
from typing import Final

from schedune_agent.system.place import Place

LONGEST_PATH: Final = 107
"""The kernel's limit for a unix socket's path, in bytes."""
_PEER: Final = struct.Struct("3i")


async def connect(
    path: Path, *, timeout_s: float, limit: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, int]:
    """Connect and return the streams and the pid of whoever listens.

    Raises:
        OSError: nobody listens.
        TimeoutError: the connection was not taken in time.
    """
    async with asyncio.timeout(timeout_s):
        reader, writer = await asyncio.open_unix_connection(str(path), limit=limit)
    return reader, writer, _peer_of(writer.get_extra_info("socket"))


def _peer_of(connected: socket.socket) -> int:
    raw = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    pid, _, _ = _PEER.unpack(raw)
    return int(pid)


async def connect_from(
    place: Place, address: str, port: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to an IPv4 address as whoever is in a place does.

    Raises:
        OSError: nobody listens, or we may not be there.
    """
    with place.network():
        door = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        await asyncio.get_running_loop().sock_connect(door, (address, port))
        return await asyncio.open_connection(sock=door)
    except BaseException:
        door.close()
        raise


def is_listened_at(path: Path) -> bool:
    """Say whether anybody listens at a socket, or may: only a refusal says that nobody does."""
    try:
        listener_of(path)
    except (ConnectionRefusedError, FileNotFoundError):
        return False
    except OSError:
        return True
    return True


def listener_of(path: Path) -> int:
    """Return the pid of whoever listens at a socket, as the kernel tells it; nothing is sent.

    Raises:
        OSError: nobody listens, or that cannot be told now.
    """
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    kind = socket.SOCK_STREAM | socket.SOCK_NONBLOCK
    try:
        with socket.socket(socket.AF_UNIX, kind) as asking:
            # By its folder: no path is too long so.
            asking.connect(f"/proc/self/fd/{folder}/{path.name}")
            return _peer_of(asking)
    finally:
        os.close(folder)
