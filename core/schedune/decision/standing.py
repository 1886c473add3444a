"""Answers kept per demand: intents that ask the same share them, a change touches its rows.

What depends on the clock is asked every time; the rest is kept, and brought up to date for
the rows that the fleet's log names. The choice is the one that ``decide`` makes.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from schedune.api.scheduling_policy import DEFAULT_POLICY, SchedulingPolicy
from schedune.api.vmworkload import Backend, DiskAccess
from schedune.decision.decide import any_of, best_row, decide, launchable_of, run_checks
from schedune.eligibility import LASTING, TIMED
from schedune.eligibility.finding import Question
from schedune.fleet.column import Column, Mask
from schedune.fleet.fleet import Fleet
from schedune.fleet.view import View
from schedune.launch.intent import Intent
from schedune.scoring import Part, rate, total

MOST_KEPT: Final = 1024


@dataclass(frozen=True, slots=True)
class Choice:
    """Where a VM goes."""

    row: int
    node_name: str
    backend: Backend
    score: int


@dataclass(slots=True)
class _Standing:
    """What is kept for one demand."""

    shape: object
    version: int
    launchable: dict[Backend, Mask]
    parts: list[Part]
    scores: Column


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known now of every node for one demand, by kept answers."""

    launchable: dict[Backend, Mask]
    parts: list[Part]
    scores: Column


class Standings:
    """Chooses nodes of one fleet under one policy."""

    def __init__(self, fleet: Fleet, policy: SchedulingPolicy = DEFAULT_POLICY) -> None:
        self._fleet = fleet
        self._policy = policy
        self._kept: dict[str, _Standing] = {}

    def choose(self, intent: Intent, now: datetime) -> Choice | None:
        """Return where the VM goes; None: no node is eligible."""
        if not is_shareable(intent) or intent.uid in self._fleet.live:
            decision = decide(self._fleet, intent, now=now, policy=self._policy)
            return self._choice(dict(decision.launchable), decision.scores)
        verdict = self.verdict(intent, now)
        return self._choice(verdict.launchable, verdict.scores)

    def verdict(self, intent: Intent, now: datetime) -> Verdict:
        """Return the answers for an intent that shares them (``is_shareable``)."""
        standing = self._standing(intent, now)
        question = Question(View(self._fleet), intent, self._policy, now)
        timed = launchable_of(question, run_checks(question, TIMED))
        launchable = {
            backend: mask & timed[backend] for backend, mask in standing.launchable.items()
        }
        return Verdict(launchable, standing.parts, standing.scores)

    def _choice(self, launchable: dict[Backend, Mask], scores: Column) -> Choice | None:
        row = best_row(any_of(launchable.values(), len(self._fleet)), scores)
        if row is None:
            return None
        backend = next(one for one, mask in launchable.items() if mask[row])
        return Choice(row, self._fleet.nodes[row].name, backend, int(scores[row]))

    def _standing(self, intent: Intent, now: datetime) -> _Standing:
        fleet, held = self._fleet, self._kept.get(intent.demands)
        if held is None or held.shape is not fleet.shape:
            return self._keep(intent, now)
        rows = fleet.changed_since(held.version)
        if rows is None or len(rows) * 2 > len(fleet):
            return self._keep(intent, now)
        if len(rows):
            part = self._judge(View(fleet, rows), intent, now)
            for backend, mask in part.launchable.items():
                held.launchable[backend][rows] = mask
            for kept, fresh in zip(held.parts, part.parts, strict=True):
                kept.values[rows] = fresh.values
            held.scores[rows] = part.scores
        held.version = fleet.version
        return held

    def _keep(self, intent: Intent, now: datetime) -> _Standing:
        whole = self._judge(View(self._fleet), intent, now)
        fleet = self._fleet
        fresh = _Standing(fleet.shape, fleet.version, whole.launchable, whole.parts, whole.scores)
        self._kept.pop(intent.demands, None)
        if len(self._kept) >= MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[intent.demands] = fresh
        return fresh

    def _judge(self, view: View, intent: Intent, now: datetime) -> Verdict:
        question = Question(view, intent, self._policy, now)
        launchable = launchable_of(question, run_checks(question, LASTING))
        parts = rate(question, launchable)
        return Verdict(launchable, parts, total(parts, len(view)))


def is_shareable(intent: Intent) -> bool:
    """Say whether the answer depends on nothing but demands, nodes and sums of claims."""
    placement = intent.spec.placement
    return not (
        intent.history
        or intent.homes
        or placement.anti_affinity
        or placement.topology_spread
        or placement.preferred_capabilities
        or any(disk.access is DiskAccess.PERSISTENT for disk in intent.spec.disks)
    )
