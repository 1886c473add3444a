"""What a guest says at its readiness port: nothing but the answer to this nonce proves anything."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from schedune_agent.vmm.qemu.ready import ask_guest

SOON_S = 0.5
LATE_S = 5.0
Answer = Callable[[str, asyncio.StreamWriter], Awaitable[None]]


def telling(text: Callable[[str], bytes]) -> Answer:
    async def answer(nonce: str, writer: asyncio.StreamWriter) -> None:
        writer.write(text(nonce))
        await writer.drain()

    return answer


async def _endless(nonce: str, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def _lines_for_ever(nonce: str, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b'{"nonce":"another"}\n' * 100)
        await writer.drain()


HOSTILE = {
    "silence": telling(lambda nonce: b""),
    "no-newline": telling(lambda nonce: json.dumps({"nonce": nonce, "bootID": "a" * 8}).encode()),
    "endless-line": _endless,
    "lines-for-ever": _lines_for_ever,
    "another-nonce": telling(lambda nonce: b'{"nonce":"0","bootID":"aaaaaaaa"}\n'),
    "deep-json": telling(lambda nonce: b"[" * 4000 + b"\n"),
    "no-object": telling(lambda nonce: f'"{nonce}"\n'.encode()),
    "no-boot-id": telling(lambda nonce: json.dumps({"nonce": nonce}).encode() + b"\n"),
    "boot-id-of-escapes": telling(
        lambda nonce: json.dumps({"nonce": nonce, "bootID": "\x1b[2J\n# root"}).encode() + b"\n"
    ),
    "boot-id-without-end": telling(
        lambda nonce: json.dumps({"nonce": nonce, "bootID": "a" * 65}).encode() + b"\n"
    ),
}


async def ask(path: Path, answer: Answer) -> str | None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            nonce = json.loads(await reader.readline())["nonce"]
            await answer(nonce, writer)
            await reader.read()
        except (OSError, asyncio.CancelledError):
            return
        finally:
            writer.close()

    server = await asyncio.start_unix_server(serve, str(path))
    try:
        return await ask_guest(path, timeout_s=SOON_S)
    finally:
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()


@pytest.mark.parametrize("answer", HOSTILE.values(), ids=list(HOSTILE))
async def test_a_hostile_guest_proves_nothing_and_keeps_nobody_waiting(
    tmp_path: Path, answer: Answer
) -> None:
    began = time.monotonic()
    assert await ask(tmp_path / "r.sock", answer) is None
    assert time.monotonic() - began < LATE_S


async def test_the_right_answer_behind_noise_is_found(tmp_path: Path) -> None:
    right = telling(
        lambda nonce: (
            b"\xff noise\n[]\n"
            + json.dumps(
                {"nonce": nonce, "bootID": "0f-boot-id".replace("boot-id", "abcdef")}
            ).encode()
            + b"\n"
        )
    )
    assert await ask(tmp_path / "r.sock", right) == "0f-abcdef"
