"""The guest agent's answers are the guest's: believed for what they prove, and never more."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from schedune_agent.vmm.guest_agent import AgentAnswer, ask_agent, order_shutdown

Question = dict[str, Any]
Say = Callable[[Question], bytes]


def line(told: object) -> bytes:
    return json.dumps({"return": told}).encode() + b"\n"


def honest(asked: Question, cards: object = ()) -> bytes:
    match asked["execute"]:
        case "guest-sync-delimited":
            return b"\xff" + line(asked["arguments"]["id"])
        case "guest-network-get-interfaces":
            return line(cards)
        case _:
            return line({})


@asynccontextmanager
async def guest(folder: Path, say: Say) -> AsyncIterator[Path]:
    """A socket behind which a guest says something to each question."""
    path, done = folder / "g.sock", asyncio.Event()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while question := await reader.readline():
                writer.write(say(json.loads(question.lstrip(b"\xff"))))
                await writer.drain()
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


async def asked(folder: Path, say: Say, *, seconds: float = 2) -> AgentAnswer | None:
    async with guest(folder, say) as path:
        return await ask_agent(path, pid=os.getpid(), timeout_s=seconds)


def card(*addresses: object) -> dict[str, object]:
    return {"name": "eth0", "ip-addresses": [{"ip-address": one} for one in addresses]}


async def test_an_agent_that_answers_tells_where_its_guest_is(tmp_path: Path) -> None:
    cards = [card("127.0.0.1"), card("192.0.2.7", "fe80::1", "2001:db8::7", "192.0.2.7")]
    found = await asked(tmp_path, lambda question: honest(question, cards))
    assert found == AgentAnswer(("192.0.2.7", "2001:db8::7"))


async def test_a_complaint_and_an_old_answer_before_the_right_one_are_passed_over(
    tmp_path: Path,
) -> None:
    def grumble(question: Question) -> bytes:
        before = b'{"error": {"class": "GenericError"}}\n' + line(1) + b"\xff\xff junk\n"
        return (before if "sync" in question["execute"] else b"") + honest(question)

    assert await asked(tmp_path, grumble) == AgentAnswer()


async def test_an_agent_that_may_not_tell_addresses_answers_all_the_same(tmp_path: Path) -> None:
    def deny(question: Question) -> bytes:
        denied = b'{"error": {"class": "CommandNotFound"}}\n'
        return denied if "interfaces" in question["execute"] else honest(question)

    assert await asked(tmp_path, deny) == AgentAnswer()


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"x" * 2**21 + b"\n",
        b"[" * 100_000 + b"\n",
        line(1) * 100,
        line(True),
        line("1") * 3 + b"null\n",
        b"\xff\n" * 1000,
    ],
    ids=["silence", "endless-line", "deep", "wrong-number", "no-number", "text", "empty-lines"],
)
async def test_what_is_no_answer_to_this_very_question_is_none(
    tmp_path: Path, reply: bytes
) -> None:
    assert await asked(tmp_path, lambda _: reply, seconds=1) is None


@pytest.mark.parametrize(
    "cards",
    [
        "text",
        {"a": 1},
        [None, 1, "x", {"ip-addresses": "192.0.2.7"}, {"ip-addresses": [None, 1, {}]}],
        [card(1, None, "", "192.0.2.7; rm -rf /", "::", "224.0.0.1", "::1", "fd00::1%eth0")],
        [card("9" * 10_000)],
    ],
    ids=["text", "map", "mixed", "no-addresses", "long"],
)
async def test_nonsense_in_place_of_addresses_is_no_address(tmp_path: Path, cards: object) -> None:
    found = await asked(tmp_path, lambda question: honest(question, cards))
    assert found == AgentAnswer()


async def test_a_guest_with_endless_addresses_is_told_with_a_few(tmp_path: Path) -> None:
    cards = [card(*(f"10.0.{n // 256}.{n % 256}" for n in range(3000)))]
    found = await asked(tmp_path, lambda question: honest(question, cards))
    assert found is not None
    assert len(found.addresses) == 16


async def test_who_is_not_the_vmm_is_not_asked(tmp_path: Path) -> None:
    async with guest(tmp_path, honest) as path:
        assert await ask_agent(path, pid=os.getpid() + 1, timeout_s=1) is None
        assert await ask_agent(tmp_path / "absent", pid=os.getpid(), timeout_s=1) is None


async def test_an_agent_is_told_to_power_its_guest_down_and_says_nothing_of_it(
    tmp_path: Path,
) -> None:
    heard: list[Question] = []

    def obey(question: Question) -> bytes:
        heard.append(question)
        return honest(question) if "sync" in question["execute"] else b""

    async with guest(tmp_path, obey) as path:
        assert await order_shutdown(path, pid=os.getpid(), timeout_s=2)
    assert heard[1:] == [{"execute": "guest-shutdown", "arguments": {"mode": "powerdown"}}]


async def test_nobody_is_told_to_power_down_who_is_not_there_or_another(tmp_path: Path) -> None:
    async with guest(tmp_path, honest) as path:
        assert not await order_shutdown(path, pid=os.getpid() + 1, timeout_s=1)
        assert not await order_shutdown(tmp_path / "absent", pid=os.getpid(), timeout_s=1)
