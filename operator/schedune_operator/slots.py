"""How many workloads are worked on at once: less when the server asks for patience."""

import asyncio
from typing import Final

MOST: Final = 64
_FEWEST: Final = 4


class Slots:
    """A bound that halves at a 429 and grows again by one for each round without."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._limit = float(most)
        self._taken = 0
        self._freed = asyncio.Event()

    @property
    def limit(self) -> int:
        """How many may be taken at once now."""
        return int(self._limit)

    async def take(self) -> None:
        """Wait for a slot."""
        while self._taken >= self.limit:
            self._freed.clear()
            await self._freed.wait()
        self._taken += 1

    def give_back(self, *, asked_for_patience: bool) -> None:
        """Return a slot, and say whether the server was overloaded meanwhile."""
        self._taken -= 1
        if asked_for_patience:
            self._limit = max(float(_FEWEST), self._limit / 2)
        else:
            self._limit = min(float(self._most), self._limit + 1 / self._limit)
        self._freed.set()
