"""Which workloads are looked at in a turn: all but those that wait for a change elsewhere.

A workload that no node can run is looked at again when it or what bears its name changed,
when its deadline comes, or when something that stood in its way on some node is another.
"""

from dataclasses import dataclass, field
from datetime import datetime

from schedune.api.scheduling_policy import SchedulingPolicy
from schedune.decision.decide import Decision
from schedune.decision.waiting import Waiting
from schedune_kube.client import Raw
from schedune_kube.reflector import Key
from schedune_operator.cache import WorkloadCache
from schedune_operator.world import World


@dataclass(slots=True)
class _Sleeper:
    seen: tuple[str, str] | None = None
    """Versions of the workload and of its placement that were looked at."""
    due: datetime | None = None


@dataclass
class Agenda:
    """Knows who waits for the fleet."""

    world: World
    cache: WorkloadCache
    policy: SchedulingPolicy
    _sleepers: dict[Key, _Sleeper] = field(default_factory=dict, init=False)
    _waiting: Waiting[Key] = field(init=False)

    def __post_init__(self) -> None:
        self._waiting = Waiting(self.policy)

    def wait_for_fleet(self, key: Key, decision: Decision, due: datetime | None) -> None:
        """Let a workload sleep that no node can run: until its deadline, or until it is woken."""
        self._waiting.keep(key, decision.fleet, decision.intent, decision.now)
        self._sleepers[key] = _Sleeper(due=due)

    def pick(self, now: datetime) -> list[Key]:
        """Return those that are to be looked at now, in their order."""
        woken = self._waiting.woken(self.world.fleet(), now)
        keys = sorted({*self.cache.workloads, *self.world.placements.store})
        for gone in self._sleepers.keys() - keys:
            self.begin(gone)
        return [key for key in keys if key in woken or not self._may_sleep(key, now)]

    def _may_sleep(self, key: Key, now: datetime) -> bool:
        sleeper = self._sleepers.get(key)
        if sleeper is None or sleeper.seen != self._versions(key):
            return False
        return sleeper.due is None or now <= sleeper.due

    def begin(self, key: Key) -> tuple[str, str]:
        """Say that a workload is looked at; it sleeps again only if it is told to meanwhile."""
        self._sleepers.pop(key, None)
        self._waiting.drop(key)
        return self._versions(key)

    def end(self, key: Key, began: tuple[str, str]) -> None:
        """Say that the look is over: what we wrote ourselves meanwhile is no news."""
        sleeper = self._sleepers.get(key)
        if sleeper is not None:
            workload, placement = began
            now = self._versions(key)[0]
            sleeper.seen = (now if now == self.cache.ours.get(key) else workload, placement)

    def wake_all(self) -> None:
        """Look at everything in the next turn."""
        self._sleepers.clear()
        self._waiting = Waiting(self.policy)

    def _versions(self, key: Key) -> tuple[str, str]:
        return (
            _version(self.cache.workloads.get(key)),
            _version(self.world.placements.store.get(key)),
        )


def _version(raw: Raw | None) -> str:
    return str(raw["metadata"]["resourceVersion"]) if raw is not None else ""
