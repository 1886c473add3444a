"""When garbage is collected: not while a fleet is listed, and of what stays not at all.

The fleet stays. Of 1,000 nodes each full collection stops everything for 0.2 s, and of
10,000 half the time of a look at all Leases goes into collections that find nothing. While
it is listed it grows, and they find as little: a quarter of all that a start costs.
"""

import asyncio
import gc
from collections.abc import Awaitable
from contextlib import suppress
from typing import Final, NoReturn

_LONGEST_S: Final = 120.0
"""However long the lists take: what is thrown away meanwhile must not pile up."""
_THRESHOLDS: Final = (5_000, 20, 1_000)
"""Of the three generations. By Python's own (700, 10, 10) a twelfth of the CPU of a burst went
into them. The oldest is collected with each sweep, and hardly in between."""


def set_aside_what_stays() -> None:
    """Collect garbage, and leave all else out of collections until this is done again."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


async def hold_back_until(filled: Awaitable[None]) -> NoReturn:
    """Collect nothing until all is listed; then go on as usual, for ever."""
    gc.disable()
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(_LONGEST_S):
                await filled
        set_aside_what_stays()
        gc.set_threshold(*_THRESHOLDS)
    finally:
        gc.enable()
    while True:
        await asyncio.Event().wait()
