"""Which VMMs run on this machine: what /proc shows, with no judgement of whose they are."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from schedune.api.vmworkload import Backend
from schedune.lifecycle.orphans import FoundProcess, ProcessKey
from schedune_agent.settings import AgentSettings
from schedune_agent.system import cgroup, processes
from schedune_agent.vmm import markers
from schedune_agent.vmm.adapters import read_claim
from schedune_agent.vmm.process import paths_of

_QEMU_PREFIX: Final = "qemu-system-"
_NAMES: Final = {
    "cloud-hypervisor": Backend.CLOUD_HYPERVISOR,
    "firecracker": Backend.FIRECRACKER,
    "qemu-kvm": Backend.QEMU,
}


Lines = Mapping[int, Sequence[str]]
"""Command lines of processes by pid."""


def backend_of(executable: str) -> Backend | None:
    """Return which VMM a program is by its file's name; None: it is none that we know."""
    name = Path(executable).name
    return Backend.QEMU if name.startswith(_QEMU_PREFIX) else _NAMES.get(name)


def find_vmms(
    lines: Lines, settings: AgentSettings, boot_id: str, *, with_unmarked: bool
) -> Iterator[FoundProcess]:
    """Return the VMMs among processes: those with our marker, and, if asked for, those with none.

    One of another cluster, or with its socket where another agent puts it, is for that
    agent to tell of.

    Raises:
        PermissionError: one with our marker may not be looked at; it is not gone.
    """
    for pid, argv in lines.items():
        uid = _marked_here(argv, settings)
        if uid:
            marked = markers.backend_of(argv) or Backend.QEMU
            yield from _found(pid, boot_id, marked, uid, argv)
        elif with_unmarked and not markers.carries_a_marker(argv):
            with contextlib.suppress(OSError):
                backend = backend_of(processes.executable_of(pid))
                if backend is not None:
                    yield from _found(pid, boot_id, backend, "", argv)


def find_in_groups(lines: Lines, boot_id: str) -> Iterator[FoundProcess]:
    """Return the processes in VMs' control groups in which nothing carries a marker.

    What runs beside a marked VM in its group belongs to that VM, whosever it is.

    Raises:
        OSError: a group, or a process in one, may not be looked at; it is not empty.
    """
    marked = {pid for pid, argv in lines.items() if markers.carries_a_marker(argv)}
    roots = cgroup.hierarchies()
    for name in sorted(cgroup.names()):
        pids = set[int]()
        for some in cgroup.members(name, roots):
            pids |= some
            if some & marked:
                break
        for pid in () if pids & marked else sorted(pids):
            found = processes.read_identity(pid, boot_id)
            if found is not None:
                key, argv = ProcessKey(pid, found.start_time, boot_id), lines.get(pid, ())
                yield FoundProcess(key, _program_of(pid), "", read_claim(argv), name)


def _program_of(pid: int) -> Backend | None:
    with contextlib.suppress(OSError):
        return backend_of(processes.executable_of(pid))
    return None


def _marked_here(argv: Sequence[str], settings: AgentSettings) -> str:
    uid = markers.placement_of(argv, settings.cluster_uid)
    if uid is None:
        return ""
    folder = f"{paths_of(settings, uid).run}/"
    return uid if any(folder in part for part in argv) else ""


def _found(
    pid: int, boot_id: str, backend: Backend, uid: str, argv: Sequence[str]
) -> Iterator[FoundProcess]:
    identity = processes.read_identity(pid, boot_id)
    if identity is not None:
        key = ProcessKey(pid, identity.start_time, boot_id)
        yield FoundProcess(key, backend, uid, read_claim(argv))
