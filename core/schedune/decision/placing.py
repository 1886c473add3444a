"""One workload after another gets its node; what those share who ask the same is made once.

A placement touches one row. As long as that row stays eligible, what stands against all
the other nodes is what it was, and is not explained anew: only the choice is.
"""

import json
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

import numpy as np

from schedune.api.evaluation import Candidate, Evaluation, ScorePart
from schedune.api.scheduling_policy import DEFAULT_POLICY, SchedulingPolicy
from schedune.api.vmplacement import Claim
from schedune.api.vmworkload import Backend
from schedune.codes import placement as placement_codes
from schedune.codes import summary as codes
from schedune.codes.row import Reason
from schedune.decision.age import is_young
from schedune.decision.decide import Decision, any_of, decide
from schedune.decision.digest import digest_of_inputs
from schedune.decision.evaluation import LARGEST_PLACED, evaluation_of, fitted
from schedune.decision.explanation import Explanation
from schedune.decision.reservation import claim_on, record_on
from schedune.decision.sentence import headline
from schedune.decision.standing import Standings, Verdict, shared_name
from schedune.decision.why import why_lines
from schedune.fleet.column import Mask
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import ClaimRecord
from schedune.fleet.profile import NodeProfile
from schedune.launch.intent import Intent

_OLDEST: Final = timedelta(seconds=10)
"""How old ages may be that stand in an explanation which is shared."""
_NEWS: Final = timedelta(seconds=2)
"""The same of an explanation of why there is no node."""
_MOST_KEPT: Final = 1024
_DIFFERS: Final = 300
"""Bytes by which an evaluation may be larger than that of another who asked the same."""
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Placing:
    """A workload's node, and all that is told of why."""

    intent: Intent
    node: NodeProfile
    backend: Backend
    score: int
    claim: Claim
    record: ClaimRecord
    """The same as the fleet counts it, until the placement has a UID."""
    evaluation: Evaluation


@dataclass(frozen=True, slots=True)
class Nowhere:
    """All that is told of a workload without a node."""

    evaluation: Evaluation
    headline: str
    why: list[str]
    backing_off: Reason | None
    """Why the wait is short, where a recent failure is all that stands against a node."""
    version: int
    """The fleet's, when this was told."""


@dataclass(slots=True)
class _Story:
    """Why a demand is not met elsewhere, and for what that holds."""

    shape: object
    eligible: Mask
    version: int
    time: datetime
    evaluation: Evaluation
    size: int
    """Bytes of that in JSON."""


class Placer:
    """Finds nodes in one fleet under one policy, and says why."""

    def __init__(self, fleet: Fleet, policy: SchedulingPolicy = DEFAULT_POLICY) -> None:
        self.fleet = fleet
        self._policy = policy
        self._standings = Standings(fleet, policy)
        self._stories: dict[Hashable, _Story] = {}
        self._nowhere: dict[Hashable, tuple[datetime, object, Nowhere]] = {}

    def place(self, intent: Intent, now: datetime) -> Placing | Nowhere:
        """Return where the VM goes, or why it goes nowhere; it is not counted yet.

        What is told of nowhere may be that of another who just asked the same; then its
        version may not be the fleet's.
        """
        name = shared_name(intent, self.fleet)
        if name is None:
            return self._explained(intent, now)
        verdict = self._standings.verdict(intent, now)
        eligible = any_of(verdict.launchable.values(), len(self.fleet))
        if eligible.any():
            story = self._story(name, intent, now, eligible)
            return _Telling(self, intent, now, verdict, eligible, story).placing()
        held = self._nowhere.get(name)
        if held and held[1] is self.fleet.shape and is_young(held[0], now, _NEWS):
            return held[2]
        told = self._explained(intent, now)
        if isinstance(told, Nowhere):
            _keep(self._nowhere, name, (now, self.fleet.shape, told))
        return told

    def _explained(self, intent: Intent, now: datetime) -> Placing | Nowhere:
        explanation = Explanation(decide(self.fleet, intent, now=now, policy=self._policy))
        if explanation.decision.chosen is not None:
            return placing_of(explanation)
        return Nowhere(
            evaluation_of(explanation),
            headline(explanation),
            why_lines(explanation),
            _backing_off(explanation),
            self.fleet.version,
        )

    @property
    def policy(self) -> SchedulingPolicy:
        """How nodes are judged."""
        return self._policy

    def _story(self, name: Hashable, intent: Intent, now: datetime, eligible: Mask) -> _Story:
        held = self._stories.get(name)
        if held is None or not self._holds(held, now, eligible):
            explanation = Explanation(decide(self.fleet, intent, now=now, policy=self._policy))
            held = _tell(explanation, self.fleet, now, eligible)
            _keep(self._stories, name, held)
        return held

    def _holds(self, story: _Story, now: datetime, eligible: Mask) -> bool:
        """Say whether the same nodes are rejected, and none of them was touched."""
        if story.shape is not self.fleet.shape or not is_young(story.time, now, _OLDEST):
            return False
        touched = self.fleet.changed_since(story.version)
        holds = (
            touched is not None
            and bool(eligible[touched.rows].all())
            and np.array_equal(story.eligible, eligible)
        )
        if holds:
            # What was touched until now need not be looked at again.
            story.version = self.fleet.version
        return holds


def _keep(held: dict[Hashable, _T], name: Hashable, told: _T) -> None:
    held.pop(name, None)
    if len(held) >= _MOST_KEPT:
        del held[next(iter(held))]
    held[name] = told


def _backing_off(explanation: Explanation) -> Reason | None:
    for row in explanation.rejected[:1].tolist():
        causes = explanation.causes(row)
        if [cause.reason.row for cause in causes] == [placement_codes.RECENT_FAILURE]:
            reason = causes[0].reason
            return Reason(codes.BACKING_OFF, reason.subject, f"within {reason.required}")
    return None


def _tell(explanation: Explanation, fleet: Fleet, now: datetime, eligible: Mask) -> _Story:
    evaluation = evaluation_of(explanation, placed=True)
    return _Story(
        shape=fleet.shape,
        eligible=eligible,
        version=fleet.version,
        time=now,
        evaluation=evaluation,
        size=len(json.dumps(evaluation.render())),
    )


def placing_of(explanation: Explanation) -> Placing:
    """Return the choice of a decision that was explained whole.

    Raises:
        LookupError: it chose no node.
    """
    decision: Decision = explanation.decision
    row = decision.chosen
    if row is None:
        raise LookupError(f"{decision.intent.name} has no node")
    return Placing(
        intent=decision.intent,
        node=decision.node(row),
        backend=decision.backend_on(row),
        score=int(decision.scores[row]),
        claim=claim_on(decision.fleet, decision.intent, row),
        record=record_on(decision.fleet, decision.intent, row, _name(decision.intent)),
        evaluation=evaluation_of(explanation, placed=True),
    )


def _name(intent: Intent) -> str:
    return f"{intent.namespace}/{intent.name}"


@dataclass
class _Telling:
    """Puts a choice and a shared story together."""

    placer: Placer
    intent: Intent
    now: datetime
    verdict: Verdict
    eligible: Mask
    story: _Story

    def placing(self) -> Placing:
        # Of equals the first by name.
        row = int(np.argmax(np.where(self.eligible, self.verdict.scores, -1)))
        fleet = self.placer.fleet
        return Placing(
            intent=self.intent,
            node=fleet.nodes[row],
            backend=self._backend(row),
            score=int(self.verdict.scores[row]),
            claim=claim_on(fleet, self.intent, row),
            record=record_on(fleet, self.intent, row, _name(self.intent)),
            evaluation=self._evaluation(row),
        )

    def _backend(self, row: int) -> Backend:
        return next(one for one, mask in self.verdict.launchable.items() if mask[row])

    def _evaluation(self, row: int) -> Evaluation:
        parts = [
            ScorePart(name=part.name, score=int(part.values[row]), weight=part.weight)
            for part in self.verdict.parts
        ]
        candidate = Candidate(
            node_name=self.placer.fleet.nodes[row].name,
            backend=self._backend(row).value,
            parts=parts,
            score=int(self.verdict.scores[row]),
        )
        digest = digest_of_inputs(
            self.placer.fleet, self.intent, self.placer.policy, self.verdict.launchable
        )
        told = self.story.evaluation.model_copy(
            update={
                "candidates": [candidate],
                "nodes_eligible": int(self.eligible.sum()),
                "nodes_evaluated": len(self.placer.fleet),
                "time": self.now,
                "truth_digest": digest,
            }
        )
        fits = self.story.size + _DIFFERS <= LARGEST_PLACED
        return told if fits else fitted(told, LARGEST_PLACED)
