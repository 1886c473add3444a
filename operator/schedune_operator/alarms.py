"""When somebody is to be looked at again: one moment each, however often it is asked for."""

import heapq
from collections.abc import Iterator
from typing import Final

from schedune_kube.reflector import Key

_SLACK: Final = 64
"""So many that are out of date are no reason to tidy up."""


class Alarms:
    """The earliest moment that stands for each key (seconds, monotonic).

    A later one is passed over while an earlier one stands: whoever is looked at asks anew.
    """

    def __init__(self) -> None:
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, Key]] = []
        """What is not in ``_due`` as well is out of date."""

    def __len__(self) -> int:
        return len(self._due)

    def set(self, key: Key, due: float) -> None:
        """Ask for a look at that moment, at the latest."""
        standing = self._due.get(key)
        if standing is not None and standing <= due:
            return
        self._due[key] = due
        heapq.heappush(self._heap, (due, key))
        if len(self._heap) > 2 * len(self._due) + _SLACK:
            self._heap = [(when, one) for one, when in self._due.items()]
            heapq.heapify(self._heap)

    def ring(self, now: float) -> Iterator[Key]:
        """Give those whose moment has come; each is forgotten then."""
        while (due := self.next()) is not None and due <= now:
            key = heapq.heappop(self._heap)[1]
            del self._due[key]
            yield key

    def next(self) -> float | None:
        """Return the next moment; None: none stands."""
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def clear(self) -> None:
        """Forget all."""
        self._due.clear()
        self._heap.clear()
