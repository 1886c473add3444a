"""Who is looked at, and when: those whom a change concerns, and now and then everybody.

A workload is looked at when it or what bears its name changed, when its time comes, when
its node falls silent or is ordered about, and, while no node can run it, when one becomes
able to. What merely changes the explanation of one that waits is told with less hurry.
"""

import itertools
import math
import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from schedune.api.scheduling_policy import SchedulingPolicy
from schedune.decision.waiting import Waiting
from schedune.fleet.fleet import Fleet
from schedune.launch.intent import Intent
from schedune_kube.client import Raw
from schedune_kube.reflector import Key
from schedune_operator.alarms import Alarms
from schedune_operator.cache import WorkloadCache
from schedune_operator.holds import is_on_its_way
from schedune_operator.lanes import Lanes
from schedune_operator.world import World

_AFTER_DEADLINE_S: Final = 1.0
"""Times in conditions are whole seconds."""
_SHORTEST_S: Final = 0.5
_LONGEST_S: Final = 60.0
_IDLY: Final = 50
"""So many are looked at in a tick without any cause: what was lost somewhere is found so."""
_IDLY_WAITING: Final = 10
"""So many of those who wait are looked at in a tick: what they were told is of an older fleet."""
_LAG_S: Final = 0.5
"""While there is another fleet than the one that all who wait were held against."""
_RETELL_S: Final = 2.0
"""An explanation that is another is told no more often than this."""


@dataclass
class Agenda:
    """Knows who is to be looked at."""

    world: World
    cache: WorkloadCache
    policy: SchedulingPolicy
    monotonic: Callable[[], float] = time.monotonic
    lanes: Lanes = field(default_factory=Lanes, init=False)
    _waiting: Waiting[Key] = field(init=False)
    _seen: dict[Key, tuple[str, str]] = field(default_factory=dict, init=False)
    """Versions of the workload and of its placement that were looked at."""
    _forced: set[Key] = field(default_factory=set, init=False)
    """To be looked at though neither is another."""
    _in_hand: set[Key] = field(default_factory=set, init=False)
    _again: set[Key] = field(default_factory=set, init=False)
    """In hand, and to be looked at again after that."""
    _alarms: Alarms = field(default_factory=Alarms, init=False)
    _failures: dict[Key, int] = field(default_factory=dict, init=False)
    _retold_at: float = field(default=float("-inf"), init=False)
    _round: Iterator[Key] = field(default_factory=lambda: iter(()), init=False)
    _waiting_round: Iterator[Key] = field(default_factory=lambda: iter(()), init=False)
    _lags: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._waiting = Waiting(self.policy)

    # --- what happened ---------------------------------------------------------------

    def note(self, key: Key) -> None:
        """Say that a workload, or what bears its name, may have changed."""
        if key in self._in_hand:
            self._again.add(key)
            return
        raw = self.cache.workloads.get(key)
        if raw is None and self._is_nothing(key):
            self._forced.discard(key)
            self.lanes.drop(key)
        elif raw is not None and key not in self.world.placements.store:
            self.lanes.want_node(key, (-self.world.priorities.of(raw), _created(raw)))
        else:
            self.lanes.have_news(key)

    def _is_nothing(self, key: Key) -> bool:
        """Say whether neither is there nor was ever looked at: it came and went."""
        placed = key in self.world.placements.store
        return not (placed or key in self._seen or key in self._failures)

    def force(self, keys: Iterable[Key]) -> None:
        """Look at these whether or not they changed, in the order of their names."""
        for key in sorted(keys):
            self._forced.add(key)
            self.note(key)

    def note_node(self, name: str) -> None:
        """Say that what is ordered about a node is another."""
        self.force(self.world.tenants.on(name))

    def note_priorities(self) -> None:
        """Say that a PriorityClass is another: who wants a node is ordered anew."""
        placed = self.world.placements.store
        self.force([key for key in self.cache.workloads if key not in placed])

    def look_again(self, key: Key, after_s: float) -> None:
        """Look at a workload in a while, whether or not it changes."""
        self._alarms.set(key, self.monotonic() + after_s)

    def next_alarm_s(self) -> float:
        """Return in how many seconds somebody is to be looked at again; inf: nobody."""
        due = self._alarms.next()
        lag_s = _LAG_S if self._lags else math.inf
        return lag_s if due is None else min(due - self.monotonic(), lag_s)

    def wait_for_fleet(
        self, key: Key, fleet: Fleet, intent: Intent, now: datetime, due: datetime | None
    ) -> None:
        """Let a workload sleep that no node can run: until its deadline, or until it is woken."""
        raw = self.cache.workloads.get(key)
        rank = self.world.priorities.of(raw) if raw is not None else 0
        self._waiting.keep(key, fleet, intent, now, rank=rank)
        if due is not None:
            left_s = (due - now).total_seconds()
            self.look_again(key, max(left_s, 0.0) + _AFTER_DEADLINE_S)

    def wake_all(self) -> None:
        """Look at everything: whoever led before may have done anything.

        First at those who were told to end for a place that they had: it is theirs.
        """
        self._waiting = Waiting(self.policy)
        self._seen.clear()
        self._alarms.clear()
        for key, raw in sorted(self.world.placements.store.items()):
            if is_on_its_way(raw):
                self._forced.add(key)
                self.lanes.go_first(key)
        self.force({*self.cache.workloads, *self.world.placements.store})

    # --- who is next -----------------------------------------------------------------

    def turn(self, now: datetime) -> None:
        """Bring in whom the fleet and the time concern."""
        moment = self.monotonic()
        self.force(self._alarms.ring(moment))
        fleet = self.world.fleet()
        changed = self._waiting.woken(fleet, now)
        self._lags = self._waiting.lags(fleet)
        self.force(self._waiting.freed)
        if changed and moment - self._retold_at >= _RETELL_S:
            self._retold_at = moment
            self.force(changed)

    def tick(self, now: datetime) -> None:
        """Bring in whose node fell silent or came back, and a few without any cause."""
        self.force(self.world.tenants.turned(self.world.is_told_silent))
        self._retell_some(now)
        for _ in range(_IDLY):
            key = next(self._round, None)
            if key is None:
                self._round = iter({**self.cache.workloads, **self.world.placements.store})
                return
            if key not in self._waiting:
                self.force([key])

    def _retell_some(self, now: datetime) -> None:
        """Bring in a few who wait: the same may object to them, by other numbers."""
        fleet, some = (
            self.world.seen_fleet(),
            list(itertools.islice(self._waiting_round, _IDLY_WAITING)),
        )
        if not some:
            self._waiting_round = iter(self._waiting.keys())
        self.force([key for key in some if self._waiting.is_out_of_date(key, fleet, now)])

    def pop(self) -> Key | None:
        """Return who is to be looked at now; None: nobody."""
        while (key := self.lanes.pop()) is not None:
            if key in self._forced or self._seen.get(key) != self._versions(key):
                return key
        return None

    def begin(self, key: Key) -> tuple[str, str]:
        """Say that a workload is looked at; it sleeps again only if it is told to meanwhile."""
        self._forced.discard(key)
        self._waiting.drop(key)
        self._in_hand.add(key)
        return self._versions(key)

    def end(self, key: Key, began: tuple[str, str]) -> None:
        """Say that the look is over: what we wrote ourselves meanwhile is no news."""
        self._failures.pop(key, None)
        now = self._versions(key)
        ours = self.cache.ours.get(key), self.world.ours.get(key)
        self._seen[key] = (
            now[0] if now[0] == ours[0] else began[0],
            now[1] if now[1] == ours[1] else began[1],
        )
        if now == ("", ""):
            self._forget(key)
        self._let_go(key)

    def fail(self, key: Key, patience_s: float = 0.0) -> None:
        """Say that the look went wrong: it is repeated, later each time."""
        self._seen.pop(key, None)
        count = self._failures[key] = self._failures.get(key, 0) + 1
        pause = min(_SHORTEST_S * 2 ** min(count - 1, 16), _LONGEST_S)
        self.look_again(key, max(patience_s, pause * random.uniform(0.5, 1.0)))  # noqa: S311 - jitter
        self._let_go(key)

    def _let_go(self, key: Key) -> None:
        self._in_hand.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.note(key)
            self.cache.changed.set()

    def _forget(self, key: Key) -> None:
        self._seen.pop(key, None)
        self._forced.discard(key)

    def _versions(self, key: Key) -> tuple[str, str]:
        return (
            _version(self.cache.workloads.get(key)),
            _version(self.world.placements.store.get(key)),
        )


def _version(raw: Raw | None) -> str:
    return str(raw["metadata"]["resourceVersion"]) if raw is not None else ""


def _created(raw: Raw) -> str:
    return str(raw["metadata"].get("creationTimestamp", ""))
