"""Looks at what may hang: each is waited for a moment, and none holds up another."""

import asyncio
import threading
import time
from concurrent.futures import Future

import pytest

from schedune_agent.system.patience import LaterError, Patience, to_its_end, unbroken


async def test_what_answers_is_returned() -> None:
    assert await Patience().look("it", lambda: 42) == 42


async def test_what_a_look_raises_is_raised() -> None:
    def times_out() -> None:
        raise TimeoutError("the server of the file")

    with pytest.raises(TimeoutError, match="the server of the file"):
        await Patience().look("it", times_out)


async def test_what_gives_no_answer_is_named_and_left_behind() -> None:
    answers = threading.Event()
    with pytest.raises(LaterError, match=r"^the disk: no answer within 0\.05 s$"):
        await Patience(look_s=0.05).look("the disk", answers.wait)
    answers.set()


async def test_as_many_looks_as_may_hang_are_the_most_until_one_of_them_comes_back() -> None:
    answers, patience = threading.Event(), Patience(look_s=0.05, most_late=2)
    for _ in range(2):
        with pytest.raises(LaterError, match="no answer within"):
            await patience.look("the disk", answers.wait)
    with pytest.raises(LaterError, match="2 looks before this one got no answer"):
        await patience.look("the disk", lambda: 42)
    answers.set()
    deadline = time.monotonic() + 5
    while not await _answers(patience):
        assert time.monotonic() < deadline


async def _answers(patience: Patience) -> bool:
    try:
        return await patience.look("the disk", lambda: 42) == 42
    except LaterError:
        return False


async def test_who_is_told_to_stop_in_the_moment_in_which_a_look_ends_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wrap = asyncio.wrap_future

    def stopping(future: Future[None]) -> asyncio.Future[None]:
        found = wrap(future)
        found.add_done_callback(lambda _: looking.cancel())
        return found

    monkeypatch.setattr(asyncio, "wrap_future", stopping)
    looking = asyncio.create_task(Patience().look("the disk", lambda: 42))
    with pytest.raises(asyncio.CancelledError):
        await looking


async def test_who_writes_and_is_told_to_stop_twice_stops_when_it_is_written() -> None:
    answers, done = threading.Event(), list[int]()

    def write() -> None:
        answers.wait()
        done.append(1)

    writing = asyncio.create_task(unbroken(write))
    for _ in range(3):
        await asyncio.sleep(0.05)
        writing.cancel()
    await asyncio.sleep(0.05)
    assert not writing.done()
    answers.set()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert done == [1]


async def test_long_work_is_waited_for_to_its_end_and_its_error_is_raised() -> None:
    done: list[int] = []
    await to_its_end(lambda: done.append(1))
    assert done == [1]
    with pytest.raises(ZeroDivisionError):
        await to_its_end(lambda: done.append(1 // 0))
