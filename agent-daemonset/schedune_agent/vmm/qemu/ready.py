"""Ask the guest for a nonce: proof that *this* boot's user space answers, now."""

import asyncio
import json
import re
import secrets
from pathlib import Path
from typing import Final

from schedune_agent.system import sockets

_LINE_LIMIT: Final = 4096
_BOOT_ID: Final = re.compile(r"[0-9a-f-]{8,64}", re.ASCII)


async def ask_guest(path: Path, *, timeout_s: float) -> str | None:
    """Return the guest's boot id if it answers a fresh nonce in time; else None.

    The guest's text is hostile: bounded, and anything but the exact answer is skipped.
    """
    nonce = secrets.token_hex(16)
    try:
        reader, writer, _ = await sockets.connect(path, timeout_s=timeout_s, limit=_LINE_LIMIT)
    except (OSError, TimeoutError):
        return None
    try:
        async with asyncio.timeout(timeout_s):
            writer.write(json.dumps({"nonce": nonce}, separators=(",", ":")).encode() + b"\n")
            await writer.drain()
            return await _await_answer(reader, nonce)
    except (OSError, TimeoutError):
        return None
    finally:
        writer.close()


async def _await_answer(reader: asyncio.StreamReader, nonce: str) -> str | None:
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
