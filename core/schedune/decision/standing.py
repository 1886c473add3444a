"""Answers kept per demand: intents that ask the same share them, a change touches its rows.

What depends on the clock is asked every time; the rest is kept, and brought up to date for
the rows that the fleet's log names: where only claims are others, only what asks for claims
is asked again. The choice is the one that ``decide`` makes.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from schedune.api.scheduling_policy import DEFAULT_POLICY, SchedulingPolicy
from schedune.api.vmworkload import Backend, DiskAccess
from schedune.decision.decide import any_of, best_row, decide, launchable_of, run_checks
from schedune.eligibility import CLAIMED, STEADY, TIMED, company
from schedune.eligibility.finding import Question
from schedune.fleet.column import Column, Mask, Rows
from schedune.fleet.fleet import Fleet
from schedune.fleet.view import View
from schedune.launch.intent import Intent
from schedune.scoring import CLAIMED_SCORES, SCORES, Part, Score, rate, total

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
    steady: dict[Backend, Mask]
    """Where nothing of the node itself stands against a backend."""
    launchable: dict[Backend, Mask]
    parts: list[Part]
    scores: Column

    def put(self, rows: Rows, launchable: dict[Backend, Mask], parts: Sequence[Part]) -> None:
        """Take in what is now found on some rows; a part that is not given is what it was."""
        for backend, mask in launchable.items():
            self.launchable[backend][rows] = mask
        fresh = {part.name: part.values for part in parts}
        for kept in self.parts:
            if kept.name in fresh:
                kept.values[rows] = fresh[kept.name]
        here = [Part(kept.name, kept.weight, kept.values[rows]) for kept in self.parts]
        self.scores[rows] = total(here, len(rows))


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
        if shared_name(intent, self._fleet) is None:
            decision = decide(self._fleet, intent, now=now, policy=self._policy)
            return self._choice(dict(decision.launchable), decision.scores)
        verdict = self.verdict(intent, now)
        return self._choice(verdict.launchable, verdict.scores)

    def verdict(self, intent: Intent, now: datetime) -> Verdict:
        """Return the answers for an intent that shares them (``shared_name``).

        What keeps it away hangs on its labels, not on its demands: that is asked every time.
        """
        standing = self._standing(replace(intent, labels={}), now)
        question = self._question(View(self._fleet), intent, now)
        asked = run_checks(question, (*TIMED, company.check_existing_anti_affinity))
        timed = launchable_of(question, asked)
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
        changed = fleet.changed_since(held.version)
        if changed is None or len(changed.rows) * 2 > len(fleet):
            return self._keep(intent, now)
        if len(changed.nodes):
            question = self._question(View(fleet, changed.nodes), intent, now)
            steady = _steady(question)
            for backend, mask in steady.items():
                held.steady[backend][changed.nodes] = mask
            held.put(changed.nodes, *_claimed(question, steady, SCORES))
        if len(changed.claims):
            question = self._question(View(fleet, changed.claims), intent, now)
            steady = {backend: mask[changed.claims] for backend, mask in held.steady.items()}
            held.put(changed.claims, *_claimed(question, steady, CLAIMED_SCORES))
        held.version = fleet.version
        return held

    def _keep(self, intent: Intent, now: datetime) -> _Standing:
        fleet = self._fleet
        question = self._question(View(fleet), intent, now)
        steady = _steady(question)
        launchable, parts = _claimed(question, steady, SCORES)
        scores = total(parts, len(fleet))
        fresh = _Standing(fleet.shape, fleet.version, steady, launchable, parts, scores)
        self._kept.pop(intent.demands, None)
        if len(self._kept) >= MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[intent.demands] = fresh
        return fresh

    def _question(self, view: View, intent: Intent, now: datetime) -> Question:
        return Question(view, intent, self._policy, now)


def _steady(question: Question) -> dict[Backend, Mask]:
    """Return where nothing of the node itself stands against a backend."""
    return launchable_of(question, run_checks(question, STEADY))


def _claimed(
    question: Question, steady: dict[Backend, Mask], scores: Sequence[Score]
) -> tuple[dict[Backend, Mask], list[Part]]:
    """Return where nothing at all that lasts stands against a backend, and those scores."""
    claimed = launchable_of(question, run_checks(question, CLAIMED))
    launchable = {backend: mask & claimed[backend] for backend, mask in steady.items()}
    return launchable, rate(question, launchable, scores)


def shared_name(intent: Intent, fleet: Fleet) -> Hashable | None:
    """Return what all have in common whose answer is the same; None: it is this one's alone.

    Most often that is the demands, by themselves.
    """
    if not _asks_like_others(intent, fleet):
        return None
    if not is_kept_away(fleet, intent.namespace, intent.labels):
        return intent.demands
    return intent.demands, intent.namespace, frozenset(intent.labels.items())


def is_kept_away(fleet: Fleet, namespace: str, labels: Mapping[str, str]) -> bool:
    """Say whether somebody keeps workloads with these labels away, somewhere."""
    return any(True for _ in fleet.claims.keepers.of(namespace, labels))


def _asks_like_others(intent: Intent, fleet: Fleet) -> bool:
    """Say whether the answer is that of all who demand the same and have the same labels."""
    placement = intent.spec.placement
    return not (
        intent.uid in fleet.live
        or intent.history
        or intent.homes
        or placement.anti_affinity
        or placement.topology_spread
        or placement.preferred_capabilities
        or any(disk.access is DiskAccess.PERSISTENT for disk in intent.spec.disks)
    )
