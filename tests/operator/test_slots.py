"""How much is under way at once, and who slows it down."""

import asyncio

from schedune_operator.slots import Slots


async def test_no_more_than_the_limit_is_under_way() -> None:
    slots = Slots(most=8)
    for _ in range(slots.limit):
        await slots.take()
    waiter = asyncio.create_task(slots.take())
    await asyncio.sleep(0)
    assert not waiter.done()
    slots.give_back(asked_for_patience=False)
    await waiter


async def test_a_server_that_asks_for_patience_gets_half_and_then_slowly_more() -> None:
    slots = Slots(most=64)
    await slots.take()
    slots.give_back(asked_for_patience=True)
    assert slots.limit == 32
    for _ in range(40):
        await slots.take()
        slots.give_back(asked_for_patience=False)
    assert 32 < slots.limit < 40


async def test_it_never_stands_still() -> None:
    slots = Slots(most=64)
    for _ in range(20):
        await slots.take()
        slots.give_back(asked_for_patience=True)
    assert slots.limit == 4
