"""Whom a change concerns: workloads without a node, some of whose unmet demands are others now.

What stands in a workload's way is kept as one number per node, made of the atoms and codes
of all that objects there. Another number means another set of objections; the same number
means that looking again would find no node either, though perhaps more or less is missing
there. Where nothing objects to a backend any more the workload is freed: it has a node now.
Workloads that ask the same share it all.
"""

import hashlib
import heapq
import itertools
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from schedune.api.scheduling_policy import DEFAULT_POLICY, SchedulingPolicy
from schedune.api.vmworkload import Backend
from schedune.decision.age import is_young
from schedune.decision.decide import launchable_of, run_checks
from schedune.decision.standing import is_kept_away, shared_name
from schedune.eligibility import LASTING, TIMED
from schedune.eligibility.finding import Check, Finding, Question
from schedune.fleet.column import Mask, Rows
from schedune.fleet.fleet import Fleet
from schedune.fleet.view import View
from schedune.launch.intent import Intent

Marks = npt.NDArray[np.uint64]
_K = TypeVar("_K", bound=Hashable)
MOST_GROUPS: Final = 64
"""Demands that are looked at in one go: half of them the most important, half by turns."""

_WHILE: Final = timedelta(seconds=60)
"""So long what a workload was told stands by itself."""


@dataclass(frozen=True, slots=True)
class _Told:
    """What is remembered of one who waits."""

    uid: str
    namespace: str
    labels: Mapping[str, str]
    version: int
    """Of the fleet, when it was told that it has no node."""
    time: datetime
    """When that was."""


@dataclass(slots=True)
class _Found:
    """What some of the checks found on every row."""

    marks: Marks
    launchable: dict[Backend, Mask]
    """Where they object to nothing."""

    def put(self, rows: Rows, part: "_Found") -> "_Found":
        """Return the same with some rows looked at anew."""
        marks = self.marks.copy()
        marks[rows] = part.marks
        launchable = {backend: mask.copy() for backend, mask in self.launchable.items()}
        for backend, mask in part.launchable.items():
            launchable[backend][rows] = mask
        return _Found(marks, launchable)


@dataclass(slots=True)
class _Obstacles(Generic[_K]):
    """What stands in the way of intents that ask the same."""

    intent: Intent
    """One for all: without a UID and labels where they share it."""
    shape: object
    version: int
    lasting: _Found
    timed: _Found
    rank: int
    """The highest of those who wait, or waited, in it."""
    shared: bool
    """Whether the answer depends on nothing but demands, nodes and sums of claims."""
    keepers: int
    """The version of the rules of others when these were asked about all who wait."""
    waiting: dict[_K, _Told] = field(default_factory=dict)

    def kept_away(self, fleet: Fleet) -> set[_K]:
        """Return those whom somebody keeps away, where not all is known of rules as it is."""
        if self.keepers == fleet.claims.keepers.version:
            return set()
        self.keepers = fleet.claims.keepers.version
        return {
            key
            for key, told in self.waiting.items()
            if is_kept_away(fleet, told.namespace, told.labels)
        }

    def has_node(self) -> bool:
        """Say whether nothing objects to some backend on some node."""
        lasting, timed = self.lasting.launchable, self.timed.launchable
        return any(bool((mask & timed[backend]).any()) for backend, mask in lasting.items())


class Waiting(Generic[_K]):
    """Workloads that no node can run, under the names that the caller gives them."""

    def __init__(self, policy: SchedulingPolicy = DEFAULT_POLICY) -> None:
        self._policy = policy
        self._groups: dict[Hashable, _Obstacles[_K]] = {}
        self._group_of: dict[_K, Hashable] = {}
        self._woken: set[_K] = set()
        self.freed: set[_K] = set()
        """Of those who were woken, who has a node now."""

    def __contains__(self, key: _K) -> bool:
        """Say whether a workload waits."""
        return key in self._group_of

    def is_out_of_date(self, key: _K, fleet: Fleet, now: datetime) -> bool:
        """Say whether a workload was told a while ago of a fleet that is another by now.

        What objects may be the same, and by other numbers.
        """
        name = self._group_of.get(key)
        told = self._groups[name].waiting[key] if name is not None else None
        return (
            told is not None
            and told.version != fleet.version
            and not is_young(told.time, now, _WHILE)
        )

    def lags(self, fleet: Fleet) -> bool:
        """Say whether somebody waits whose demands were not looked at since the fleet changed."""
        return any(one.version != fleet.version for one in self._groups.values())

    def keys(self) -> list[_K]:
        """Return who waits."""
        return list(self._group_of)

    def keep(self, key: _K, fleet: Fleet, intent: Intent, now: datetime, *, rank: int = 0) -> None:
        """Let a workload wait that has just been told that it has no node; more rank goes first."""
        self.drop(key)
        common = shared_name(intent, fleet)
        shared, name = common == intent.demands, (key, "alone") if common is None else common
        group = self._groups.get(name)
        if group is None:
            asked = intent if common is None else replace(intent, uid="")
            asked = replace(asked, labels={}) if shared else asked
            group = self._groups[name] = self._look(fleet, asked, now, rank, shared=shared)
        else:
            self._refresh(group, fleet, now)
            group.rank = max(group.rank, rank)
        group.waiting[key] = _Told(intent.uid, intent.namespace, intent.labels, fleet.version, now)
        self._group_of[key] = name

    def drop(self, key: _K) -> None:
        """Forget a workload: it is looked at anyway, or gone."""
        self._woken.discard(key)
        self.freed.discard(key)
        name = self._group_of.pop(key, None)
        if name is not None:
            group = self._groups[name]
            del group.waiting[key]
            if not group.waiting:
                del self._groups[name]

    def woken(self, fleet: Fleet, now: datetime) -> set[_K]:
        """Return those who wait and for whom something is another than when they were kept.

        Of very many demands only some are looked at, the others the next time.
        """
        for name in self._next():
            group = self._groups[name]
            self._refresh(group, fleet, now)
            if not group.intent.uid:
                live = {key for key, told in group.waiting.items() if told.uid in fleet.live}
                self._woken |= live
            if group.shared:
                self._woken |= group.kept_away(fleet)
        return set(self._woken)

    def _next(self) -> set[Hashable]:
        """Return whose turn it is: what becomes free must not go past the most important."""
        if len(self._groups) <= MOST_GROUPS:
            return set(self._groups)
        half = MOST_GROUPS // 2
        first = heapq.nlargest(half, self._groups, key=lambda name: self._groups[name].rank)
        by_turns = list(itertools.islice(self._groups, half))
        for name in by_turns:
            self._groups[name] = self._groups.pop(name)
        return {*first, *by_turns}

    def _look(
        self, fleet: Fleet, intent: Intent, now: datetime, rank: int, *, shared: bool
    ) -> _Obstacles[_K]:
        view = View(fleet)
        return _Obstacles(
            intent,
            fleet.shape,
            fleet.version,
            self._find(view, intent, now, LASTING),
            self._find(view, intent, now, TIMED),
            rank,
            shared,
            fleet.claims.keepers.version,
        )

    def _refresh(self, group: _Obstacles[_K], fleet: Fleet, now: datetime) -> None:
        """Bring a group up to date, and wake all of it if anything is another."""
        if group.shape is not fleet.shape:
            fresh = self._look(fleet, group.intent, now, group.rank, shared=group.shared)
            changed = True
        else:
            lasting = self._lasting(group, fleet, now)
            timed = self._find(View(fleet), group.intent, now, TIMED)
            fresh = replace(group, version=fleet.version, lasting=lasting, timed=timed)
            changed = not (
                np.array_equal(lasting.marks, group.lasting.marks)
                and np.array_equal(timed.marks, group.timed.marks)
            )
        group.shape, group.version, group.keepers = fresh.shape, fresh.version, fresh.keepers
        group.lasting, group.timed = fresh.lasting, fresh.timed
        if changed:
            self._woken |= group.waiting.keys()
            if group.has_node():
                self.freed |= group.waiting.keys()

    def _lasting(self, group: _Obstacles[_K], fleet: Fleet, now: datetime) -> _Found:
        """Return what lasts, asking only rows that changed where that is enough."""
        changed = fleet.changed_since(group.version)
        rows = changed.rows if changed is not None else None
        if rows is None or (len(rows) and not group.shared):
            return self._find(View(fleet), group.intent, now, LASTING)
        if not len(rows):
            return group.lasting
        part = self._find(View(fleet, rows), group.intent, now, LASTING)
        return group.lasting.put(rows, part)

    def _find(self, view: View, intent: Intent, now: datetime, checks: tuple[Check, ...]) -> _Found:
        question = Question(view, intent, self._policy, now)
        findings = run_checks(question, checks)
        return _Found(_marks_of(findings, len(view)), launchable_of(question, findings))


def _marks_of(findings: Iterable[Finding], size: int) -> Marks:
    marks = np.zeros(size, np.uint64)
    for finding in findings:
        marks[finding.objects] += _mark(finding)
    return marks


def _mark(finding: Finding) -> np.uint64:
    told = f"{finding.atom}\0{finding.row.code}\0{finding.backend}".encode()
    return np.uint64(int.from_bytes(hashlib.blake2b(told, digest_size=8).digest()))
