"""While a fleet is listed nothing is collected; then it is set aside, and all goes on as usual."""

import asyncio
import gc
from collections.abc import Iterator

import pytest

from schedune_operator import garbage
from schedune_operator.garbage import hold_back_until


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()
    gc.enable()


async def test_nothing_is_collected_until_all_is_listed() -> None:
    listed = asyncio.Event()
    member = asyncio.create_task(hold_back_until(listed.wait()))
    await asyncio.sleep(0)
    assert not gc.isenabled()
    listed.set()
    await until_collecting()
    assert gc.get_freeze_count() > 0, "what was listed is set aside"
    assert gc.get_threshold() > (700, 10, 10), "the young are left alone for longer"
    assert not member.done(), "a member that ends ends the operator"
    member.cancel()


async def test_lists_that_never_end_do_not_keep_garbage_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(garbage, "_LONGEST_S", 0.05)
    member = asyncio.create_task(hold_back_until(asyncio.Event().wait()))
    await asyncio.sleep(0)
    assert not gc.isenabled()
    await until_collecting()
    member.cancel()


async def test_an_operator_that_is_ended_meanwhile_leaves_it_on() -> None:
    member = asyncio.create_task(hold_back_until(asyncio.Event().wait()))
    await asyncio.sleep(0)
    member.cancel()
    await asyncio.gather(member, return_exceptions=True)
    assert gc.isenabled()


async def until_collecting() -> None:
    for _ in range(1000):
        if gc.isenabled():
            return
        await asyncio.sleep(0.01)
    pytest.fail("garbage is never collected again")
