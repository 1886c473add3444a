"""Whose is a VMM process that was found on the node? A placement's, or an orphan with a class.

The marker on a process is a placement's UID, and it is compared with placements' UIDs.
A marker says whose a process is; identity alone says it only for a process that carries
no marker of another placement. Nothing here acts: an orphan is told of, and what it takes
of the node is held, until it is gone or an administrator orders something.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from schedune.api.vmplacement import Claim
from schedune.api.vmworkload import Backend
from schedune.codes import recovery
from schedune.codes.row import Reason, Row


class OrphanClass(StrEnum):
    """What kind of orphan a process is, or what is left of one; the most urgent first."""

    SPLIT = "split"
    """It is one of several live processes that carry one placement's marker."""
    SUPERSEDED = "superseded"
    """It is recorded as ours; its placement is gone, or is told to have ended."""
    LEAKED = "leaked"
    """It carries our marker, and there is neither a record nor a placement, or no proof that
    it is the placement's VM; or it is in the control group of a VM, and nothing says that
    it is that VM."""
    CONTESTED = "contested"
    """Several placements could account for it: it carries no marker that tells which."""
    UNMANAGED = "unmanaged"
    """A VMM that Schedune did not start."""
    RESIDUE = "residue"
    """No process: files and control groups of a VM of which nothing is known any more."""

    @property
    def takes_more(self) -> bool:
        """Say whether it takes of the node what only Schedune can know of.

        A contested one is held by its placements. What was started beside Schedune is no
        claim on what VMs of Schedune may use: a pod has its requests, a host its reserve.
        """
        return self in (OrphanClass.SPLIT, OrphanClass.SUPERSEDED, OrphanClass.LEAKED)


@dataclass(frozen=True, slots=True, order=True)
class ProcessKey:
    """What tells a process from every other one of this node, before and after it."""

    pid: int
    start_time: int
    """Clock ticks since boot."""
    boot_id: str


@dataclass(frozen=True, slots=True)
class FoundProcess:
    """A VMM process that a sweep found."""

    key: ProcessKey
    backend: Backend | None
    """None: it is in a VM's control group, and is no VMM that we know."""
    placement_uid: str = ""
    """The UID that its marker carries; "" without a marker."""
    claim: Claim | None = None
    """What it takes of the node by its own command line; None: that does not say."""
    group_uid: str = ""
    """Without a marker: the placement in whose control group it is; "" in none."""
    doubt: str = ""
    """Why its marker does not prove that it is the VM (``carriers.py``); "" if it does."""


@dataclass(frozen=True, slots=True)
class HeldPlacement:
    """A placement of this node, as its record or its object holds it."""

    uid: str
    backend: Backend | None = None
    key: ProcessKey | None = None
    """Its process; None while none is recorded."""
    name: str = ""
    """Namespace and name, for people."""
    is_current: bool = True
    """Its object is there and has not ended."""
    is_recorded: bool = True
    """The record names the process; False: the record is lost, and the status told of it."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The placement that accounts for a process."""

    placement_uid: str


@dataclass(frozen=True, slots=True)
class OrphanFinding:
    """Why no placement accounts for a process."""

    orphan_class: OrphanClass
    reason: Reason
    placement_uid: str = ""
    """Whose it claims, or is recorded, to be; "" where that is nobody's, or several's."""


Verdict = Owner | OrphanFinding

_ROWS: Final[Mapping[OrphanClass, Row]] = MappingProxyType({
    OrphanClass.SPLIT: recovery.ORPHAN_SPLIT,
    OrphanClass.SUPERSEDED: recovery.ORPHAN_SUPERSEDED,
    OrphanClass.CONTESTED: recovery.ORPHAN_POSSIBLY_OURS,
    OrphanClass.UNMANAGED: recovery.ORPHAN_UNMANAGED,
})  # fmt: skip
_URGENCY: Final = tuple(OrphanClass)


def judge_sweep(
    processes: Iterable[FoundProcess], placements: Iterable[HeldPlacement]
) -> Mapping[ProcessKey, Verdict]:
    """Judge all VMM processes of a node; a placement accounts for at most one of them.

    Of several that claim to be one placement's, only the recorded process can be it.
    """
    found, held = tuple(processes), tuple(placements)
    verdicts = {one.key: judge_process(one, held) for one in found}
    claimed = Counter(verdicts[one.key].placement_uid for one in found if not one.group_uid)
    names = {one.uid: one.name or one.uid for one in held}
    recorded = {(one.uid, one.key) for one in held if one.is_recorded}
    for one in found:
        uid = verdicts[one.key].placement_uid
        is_rival = uid in names and claimed[uid] > 1 and not one.group_uid
        if is_rival and (uid, one.key) not in recorded:
            verdicts[one.key] = _orphan(OrphanClass.SPLIT, one, names[uid], uid)
    return verdicts


def judge_process(process: FoundProcess, placements: Iterable[HeldPlacement]) -> Verdict:
    """Say which placement one process belongs to, or what kind of orphan it is."""
    fitting, marked = _fitting(process, tuple(placements)), process.placement_uid
    if not fitting and marked:
        told = process.doubt or "it is like a VM of this node in all else"
        reason = Reason(recovery.ORPHAN_STALE_ARTIFACT, told, marked, _name(process))
        return OrphanFinding(OrphanClass.LEAKED, reason, marked)
    if not fitting and process.group_uid:
        reason = Reason(recovery.ORPHAN_IN_GROUP, process.group_uid, subject=_name(process))
        return OrphanFinding(OrphanClass.LEAKED, reason, process.group_uid)
    if not fitting:
        return _orphan(OrphanClass.UNMANAGED, process)
    if len(fitting) > 1:
        named = ", ".join(sorted(one.uid for one in fitting))
        return _orphan(OrphanClass.CONTESTED, process, named)
    (one,) = fitting
    if process.doubt and not (one.is_recorded and one.key == process.key):
        named = one.name or one.uid
        reason = Reason(recovery.ORPHAN_UNPROVED, process.doubt, named, _name(process))
        return OrphanFinding(OrphanClass.LEAKED, reason, one.uid)
    if one.is_current:
        return Owner(one.uid)
    return _orphan(OrphanClass.SUPERSEDED, process, one.name or one.uid, one.uid)


def holdings(
    processes: Iterable[FoundProcess], verdicts: Mapping[ProcessKey, Verdict]
) -> Mapping[str, Claim]:
    """Return what the found processes take of the node, each by whom it is held for.

    One process of a placement is held for the placement, whose own claim may stand there
    already; each further one is held for itself, so that all of them count.
    """
    holders, claims = set[str](), dict[str, Claim]()
    for process in sorted(processes, key=lambda one: (_is_split(verdicts[one.key]), one.key)):
        verdict, key = verdicts[process.key], process.key
        if isinstance(verdict, OrphanFinding) and not verdict.orphan_class.takes_more:
            continue
        uid = verdict.placement_uid
        itself = f"{uid}/{key.pid}/{key.start_time}/{key.boot_id}"
        holder = itself if uid in holders else uid
        holders.add(holder)
        if process.claim is not None:
            claims[holder] = process.claim
    return claims


def most_urgent_first(
    processes: Iterable[FoundProcess], verdicts: Mapping[ProcessKey, Verdict]
) -> Sequence[tuple[FoundProcess, OrphanFinding]]:
    """Return the orphans: where not all can be told of, the most urgent are."""
    orphans = [
        (one, verdict)
        for one in processes
        if isinstance(verdict := verdicts[one.key], OrphanFinding)
    ]
    return sorted(orphans, key=_by_urgency)


def _by_urgency(orphan: tuple[FoundProcess, OrphanFinding]) -> tuple[int, str, ProcessKey]:
    process, finding = orphan
    return _URGENCY.index(finding.orphan_class), finding.placement_uid, process.key


def _is_split(verdict: Verdict) -> bool:
    return isinstance(verdict, OrphanFinding) and verdict.orphan_class is OrphanClass.SPLIT


def _fitting(process: FoundProcess, placements: Sequence[HeldPlacement]) -> Sequence[HeldPlacement]:
    """Return the placements that could account for a process: one, or it is an orphan."""
    if process.placement_uid:
        return [one for one in placements if one.uid == process.placement_uid]
    if process.backend is None:
        return []
    return [one for one in placements if one.key == process.key and one.backend is process.backend]


def _orphan(
    kind: OrphanClass, process: FoundProcess, observed: str = "", placement_uid: str = ""
) -> OrphanFinding:
    reason = Reason(_ROWS[kind], observed, subject=_name(process))
    return OrphanFinding(kind, reason, placement_uid)


def _name(process: FoundProcess) -> str:
    what = process.backend.value if process.backend else "a process"
    return f"{what} with pid {process.key.pid}"
