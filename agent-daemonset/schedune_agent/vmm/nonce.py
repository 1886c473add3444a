"""Ask a guest for a nonce: proof that *this* boot's user space answers, now.

One line goes in, one line comes out, whatever carries them. The guest's text is hostile:
bounded, and anything but the exact answer is skipped.
"""

import asyncio
import json
import re
import secrets
from typing import Final

LINE_LIMIT: Final = 4096
_BOOT_ID: Final = re.compile(r"[0-9a-f-]{8,64}", re.ASCII)


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str | None:
    """Return the guest's boot id once it answers a fresh nonce; None: it hung up.

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
