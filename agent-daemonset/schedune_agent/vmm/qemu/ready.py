"""Ask the guest for a nonce through QEMU's readiness port."""

import asyncio
from pathlib import Path

from schedune_agent.system import sockets
from schedune_agent.vmm.nonce import LINE_LIMIT, exchange_nonce


async def ask_guest(path: Path, *, timeout_s: float) -> str | None:
    """Return the guest's boot id if it answers a fresh nonce in time; else None."""
    try:
        reader, writer, _ = await sockets.connect(path, timeout_s=timeout_s, limit=LINE_LIMIT)
    except (OSError, TimeoutError):
        return None
    try:
        async with asyncio.timeout(timeout_s):
            return await exchange_nonce(reader, writer)
    except (OSError, TimeoutError):
        return None
    finally:
        writer.close()
