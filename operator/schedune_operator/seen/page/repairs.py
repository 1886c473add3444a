"""Which repair frees most: counted when somebody looks, a piece at a time, and held a while."""

import asyncio
import time
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Final

from schedune.decision.decide import decide
from schedune.decision.explanation import Explanation
from schedune.decision.standing import shared_name
from schedune.decision.unblocking import rank_repairs
from schedune.launch.intent import Intent, parse_intent, read_workload, unsupported_fields
from schedune_operator.seen.reading import Reading
from schedune_operator.seen.standing import WorkloadState, workload_state

HELD_S: Final = 15.0
MOST_ASKED: Final = 24
"""Different demands that are judged; those that most workloads share come first."""


@dataclass
class Repair:
    """One state of nodes which, put right everywhere, would give workloads a node."""

    demand: str
    change: str
    workloads: list[str] = field(default_factory=list)
    pairs: int = 0
    nodes: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Ranking:
    """Repairs, those that give most workloads a node first."""

    repairs: list[Repair]
    counted: int
    """Workloads that were judged."""
    waiting: int
    """Workloads that have no node."""


class Repairs:
    """Ranks repairs over all workloads without a node."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._turn = asyncio.Lock()
        self._held: Ranking | None = None
        self._held_at = float("-inf")

    async def rank(self) -> Ranking:
        """Return the ranking; others are let through between two judgements."""
        async with self._turn:
            if self._held is None or time.monotonic() - self._held_at > HELD_S:
                self._held = await self._count()
                self._held_at = time.monotonic()
            return self._held

    async def _count(self) -> Ranking:
        waiting, fleet = list(_waiting(self._reading)), self._reading.fleet()
        groups: dict[Hashable, list[Intent]] = {}
        for intent in waiting:
            common = shared_name(intent, fleet)
            name = _name(intent) if common is None else common
            groups.setdefault(name, []).append(intent)
        largest = sorted(groups.values(), key=lambda group: (-len(group), _name(group[0])))
        found: dict[str, Repair] = {}
        for group in largest[:MOST_ASKED]:
            self._judge(group, found)
            await asyncio.sleep(0)
        ranked = sorted(
            found.values(), key=lambda one: (-len(one.workloads), -one.pairs, one.demand)
        )
        counted = sum(len(group) for group in largest[:MOST_ASKED])
        return Ranking(ranked, counted, len(waiting))

    def _judge(self, group: list[Intent], found: dict[str, Repair]) -> None:
        """Count what repairs would give to workloads that ask the same."""
        reading = self._reading
        decision = decide(reading.fleet(), group[0], now=reading.clock(), policy=reading.policy)
        if decision.chosen is not None:
            return
        for one in rank_repairs([Explanation(decision)]):
            repair = found.setdefault(one.atom, Repair(one.atom, one.change))
            repair.workloads += map(_name, group)
            repair.pairs += one.pairs * len(group)
            repair.nodes |= set(one.nodes)


def _waiting(reading: Reading) -> Iterator[Intent]:
    for raw in sorted(reading.workloads().values(), key=_key):
        state = workload_state(raw)
        if state not in (WorkloadState.WAITING, WorkloadState.STALLED):
            continue
        if (raw.get("status") or {}).get("placementUID"):
            continue
        workload = read_workload(raw)
        if isinstance(workload, tuple) or unsupported_fields(workload.spec):
            continue
        intent = parse_intent(workload)
        if isinstance(intent, Intent):
            yield intent


def _key(raw: dict[str, dict[str, str]]) -> tuple[str, str]:
    return raw["metadata"]["namespace"], raw["metadata"]["name"]


def _name(intent: Intent) -> str:
    return f"{intent.namespace}/{intent.name}"
