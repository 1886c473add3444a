"""Which VMMs run on this machine: what /proc shows, with no judgement of whose they are.

Another agent of our cluster on this machine tells of its VMs itself: it is known by the lock
on its run directory. A VM in a run directory that no agent is at work in is nobody else's.
"""

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from schedune.api.vmworkload import Backend
from schedune.lifecycle.carriers import Carrier, may_be_vms
from schedune.lifecycle.orphans import FoundProcess
from schedune_agent.record import LaunchRecord
from schedune_agent.settings import AgentSettings, run_lock
from schedune_agent.system import cgroup, processes
from schedune_agent.system.lock_holders import held_files
from schedune_agent.vmm import markers
from schedune_agent.vmm.adapters import adapter_of, read_claim
from schedune_agent.vmm.carriers import CarrierSearch
from schedune_agent.vmm.markers import Mark
from schedune_agent.vmm.port import VmPaths
from schedune_agent.vmm.process import paths_of
from schedune_agent.vmm.programs import Programs

Lines = Mapping[int, Sequence[str]]
"""Command lines of processes by pid."""


@dataclass(frozen=True)
class MarkedSearch:
    """Looks among all processes for those with a marker of ours."""

    settings: AgentSettings
    boot_id: str
    programs: Programs
    held: Mapping[str, LaunchRecord | None]
    """The placements that this node knows, each with its record if it has one."""
    is_machine: bool = True
    """Our node is this machine; False: what lies outside its own run directory is another's."""

    def find(self, lines: Lines) -> Iterator[FoundProcess]:
        """Return those that may be VMs of ours, each with what it lacks of the proof.

        One of another cluster is for that one's agent to tell of, and so is one of a
        placement that this node does not know, in the run directory of an agent at work.

        One that may not be looked at is among them.

        Raises:
            PermissionError: of one not even that much may be seen; it is not gone.
        """
        found = dict[str, dict[Carrier, Sequence[str]]]()
        for pid, argv in lines.items():
            uid = next(self._placements_on(argv), None)
            if uid is not None:
                programs = self.programs.with_launched(self.held.get(uid))
                seen = CarrierSearch(self.settings, self.boot_id, programs, uid).look_at(pid)
                if seen is not None:
                    found.setdefault(uid, {})[seen[0]] = argv
        for uid, carriers in found.items():
            for one in may_be_vms(carriers):
                claim = read_claim(carriers[one])
                yield FoundProcess(one.key, one.marked, uid, claim, doubt=one.doubt)

    def _placements_on(self, argv: Sequence[str]) -> Iterator[str]:
        """Give the placements that are marked: ours, and unknown ones that are no other's."""
        for mark in markers.marks_on(argv):
            if mark.cluster_uid == self.settings.cluster_uid:
                uid = mark.placement_uid
                if uid in self.held or not self._is_anothers(mark, argv):
                    yield uid

    def _is_anothers(self, mark: Mark, argv: Sequence[str]) -> bool:
        """Say whether an unknown placement's VM is for another agent to tell of.

        Only an agent that holds its lock is one. A run directory that we may not look into,
        that is gone, or that is told by another name than the kernel has for it, has none.
        """
        ours = adapter_of(mark.backend).control_socket(paths_of(self.settings, mark.placement_uid))
        if markers.names_path(argv, ours):
            return False
        return not self.is_machine or any(
            run_lock(one) in self._others_locks for one in _run_directories(mark, argv)
        )

    @cached_property
    def _others_locks(self) -> frozenset[Path]:
        own = run_lock(self.settings.run_directory)
        return held_files(own.name) - {own.resolve()}


def _run_directories(mark: Mark, argv: Sequence[str]) -> Iterator[Path]:
    """Give the run directories that an agent had which told a VMM its control socket so."""
    control_socket = adapter_of(mark.backend).control_socket
    for path in map(Path, markers.paths_on(argv)):
        run = path.parent
        if run.name == mark.placement_uid and control_socket(VmPaths(run, run)) == path:
            yield run.parent


def find_unmarked(lines: Lines, boot_id: str, programs: Programs) -> Iterator[FoundProcess]:
    """Return the VMMs among processes that carry no marker, of whatever cluster."""
    for pid, argv in lines.items():
        if not markers.carries_a_marker(argv):
            with contextlib.suppress(OSError):
                backend = programs.backend_of(processes.executable_of(pid))
                identity = processes.read_identity(pid, boot_id) if backend else None
                if identity is not None:
                    yield FoundProcess(identity.key, backend, "", read_claim(argv))


def find_in_groups(lines: Lines, boot_id: str, programs: Programs) -> Iterator[FoundProcess]:
    """Return the processes in VMs' control groups in which nothing carries a marker.

    What runs beside a marked VM in its group belongs to that VM, whosever it is. A group that
    may not be looked into shows nothing, and is not empty for that.
    """
    marked = {pid for pid, argv in lines.items() if _is_marked(pid, argv, programs)}
    roots = cgroup.hierarchies()
    for name in sorted(cgroup.names()):
        for pid in _members_of_none(name, roots, marked):
            with contextlib.suppress(PermissionError):
                key = processes.read_key(pid, boot_id)
                if key is not None:
                    claim = read_claim(lines.get(pid, ()))
                    yield FoundProcess(key, _program_of(pid, programs), "", claim, name)


def _members_of_none(name: str, roots: Sequence[Path], marked: Collection[int]) -> Sequence[int]:
    """Return who is in a group in which, by all hierarchies, nobody is marked."""
    pids = set[int]()
    try:
        for some in cgroup.members(name, roots):
            if not some.isdisjoint(marked):
                return []
            pids |= some
    except PermissionError:
        return []
    return sorted(pids)


def _is_marked(pid: int, argv: Sequence[str], programs: Programs) -> bool:
    """Say whether a process may be somebody's VM by its marker: a mention alone is none."""
    marks = markers.marks_on(argv)
    return any(one.is_in_place for one in marks) or (
        bool(marks) and _program_of(pid, programs) is not None
    )


def _program_of(pid: int, programs: Programs) -> Backend | None:
    with contextlib.suppress(OSError):
        return programs.backend_of(processes.executable_of(pid))
    return None
