"""Whom a change concerns: workloads without a node, some of whose unmet demands are others now.

What stands in a workload's way is kept as one number per node, made of the atoms and codes
of all that objects there. Another number means another set of objections; the same number
means that looking again would say what it said before. Workloads that ask the same share it.
"""

import hashlib
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from schedune.api.scheduling_policy import DEFAULT_POLICY, SchedulingPolicy
from schedune.decision.decide import run_checks
from schedune.decision.standing import is_shareable
from schedune.eligibility import LASTING, TIMED
from schedune.eligibility.finding import Check, Finding, Question
from schedune.fleet.fleet import Fleet
from schedune.fleet.view import View
from schedune.launch.intent import Intent

Marks = npt.NDArray[np.uint64]
_K = TypeVar("_K", bound=Hashable)


@dataclass(slots=True)
class _Obstacles(Generic[_K]):
    """What stands in the way of intents that ask the same."""

    intent: Intent
    """One for all: without a UID where they share it."""
    shape: object
    version: int
    lasting: Marks
    timed: Marks
    waiting: dict[_K, str] = field(default_factory=dict)
    """The UID of each."""


class Waiting(Generic[_K]):
    """Workloads that no node can run, under the names that the caller gives them."""

    def __init__(self, policy: SchedulingPolicy = DEFAULT_POLICY) -> None:
        self._policy = policy
        self._groups: dict[Hashable, _Obstacles[_K]] = {}
        self._group_of: dict[_K, Hashable] = {}
        self._woken: set[_K] = set()

    def __contains__(self, key: _K) -> bool:
        """Say whether a workload waits."""
        return key in self._group_of

    def keep(self, key: _K, fleet: Fleet, intent: Intent, now: datetime) -> None:
        """Let a workload wait that has just been told that it has no node."""
        self.drop(key)
        shared = is_shareable(intent) and intent.uid not in fleet.live
        name: Hashable = intent.demands if shared else (key, "alone")
        group = self._groups.get(name)
        if group is None:
            asked = replace(intent, uid="") if shared else intent
            group = self._groups[name] = self._look(fleet, asked, now)
        else:
            self._refresh(group, fleet, now)
        group.waiting[key] = intent.uid
        self._group_of[key] = name

    def drop(self, key: _K) -> None:
        """Forget a workload: it is looked at anyway, or gone."""
        self._woken.discard(key)
        name = self._group_of.pop(key, None)
        if name is not None:
            group = self._groups[name]
            del group.waiting[key]
            if not group.waiting:
                del self._groups[name]

    def woken(self, fleet: Fleet, now: datetime) -> set[_K]:
        """Return those who wait and for whom something is another than when they were kept."""
        for group in self._groups.values():
            self._refresh(group, fleet, now)
            if not group.intent.uid:
                self._woken |= {key for key, uid in group.waiting.items() if uid in fleet.live}
        return set(self._woken)

    def _look(self, fleet: Fleet, intent: Intent, now: datetime) -> _Obstacles[_K]:
        view = View(fleet)
        return _Obstacles(
            intent,
            fleet.shape,
            fleet.version,
            self._marks(view, intent, now, LASTING),
            self._marks(view, intent, now, TIMED),
        )

    def _refresh(self, group: _Obstacles[_K], fleet: Fleet, now: datetime) -> None:
        """Bring a group up to date, and wake all of it if anything is another."""
        if group.shape is not fleet.shape:
            fresh = self._look(fleet, group.intent, now)
            group.shape, group.version = fresh.shape, fresh.version
            group.lasting, group.timed = fresh.lasting, fresh.timed
            self._woken |= group.waiting.keys()
            return
        lasting = self._lasting(group, fleet, now)
        timed = self._marks(View(fleet), group.intent, now, TIMED)
        if not (np.array_equal(lasting, group.lasting) and np.array_equal(timed, group.timed)):
            self._woken |= group.waiting.keys()
        group.version, group.lasting, group.timed = fleet.version, lasting, timed

    def _lasting(self, group: _Obstacles[_K], fleet: Fleet, now: datetime) -> Marks:
        """Return what lasts, asking only rows that changed where that is enough."""
        rows = fleet.changed_since(group.version)
        if rows is None or (len(rows) and not is_shareable(group.intent)):
            return self._marks(View(fleet), group.intent, now, LASTING)
        if not len(rows):
            return group.lasting
        lasting = group.lasting.copy()
        lasting[rows] = self._marks(View(fleet, rows), group.intent, now, LASTING)
        return lasting

    def _marks(self, view: View, intent: Intent, now: datetime, checks: tuple[Check, ...]) -> Marks:
        findings = run_checks(Question(view, intent, self._policy, now), checks)
        return _marks_of(findings, len(view))


def _marks_of(findings: Iterable[Finding], size: int) -> Marks:
    marks = np.zeros(size, np.uint64)
    for finding in findings:
        marks[finding.objects] += _mark(finding)
    return marks


def _mark(finding: Finding) -> np.uint64:
    told = f"{finding.atom}\0{finding.row.code}\0{finding.backend}".encode()
    return np.uint64(int.from_bytes(hashlib.blake2b(told, digest_size=8).digest()))
