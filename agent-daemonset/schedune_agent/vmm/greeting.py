"""Ask a service in the guest, through a port of the node, for its first byte.

That the connection was made proves nothing: QEMU's user network takes every one, and only
then tries the guest, without telling whether that succeeds.
"""

import asyncio
from typing import Final

from schedune_agent.system.place import HERE, Place
from schedune_agent.system.sockets import connect_from

_ANY: Final = "0.0.0.0"  # noqa: S104 - compared with, never bound
_LOOPBACK: Final = "127.0.0.1"


async def is_greeted(address: str, port: int, place: Place = HERE, *, timeout_s: float) -> bool:
    """Say whether who connects in the network there is sent something, by itself and in time."""
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await connect_from(
                place, _LOOPBACK if address == _ANY else address, port
            )
            try:
                return bool(await reader.read(1))
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
