"""In which order workloads are looked at: by priority, and nobody waits for ever.

Before all go those for whom something was held that nobody else may take.
Two lanes that take turns: those who want a node, and those of whom there is other news.
In the first one every eighth turn is that of whoever waits longest, whatever its priority.
"""

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from typing import Final

from schedune_kube.reflector import Key

Rank = tuple[int, str]
"""What goes first: less of (minus the priority, the time of creation)."""

_FAIRNESS: Final = 8
_SLACK: Final = 64
"""So many that are out of date are no reason to tidy up."""


class Lanes:
    """Keys that wait to be looked at, each once."""

    def __init__(self) -> None:
        self._first: dict[Key, None] = {}
        """Who goes before all others, in this order."""
        self._ranks: dict[Key, Rank] = {}
        """Who wants a node; what lies in the heap and is not here is out of date."""
        self._by_rank: list[tuple[Rank, Key]] = []
        self._by_age: deque[tuple[Rank, Key]] = deque()
        self._others: dict[Key, None] = {}
        self._turns = itertools.count(1)
        self.on_add: Callable[[], None] = lambda: None
        """Told of every key that begins to wait."""

    def __len__(self) -> int:
        return len(self._first) + len(self._ranks) + len(self._others)

    def __contains__(self, key: Key) -> bool:
        return key in self._first or key in self._ranks or key in self._others

    def go_first(self, key: Key) -> None:
        """Let a workload be looked at before everybody else."""
        if key not in self:
            self.on_add()
        self.drop(key)
        self._first[key] = None

    def want_node(self, key: Key, rank: Rank) -> None:
        """Let a workload wait for a decision."""
        if key in self._first:
            return
        if key not in self:
            self.on_add()
        self._others.pop(key, None)
        if self._ranks.get(key) != rank:
            self._ranks[key] = rank
            heapq.heappush(self._by_rank, (rank, key))
            self._by_age.append((rank, key))
            self._tidy_up()

    def have_news(self, key: Key) -> None:
        """Let a workload wait to be looked at for any other cause."""
        if key not in self:
            self._others[key] = None
            self.on_add()

    def drop(self, key: Key) -> None:
        """Forget a workload."""
        self._first.pop(key, None)
        self._ranks.pop(key, None)
        self._others.pop(key, None)

    def _tidy_up(self) -> None:
        """Let go of what is out of date: while another leads nobody is ever popped here."""
        most = 2 * len(self._ranks) + _SLACK
        if len(self._by_rank) > most:
            self._by_rank = [(rank, key) for key, rank in self._ranks.items()]
            heapq.heapify(self._by_rank)
        if len(self._by_age) > most:
            held = dict.fromkeys(one for one in self._by_age if self._ranks.get(one[1]) == one[0])
            self._by_age = deque(held)

    def pop(self) -> Key | None:
        """Return who is next; None: nobody waits."""
        if self._first:
            key = next(iter(self._first))
            del self._first[key]
            return key
        turn = next(self._turns)
        if self._others and (turn % 2 or not self._ranks):
            key = next(iter(self._others))
            del self._others[key]
            return key
        return self._longest() if turn % _FAIRNESS == 0 else self._highest()

    def _highest(self) -> Key | None:
        while self._by_rank:
            rank, key = heapq.heappop(self._by_rank)
            if self._ranks.get(key) == rank:
                del self._ranks[key]
                return key
        self._by_age.clear()
        return None

    def _longest(self) -> Key | None:
        while self._by_age:
            rank, key = self._by_age.popleft()
            if self._ranks.get(key) == rank:
                del self._ranks[key]
                return key
        self._by_rank.clear()
        return None
