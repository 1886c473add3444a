"""Decide: every check on every (node, backend) pair, then the best of the eligible nodes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np

from schedune.api.scheduling_policy import DEFAULT_POLICY, SchedulingPolicy
from schedune.api.vmworkload import Backend
from schedune.eligibility import CHECKS
from schedune.eligibility.failures import without_repeats
from schedune.eligibility.finding import Check, Finding, Question
from schedune.fleet.column import Column, Mask, Rows
from schedune.fleet.fleet import Fleet
from schedune.fleet.profile import NodeProfile
from schedune.fleet.view import View
from schedune.launch.intent import Intent
from schedune.scoring import Part, rate, total


class OutdatedError(Exception):
    """A decision is asked about a fleet that has changed since: a defect of the caller."""


@dataclass(frozen=True, eq=False)
class Decision:
    """The outcome for one intent, with all that was found on every pair."""

    question: Question
    findings: tuple[Finding, ...]
    launchable: Mapping[Backend, Mask]
    """For each backend in order of preference: where nothing stands against it, and where it
    did not just fail while another can do it."""
    parts: Sequence[Part]
    version: int
    """The fleet's, when it was decided: evidence is read from columns that change."""

    @property
    def fleet(self) -> Fleet:
        """The nodes that were judged.

        Raises:
            OutdatedError: one of them has changed since.
        """
        fleet = self.question.view.fleet
        if fleet.version != self.version:
            raise OutdatedError("the fleet has changed since this was decided")
        return fleet

    @property
    def intent(self) -> Intent:
        """What was asked for."""
        return self.question.intent

    @property
    def now(self) -> datetime:
        """When it was decided."""
        return self.question.now

    @cached_property
    def eligible(self) -> Mask:
        """Nodes on which at least one backend can launch the VM."""
        return any_of(self.launchable.values(), len(self.question.view))

    @cached_property
    def scores(self) -> Column:
        """Total score of every node; it means something for eligible ones only."""
        return total(list(self.parts), len(self.question.view))

    @cached_property
    def ranking(self) -> Rows:
        """Rows of the eligible nodes, best first; ties by name."""
        rows = np.flatnonzero(self.eligible)
        return rows[np.lexsort((rows, -self.scores[rows]))]

    @cached_property
    def chosen(self) -> int | None:
        """Row of the node that the VM goes to; None: nowhere."""
        return best_row(self.eligible, self.scores)

    def node(self, row: int) -> NodeProfile:
        """Return a judged node."""
        return self.fleet.nodes[row]

    def backend_on(self, row: int) -> Backend:
        """Return the backend that would run the VM on an eligible node."""
        return next(backend for backend, mask in self.launchable.items() if mask[row])


def decide(
    fleet: Fleet, intent: Intent, *, now: datetime, policy: SchedulingPolicy = DEFAULT_POLICY
) -> Decision:
    """Judge every pair for the intent; nothing short-circuits and nothing is asked twice."""
    question = Question(View(fleet), intent, policy, now)
    findings = run_checks(question, CHECKS)
    launchable = without_repeats(question, launchable_of(question, findings))
    parts = rate(question, launchable)
    return Decision(question, findings, launchable, parts, fleet.version)


def run_checks(question: Question, checks: Sequence[Check]) -> tuple[Finding, ...]:
    """Ask every check; findings that object to nobody are left out."""
    return tuple(
        finding for check in checks for finding in check(question) if finding.objects.any()
    )


def launchable_of(question: Question, findings: Iterable[Finding]) -> dict[Backend, Mask]:
    """Return, for each backend, where nothing stands against it."""
    held = list(findings)
    size = len(question.view)
    common = any_of((one.objects for one in held if one.backend is None), size)
    return {
        backend: ~(common | any_of((one.objects for one in held if one.backend is backend), size))
        for backend in question.intent.backends
    }


def any_of(masks: Iterable[Mask], size: int) -> Mask:
    """Return where any of the masks holds."""
    found = np.zeros(size, np.bool_)
    for mask in masks:
        found |= mask
    return found


def best_row(eligible: Mask, scores: Column) -> int | None:
    """Return the eligible row with the highest score, the first by name where several have it."""
    if not eligible.any():
        return None
    return int(np.argmax(np.where(eligible, scores, -1)))
