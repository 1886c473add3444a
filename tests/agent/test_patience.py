"""Looks at what may hang: each is waited for a moment, and none holds up another."""

import threading
import time

import pytest

from schedune_agent.system.patience import LaterError, Patience, to_its_end


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


async def test_long_work_is_waited_for_to_its_end_and_its_error_is_raised() -> None:
    done: list[int] = []
    await to_its_end(lambda: done.append(1))
    assert done == [1]
    with pytest.raises(ZeroDivisionError):
        await to_its_end(lambda: done.append(1 // 0))
