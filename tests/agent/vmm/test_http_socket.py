"""Whatever listens at a VMM's socket: answers are bounded, in time, and of the right process."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from schedune_agent.vmm.http_socket import MOST_SENT, HttpSocket, HttpSocketError

Speak = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(folder: Path, speak: Speak) -> AsyncIterator[HttpSocket]:
    """Somebody who listens and says what a test wants said."""
    path, spoken = folder / "s.sock", asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await speak(reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        spoken.set()

    server = await asyncio.start_unix_server(answer, str(path))
    try:
        yield HttpSocket(path, os.getpid())
        await asyncio.wait_for(spoken.wait(), 5)
    finally:
        server.close()


def saying(text: bytes, heard: list[bytes] | None = None) -> Speak:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said = await reader.read(65536)
        if heard is not None:
            heard.append(said)
        writer.write(text)
        await writer.drain()

    return speak


async def test_an_answer_without_reason_and_length_is_an_answer(tmp_path: Path) -> None:
    heard: list[bytes] = []
    answer = b"HTTP/1.1 204 \r\nServer: VMM\r\nConnection: keep-alive\r\n\r\n"
    async with listening(tmp_path, saying(answer, heard)) as api:
        done = await api.request("PUT", "/api/v1/vm.boot", timeout_s=2)
    assert (done.status, done.body, done.is_done) == (204, b"", True)
    assert heard[0].startswith(b"PUT /api/v1/vm.boot HTTP/1.1\r\n")
    assert b"Content-Length" not in heard[0]


async def test_a_body_goes_with_its_length_in_bytes(tmp_path: Path) -> None:
    heard: list[bytes] = []
    told = b'{"state":"Running"}'
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b and more" % (len(told), told)
    async with listening(tmp_path, saying(answer, heard)) as api:
        done = await api.request("PUT", "/x", '{"name":"é"}', timeout_s=2)
    assert done.fields() == {"state": "Running"}
    assert b"Content-Length: 13\r\n" in heard[0]
    assert heard[0].endswith('\r\n\r\n{"name":"é"}'.encode())


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'["Error from API","The VM could not boot"]', "Error from API: The VM could not boot"),
        (b'{"fault_message":"The file cannot be opened"}', "The file cannot be opened"),
        (b'{ "error": "Invalid header.\nAll previous" }', "Invalid header. All previous"),
        (b"no JSON at all", "no JSON at all"),
        (b"", "it gave no reason"),
        (b"[" * 100_000, "[" * 400),
    ],
    ids=["causes", "fault", "raw newline", "text", "nothing", "deep"],
)  # fmt: skip
async def test_a_refusal_says_why_in_each_of_its_forms(
    tmp_path: Path, body: bytes, told: str
) -> None:
    answer = b"HTTP/1.1 400 \r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    async with listening(tmp_path, saying(answer)) as api:
        refused = await api.request("PUT", "/x", "{}", timeout_s=2)
    assert not refused.is_done
    assert refused.complaint() == told


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200",
        b'{"QMP": {"version": {}}}\r\n\r\n',
        b"HTTP/1.1 two \r\n\r\n",
        b"HTTP/1.1 200 \r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 \r\nContent-Length: 99999999\r\n\r\n",
        b"HTTP/1.1 200 \r\nContent-Length: 9\r\n\r\nshort",
        b"HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 \r\n" + b"X: y\r\n" * 10_000 + b"\r\n",
    ],
    ids=[
        "nothing", "half a line", "another protocol", "no status", "negative", "too long",
        "too short", "chunks", "endless header",
    ],
)  # fmt: skip
async def test_what_is_no_answer_is_an_error_and_never_a_hang(
    tmp_path: Path, answer: bytes
) -> None:
    async with listening(tmp_path, saying(answer)) as api:
        with pytest.raises(HttpSocketError, match="/x of "):
            await api.request("GET", "/x", timeout_s=5)


async def test_a_silent_vmm_is_given_up_in_time(tmp_path: Path) -> None:
    async def keep_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(tmp_path, keep_silent) as api:
        with pytest.raises(HttpSocketError, match="no answer within 0 s"):
            await api.request("GET", "/x", timeout_s=0.2)


async def test_nothing_is_sent_to_another_process(tmp_path: Path) -> None:
    heard: list[bytes] = []
    async with listening(tmp_path, saying(b"HTTP/1.1 204 \r\n\r\n", heard)) as api:
        with pytest.raises(HttpSocketError, match=f"served by pid {os.getpid()}, not by 1"):
            await HttpSocket(api.path, 1).request("PUT", "/boot", "{}", timeout_s=2)
    assert heard == [b""]


async def test_a_body_that_would_block_the_sender_is_not_sent(tmp_path: Path) -> None:
    api = HttpSocket(tmp_path / "gone.sock", 1)
    with pytest.raises(HttpSocketError, match=f"at most {MOST_SENT}"):
        await api.request("PUT", "/x", "x" * (MOST_SENT + 1), timeout_s=2)


async def test_nobody_listening_is_told_with_the_path(tmp_path: Path) -> None:
    with pytest.raises(HttpSocketError, match="gone"):
        await HttpSocket(tmp_path / "gone.sock", 1).request("GET", "/x", timeout_s=2)
