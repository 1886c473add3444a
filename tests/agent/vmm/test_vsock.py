"""The guest behind a VMM's vsock: only its own answer to this very nonce is a proof."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from schedune_agent.vmm.vsock import READY_PORT, ask_guest

BOOT_ID = "a46eeade-824d-47f5-954d-feb4524785bc"
Reply = Callable[[dict[str, str]], bytes]


@asynccontextmanager
async def guest(
    folder: Path, reply: Reply, greeting: bytes = b"OK 1073741824\n"
) -> AsyncIterator[Path]:
    """A socket behind which a guest replies to what it is asked."""
    path, done = folder / "v.sock", asyncio.Event()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, ValueError):
            if await reader.readline() == b"CONNECT %d\n" % READY_PORT:
                writer.write(greeting)
                asked = await reader.readline()
                if asked:
                    writer.write(reply(json.loads(asked)))
                await writer.drain()
                await reader.read()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        done.set()

    server = await asyncio.start_unix_server(speak, str(path))
    try:
        yield path
        await asyncio.wait_for(done.wait(), 5)
    finally:
        server.close()


def answer(asked: dict[str, str]) -> bytes:
    return json.dumps({"nonce": asked["nonce"], "bootID": BOOT_ID}).encode() + b"\n"


async def test_the_guest_that_returns_the_nonce_is_believed(tmp_path: Path) -> None:
    async with guest(tmp_path, answer) as path:
        assert await ask_guest(path, pid=os.getpid(), timeout_s=2) == BOOT_ID


async def test_every_question_has_a_nonce_of_its_own(tmp_path: Path) -> None:
    seen: list[str] = []

    def remember(asked: dict[str, str]) -> bytes:
        seen.append(asked["nonce"])
        return answer(asked)

    for _ in range(2):
        async with guest(tmp_path, remember) as path:
            await ask_guest(path, pid=os.getpid(), timeout_s=2)
        path.unlink()
    assert len(set(seen)) == 2


@pytest.mark.parametrize(
    "reply",
    [
        lambda _: json.dumps({"nonce": "0" * 32, "bootID": BOOT_ID}).encode() + b"\n",
        lambda asked: json.dumps({"nonce": asked["nonce"], "bootID": "../x"}).encode() + b"\n",
        lambda asked: json.dumps(asked).encode() + b"\n",
        lambda _: b"x" * 100_000 + b"\n",
        lambda _: b"[" * 4000 + b"\n",
    ],
    ids=["another nonce", "no boot id", "an echo", "an endless line", "deep"],
)
async def test_anything_but_the_exact_answer_is_no_proof(tmp_path: Path, reply: Reply) -> None:
    async with guest(tmp_path, reply) as path:
        assert await ask_guest(path, pid=os.getpid(), timeout_s=0.5) is None


async def test_the_same_answer_of_another_process_is_no_proof(tmp_path: Path) -> None:
    async with guest(tmp_path, answer) as path:
        assert await ask_guest(path, pid=1, timeout_s=2) is None


async def test_a_guest_in_which_nothing_listens_is_no_proof(tmp_path: Path) -> None:
    async with guest(tmp_path, answer, greeting=b"") as path:
        assert await ask_guest(path, pid=os.getpid(), timeout_s=0.5) is None


async def test_a_socket_that_is_not_there_is_no_proof(tmp_path: Path) -> None:
    assert await ask_guest(tmp_path / "v.sock", pid=os.getpid(), timeout_s=0.5) is None
