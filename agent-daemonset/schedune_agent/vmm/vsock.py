"""Ask the guest for a nonce over vsock, behind the unix socket that its VMM makes of it.

Cloud Hypervisor and Firecracker speak the same few bytes there: ``CONNECT PORT``, and
``OK`` once the guest has taken the connection; if nothing in the guest listens they hang up.
"""

import asyncio
from pathlib import Path
from typing import Final

from schedune_agent.system import sockets
from schedune_agent.vmm.nonce import LINE_LIMIT, exchange_nonce

READY_PORT: Final = 1024
"""Where the guest listens for the nonce: the first port that needs no privilege there."""
GUEST_CID: Final = 3
"""The guest's address; every VM may have the same, since none is reached by it."""


async def ask_guest(path: Path, *, pid: int, timeout_s: float) -> str | None:
    """Return the guest's boot id if it answers a fresh nonce in time; else None.

    ``pid`` is the VMM: what somebody else says at its socket is no answer.
    """
    try:
        reader, writer, peer = await sockets.connect(path, timeout_s=timeout_s, limit=LINE_LIMIT)
    except (OSError, TimeoutError):
        return None
    try:
        async with asyncio.timeout(timeout_s):
            if peer != pid:
                return None
            writer.write(f"CONNECT {READY_PORT}\n".encode())
            await writer.drain()
            if not (await reader.readline()).startswith(b"OK "):
                return None
            return await exchange_nonce(reader, writer)
    except (OSError, TimeoutError, ValueError):
        return None
    finally:
        writer.close()
