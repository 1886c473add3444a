"""VMs that no placement accounts for: looked for, counted and told of, never acted on.

Whose a process is, which class an orphan has, what is said of it and what it holds of the
node is the judgement of ``schedune.lifecycle.orphans``. What is proved gone is forgotten,
with what it left behind.
"""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from schedune.api.nodetruth import Orphan
from schedune.api.text import shorten
from schedune.api.vmplacement import Claim
from schedune.api.vmworkload import Backend
from schedune.lifecycle.orphans import (
    FoundProcess,
    HeldPlacement,
    OrphanFinding,
    ProcessKey,
    Verdict,
    holdings,
    judge_sweep,
    most_urgent_first,
)
from schedune_agent.node import Node
from schedune_agent.record import LaunchRecord
from schedune_agent.residue import Residue
from schedune_agent.system import processes
from schedune_agent.vmm.adapters import read_claim
from schedune_agent.vmm.found import Lines, MarkedSearch, find_in_groups, find_unmarked
from schedune_agent.vmm.process import clean, paths_of
from schedune_agent.vmm.programs import Programs
from schedune_agent.vmm.taps import remove_strays, tap_names

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sweep:
    """What one sweep found, judged."""

    found: Sequence[FoundProcess] = ()
    verdicts: Mapping[ProcessKey, Verdict] = field(default_factory=dict)
    current: Collection[str] = ()
    """UIDs of the placements that have not ended."""


class Orphans:
    """Keeps the records that have no worker, and looks for processes that have no record."""

    def __init__(self, node: Node) -> None:
        self.records: dict[str, LaunchRecord] = {}
        """Records whose placement is not known, or no longer."""
        self.last = Sweep()
        self._node = node
        self._held: set[str] = set()
        """For whom a sweep put something into the ledger."""
        self._unmarked: frozenset[ProcessKey] = frozenset()
        self._told: frozenset[ProcessKey] = frozenset()
        self._processes: list[Orphan] = []
        self._residue = Residue(node)

    @property
    def found(self) -> list[Orphan]:
        """What the last sweep saw: what stays of files never takes the place of a process."""
        return [*self._processes, *self._residue.standing]

    def load(self) -> None:
        """Read the records of earlier agents, and count what they hold before any admission."""
        self.records = self._node.records.load_all()
        for uid, record in self.records.items():
            claim = record.claim or read_claim(record.argv)
            if record.holds_claim and claim is not None:
                self._node.ledger.hold(uid, claim)
                self._node.ledger.hold_user(uid, record.user)

    def sweep(self, known: Mapping[str, LaunchRecord | None]) -> None:
        """Look for every VM that is not of a known placement; None: it has no worker yet.

        Raises:
            OSError: what is left of a VM that is gone cannot be removed, or /proc hides
                processes: they may be VMs, so that nothing is proved gone.
        """
        held = {uid: known.get(uid) or self.records.get(uid) for uid in {**self.records, **known}}
        shown = dict(processes.list_processes())
        found = self._look(held, {pid: argv for pid, argv in shown.items() if argv is not None})
        placements = tuple(self._placements(held, known))
        verdicts = judge_sweep(found, placements)
        seen = {one.placement_uid for one in verdicts.values()}
        current = {one.uid for one in placements if one.is_current}
        self.last = Sweep(found, verdicts, current)
        self._hold(holdings(found, verdicts), current | self.records.keys())
        self._tell(most_urgent_first(found, verdicts))
        # Last: what cannot be removed must not keep anything from being counted and told.
        for pid, argv in shown.items():
            if argv is None:
                raise processes.unseen(pid)
        for uid in self.records.keys() - known.keys() - seen:
            if not self._runs(self.records[uid]):
                self._forget(uid)
        if self._node.launches:
            accounted = self.records.keys() | known.keys() | seen
            remove_strays(self._node.settings, accounted, self._node.place)
            self._residue.sweep(accounted)

    def _look(self, held: Mapping[str, LaunchRecord | None], lines: Lines) -> list[FoundProcess]:
        """Find the VMMs; one without a marker counts when the sweep before saw it too.

        So a binary that is only asked for its capabilities is none. A recorded node is
        another machine: what runs beside its agent does not run there.
        """
        node, facts = self._node, self._node.facts()
        boot_id = node.identity.boot_id
        programs = Programs.of(facts.backends if facts else ())
        search = MarkedSearch(node.settings, boot_id, programs, held, node.launches)
        found = {one.key: one for one in search.find(lines)}
        if node.launches:
            for one in find_in_groups(lines, boot_id, programs):
                found.setdefault(one.key, one)
            for one in find_unmarked(lines, boot_id, programs):
                found.setdefault(one.key, one)
        before = self._unmarked
        self._unmarked = frozenset(key for key, one in found.items() if not one.placement_uid)
        return [one for key, one in found.items() if one.placement_uid or key in before]

    @staticmethod
    def _placements(
        held: Mapping[str, LaunchRecord | None], known: Collection[str]
    ) -> Iterator[HeldPlacement]:
        for uid, record in held.items():
            has_ended = record is not None and record.ended is not None
            told = (record.process or record.lost_process) if record else None
            yield HeldPlacement(
                uid,
                record.backend if record else Backend.QEMU,
                ProcessKey(told.pid, told.start_time, told.boot_id) if told else None,
                f"{record.namespace}/{record.name}" if record else "",
                is_current=uid in known and not has_ended,
                is_recorded=record is not None and record.process is not None,
            )

    def _runs(self, record: LaunchRecord) -> bool:
        """Say whether the recorded process may run; only proof says that it does not."""
        if record.is_of_newer_agent:
            return True
        told = record.process or record.lost_process
        if told is None or told.boot_id != self._node.identity.boot_id:
            return False
        try:
            found = processes.read_identity(told.pid, told.boot_id)
        except PermissionError:
            return True
        return found is not None and found.start_time == told.start_time

    def _forget(self, uid: str) -> None:
        """Nothing of it runs and no placement is left: remove what it left, give back its claim.

        A control group that is still busy keeps the record, which names it, for the next sweep.
        """
        self._node.ledger.release(uid)
        settings = self._node.settings
        group = uid if self._node.contained else None
        taps = tap_names(settings, uid)
        if not clean(paths_of(settings, uid), group, taps, self._node.place):
            return
        _LOG.info("placement.forgotten", extra={"uid": uid})
        self._node.records.remove(uid)
        del self.records[uid]

    def _hold(self, wanted: Mapping[str, Claim], accounted: Iterable[str]) -> None:
        """Count what is found; what a worker or a record accounts for is theirs to give back."""
        ledger = self._node.ledger
        for holder, claim in wanted.items():
            if holder not in ledger.held:
                ledger.hold(holder, claim)
                self._held.add(holder)
        self._held -= set(accounted)
        for holder in self._held - wanted.keys():
            ledger.release(holder)
        self._held &= wanted.keys()

    def _tell(self, orphans: Sequence[tuple[FoundProcess, OrphanFinding]]) -> None:
        """Publish the findings, and log each once: loudly, if it takes what is ours to give."""
        for process, finding in orphans:
            if process.key not in self._told:
                loud = finding.orphan_class.takes_more
                _LOG.log(
                    logging.ERROR if loud else logging.WARNING,
                    "orphan.found",
                    extra={"orphan": finding.orphan_class.value, "pid": process.key.pid,
                           "uid": finding.placement_uid},
                )  # fmt: skip
        self._told = frozenset(process.key for process, _ in orphans)
        self._processes = [_describe(*one) for one in orphans]


def _describe(process: FoundProcess, finding: OrphanFinding) -> Orphan:
    claim, key = process.claim, process.key
    return Orphan(
        class_=finding.orphan_class,
        code=finding.reason.row.code,
        pid=key.pid,
        start_time=key.start_time,
        boot_id=key.boot_id,
        backend=process.backend,
        placement_uid=finding.placement_uid or None,
        claim=f"{claim.vcpus} vCPUs, {claim.memory}" if claim is not None else "unknown",
        message=shorten(finding.reason.message, 1024),
    )
