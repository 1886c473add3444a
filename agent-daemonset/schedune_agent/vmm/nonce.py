"""Ask the guest for a nonce: proof that *this* boot's user space answers, now.

The same question and answer on whatever way a VMM offers into its guest.
"""

import asyncio
import json
import re
import secrets
from typing import Final

LINE_LIMIT: Final = 4096
"""For the reader: the guest's text is hostile."""
_BOOT_ID: Final = re.compile(r"[0-9a-f-]{8,64}", re.ASCII)


async def exchange_nonce(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str | None:
    """Return the guest's boot id if it answers a fresh nonce; None: the connection ended.

    The guest's text is bounded, and anything but the exact answer is skipped.

    Raises:
        OSError: the connection broke.
    """
    nonce = secrets.token_hex(16)
    writer.write(json.dumps({"nonce": nonce}, separators=(",", ":")).encode() + b"\n")
    await writer.drain()
    while True:
        try:
            line = await reader.readline()
        except ValueError:
            return None
        if not line:
            return None
        boot_id = _read(line, nonce)
        if boot_id is not None:
            return boot_id


def _read(line: bytes, nonce: str) -> str | None:
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(answer, dict) or answer.get("nonce") != nonce:
        return None
    boot_id = str(answer.get("bootID", ""))
    return boot_id if _BOOT_ID.fullmatch(boot_id) else None
