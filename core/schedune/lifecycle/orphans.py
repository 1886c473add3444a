"""Whose is a VMM process that was found on the node? Matched, or an orphan with a class.

The marker on a process is a placement's UID, and it is compared with placements' UIDs.
A marker says whose a process is; identity alone says it only for a process that carries
no marker of another placement.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from schedune.api.vmworkload import Backend
from schedune.codes import recovery
from schedune.codes.row import Reason


class OrphanClass(StrEnum):
    """What kind of orphan a process is."""

    POSSIBLY_MANAGED = "PossiblyManagedButUnlinked"
    """Several placements could account for it."""
    STALE_ARTIFACT = "StaleExecutionArtifact"
    """It carries our marker, and no placement accounts for it."""
    UNMANAGED = "UnmanagedBackendProcess"
    """A VMM that Schedune did not start."""


@dataclass(frozen=True, slots=True)
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
    backend: Backend
    placement_uid: str = ""
    """The UID that its marker carries; "" without a marker."""


@dataclass(frozen=True, slots=True)
class HeldPlacement:
    """A placement of this node whose VM has not ended, as its record holds it."""

    uid: str
    backend: Backend | None = None
    key: ProcessKey | None = None
    """Its process; None while none is recorded."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The placement that accounts for a process."""

    placement_uid: str


@dataclass(frozen=True, slots=True)
class OrphanFinding:
    """Why no placement accounts for a process."""

    orphan_class: OrphanClass
    reason: Reason


def judge_sweep(
    processes: Iterable[FoundProcess], placements: Iterable[HeldPlacement]
) -> Mapping[ProcessKey, Owner | OrphanFinding]:
    """Judge all VMM processes of a node; a placement accounts for at most one of them.

    Of several that carry one marker, only the recorded process is the placement's.
    """
    found, held = tuple(processes), {one.uid: one for one in placements}
    verdicts = {one.key: judge_process(one, held.values()) for one in found}
    owned: dict[str, list[FoundProcess]] = defaultdict(list)
    for process in found:
        verdict = verdicts[process.key]
        if isinstance(verdict, Owner):
            owned[verdict.placement_uid].append(process)
    for uid, claimants in owned.items():
        if len(claimants) > 1:
            doubles = [one for one in claimants if one.key != held[uid].key]
            verdicts.update({one.key: _possibly_ours(one, [uid]) for one in doubles})
    return verdicts


def judge_process(
    process: FoundProcess, placements: Iterable[HeldPlacement]
) -> Owner | OrphanFinding:
    """Say which placement one process belongs to, or what kind of orphan it is."""
    fitting = _fitting(process, tuple(placements))
    if len(fitting) == 1:
        return Owner(fitting[0].uid)
    if fitting:
        return _possibly_ours(process, [one.uid for one in fitting])
    subject = _subject(process)
    if process.placement_uid:
        reason = Reason(recovery.ORPHAN_STALE_ARTIFACT, process.placement_uid, subject=subject)
        return OrphanFinding(OrphanClass.STALE_ARTIFACT, reason)
    reason = Reason(recovery.ORPHAN_UNMANAGED, subject=subject)
    return OrphanFinding(OrphanClass.UNMANAGED, reason)


def _fitting(process: FoundProcess, placements: Sequence[HeldPlacement]) -> Sequence[HeldPlacement]:
    """Return the placements that could account for a process: one, or it is an orphan."""
    if process.placement_uid:
        return [one for one in placements if one.uid == process.placement_uid]
    return [one for one in placements if one.key == process.key and one.backend is process.backend]


def _possibly_ours(process: FoundProcess, uids: Sequence[str]) -> OrphanFinding:
    named = ", ".join(sorted(uids))
    reason = Reason(recovery.ORPHAN_POSSIBLY_OURS, named, subject=_subject(process))
    return OrphanFinding(OrphanClass.POSSIBLY_MANAGED, reason)


def _subject(process: FoundProcess) -> str:
    return f"{process.backend.value} with pid {process.key.pid}"
