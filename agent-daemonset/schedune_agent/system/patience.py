"""Work on file systems that may hang: done in threads that nobody has to wait for.

A look at a file of a network's file system may take hours. In the agent's own thread its
heartbeats would end with it, and in asyncio's threads the sixth such look would be the last.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from threading import Thread
from typing import Final, TypeVar

_T = TypeVar("_T")
_LOOK_S: Final = 5.0
_MOST_LATE: Final = 16
"""Threads that may hang at once over one thing; beyond them it is looked at no more."""


class LaterError(Exception):
    """What has to be known to go on gives no answer now; it is asked again."""


class Patience:
    """Waits a moment for each look, and counts those that are still out."""

    def __init__(self, look_s: float = _LOOK_S, most_late: int = _MOST_LATE) -> None:
        self._look_s = look_s
        self._most_late = most_late
        self._late: dict[str, list[Future[None]]] = {}
        """By what is looked at: of two servers the one that is gone costs the other nothing."""

    async def look(self, what: str, work: Callable[[], _T]) -> _T:
        """Return what a short look finds; ``what`` is looked at, in words.

        Raises:
            LaterError: it gives no answer now.
            Exception: what the look raised.
        """
        late = [one for one in self._late.pop(what, ()) if not one.done()]
        if late:
            self._late[what] = late
        if len(late) >= self._most_late:
            raise LaterError(f"{what}: {len(late)} looks before this one got no answer")
        found: list[_T] = []
        done = in_thread(lambda: found.append(work()))
        try:
            async with asyncio.timeout(self._look_s):
                await asyncio.wrap_future(done)
        except TimeoutError:
            if not done.done():
                self._late.setdefault(what, []).append(done)
                raise LaterError(f"{what}: no answer within {self._look_s:g} s") from None
            done.result()  # in the last moment, or it was the look itself that timed out
        return found[0]


async def to_its_end(work: Callable[[], _T]) -> _T:
    """Wait for work that may take minutes in a thread of its own.

    Raises:
        Exception: what the work raised.
    """
    found: list[_T] = []
    await asyncio.wrap_future(in_thread(lambda: found.append(work())))
    return found[0]


async def unbroken(work: Callable[[], None]) -> None:
    """Do what writes in a thread; who is told to stop meanwhile waits until it is done.

    Raises:
        Exception: what the work raised.
    """
    done = asyncio.wrap_future(in_thread(work))
    try:
        await asyncio.shield(done)
    except asyncio.CancelledError:
        while not done.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait({done})
        raise


def in_thread(work: Callable[[], None]) -> Future[None]:
    """Begin work in a thread that does not hold up the end of the process."""
    outcome: Future[None] = Future()
    outcome.set_running_or_notify_cancel()  # from here on nobody's impatience can cancel it

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            outcome.set_exception(error)
        else:
            outcome.set_result(None)

    Thread(target=run, daemon=True).start()
    return outcome
