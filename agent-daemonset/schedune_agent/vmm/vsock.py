"""Ask a guest for a nonce over vsock, through the socket by which its VMM offers it.

Cloud Hypervisor and Firecracker speak the same way: a line that names the guest's port,
a line that says that somebody there took the connection, and then the guest itself.
"""

import asyncio
import re
from pathlib import Path
from typing import Final

from schedune_agent.system import sockets
from schedune_agent.vmm.nonce import LINE_LIMIT, exchange

READY_PORT: Final = 9510
"""On which a guest listens that wants to be asked; unprivileged."""
_TAKEN: Final = re.compile(rb"OK [0-9]{1,10}\n", re.ASCII)


async def ask_guest(path: Path, pid: int, *, timeout_s: float) -> str | None:
    """Return the guest's boot id if it answers a fresh nonce in time; else None.

    ``pid`` is the VMM's: another's socket of that name is not asked.
    """
    try:
        reader, writer, found = await sockets.connect(path, timeout_s=timeout_s, limit=LINE_LIMIT)
    except (OSError, TimeoutError):
        return None
    try:
        if found != pid:
            return None
        async with asyncio.timeout(timeout_s):
            writer.write(b"CONNECT %d\n" % READY_PORT)
            await writer.drain()
            if not _TAKEN.fullmatch(await reader.readline()):
                return None
            return await exchange(reader, writer)
    except (OSError, TimeoutError, ValueError):
        return None
    finally:
        writer.close()
