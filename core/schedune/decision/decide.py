"""Decide: every check on every node, then the best of the eligible."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np

from schedune.api.vmworkload import Backend
from schedune.codes import eligibility as codes
from schedune.codes.row import Reason
from schedune.eligibility import CHECKS
from schedune.eligibility.finding import Finding
from schedune.fleet.fleet import Column, Fleet, Mask
from schedune.launch.intent import Intent
from schedune.scoring import SCORES, total


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause against one node, with what merely follows from it."""

    reason: Reason
    atom: str
    bound: str | None
    consequences: tuple[Reason, ...]


@dataclass(frozen=True, eq=False)
class Decision:
    """The outcome for one intent, with all that was found on every node."""

    fleet: Fleet
    intent: Intent
    now: datetime
    findings: tuple[Finding, ...]
    launchable: Mapping[Backend, Mask]
    """For each backend in order of preference: where nothing stands against it."""
    parts: Sequence[Column]

    @cached_property
    def eligible(self) -> Mask:
        """Nodes on which at least one backend can launch the VM."""
        return _any(list(self.launchable.values()), len(self.fleet))

    @cached_property
    def scores(self) -> Column:
        """Total score of every node; it means something for eligible ones only."""
        return total(self.parts, SCORES)

    @cached_property
    def ranking(self) -> list[int]:
        """Rows of the eligible nodes, best first; ties by name."""
        rows = [int(index) for index in np.flatnonzero(self.eligible)]
        return sorted(
            rows, key=lambda index: (-int(self.scores[index]), self.fleet.nodes[index].name)
        )

    @property
    def chosen(self) -> int | None:
        """Row of the node that the VM goes to; None: nowhere."""
        return self.ranking[0] if self.ranking else None

    def backend_on(self, index: int) -> Backend:
        """Return the backend that would run the VM on an eligible node."""
        return next(backend for backend, mask in self.launchable.items() if mask[index])

    def causes(self, index: int) -> tuple[Cause, ...]:
        """Return the causes against a node: those of the backend with the fewest."""
        options = [self._causes_of(index, backend) for backend in self.intent.backends]
        return min(options, key=_distance)

    def _causes_of(self, index: int, backend: Backend) -> tuple[Cause, ...]:
        held = [
            finding
            for finding in self.findings
            if finding.backend in (None, backend) and finding.objects[index]
        ]
        roots = {finding.atom.partition("/")[0] for finding in held if finding.follows is None}
        causes = []
        for finding in held:
            if finding.follows in roots:
                continue
            followers = tuple(
                other.testify(index)
                for other in held
                if other.follows is not None and other.follows == finding.atom.partition("/")[0]
            )
            bound = finding.bound(index) if finding.bound else None
            causes.append(Cause(finding.testify(index), finding.atom, bound, followers))
        return tuple(causes)


def _distance(causes: tuple[Cause, ...]) -> tuple[bool, int]:
    """Order backends by how far they are: one without an adapter is farthest, nobody helps it."""
    without_adapter = any(one.reason.row is codes.BACKEND_NOT_SUPPORTED_YET for one in causes)
    return without_adapter, len(causes)


def decide(fleet: Fleet, intent: Intent, *, now: datetime) -> Decision:
    """Judge every node for the intent; nothing short-circuits and nothing is asked twice."""
    findings = tuple(finding for check in CHECKS for finding in check(fleet, intent, now))
    launchable = {
        backend: ~_any([f.objects for f in findings if f.backend in (None, backend)], len(fleet))
        for backend in intent.backends
    }
    parts = [score.rate(fleet, intent) for score in SCORES]
    return Decision(fleet, intent, now, findings, launchable, parts)


def _any(masks: list[Mask], size: int) -> Mask:
    return np.asarray(np.logical_or.reduce([np.zeros(size, np.bool_), *masks]), np.bool_)
