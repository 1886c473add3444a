"""Control groups of our own: what keeps a VM alive when the agent's pod goes.

A VM must leave *every* hierarchy of the agent's (reference/daemonset-measured.md 2):
one forgotten is enough for the container runtime to find and kill it.
"""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path("/sys/fs/cgroup")
PARENT: Final = "schedune"
_LIMITED: Final = ("memory", "pids", "cpu")
_CPUSET: Final = ("cpuset.cpus", "cpuset.mems")


def hierarchies(root: Path = ROOT) -> list[Path]:
    """Return the root of every mounted hierarchy: one with pure v2, many with v1."""
    if (root / "cgroup.procs").exists():
        return [root]
    return sorted(
        entry
        for entry in root.glob("*")
        if (entry / "cgroup.procs").exists() and not entry.is_symlink()
    )


def can_contain(root: Path = ROOT) -> bool:
    """Say whether we may make groups in every hierarchy, by making our parent group."""
    found = hierarchies(root)
    try:
        for hierarchy in found:
            make_group(hierarchy / PARENT)
    except OSError:
        return False
    return bool(found)


def make_groups(name: str, root: Path = ROOT) -> list[Path]:
    """Make a group of this name in every hierarchy and return where a process enters them.

    Raises:
        OSError: we may not.
    """
    doors = []
    for hierarchy in hierarchies(root):
        make_group(hierarchy / PARENT)
        _let_limit(hierarchy)
        _let_limit(hierarchy / PARENT)
        make_group(hierarchy / PARENT / name)
        doors.append(hierarchy / PARENT / name / "cgroup.procs")
    return doors


def make_group(group: Path) -> None:
    """Make one group that can be entered; one that is there is kept.

    Raises:
        OSError: we may not.
    """
    group.mkdir(exist_ok=True)
    for name in _CPUSET:
        # A new v1 cpuset is empty, and nothing may enter an empty one.
        own, parent = group / name, group.parent / name
        if own.exists() and parent.exists() and not own.read_text().strip():
            own.write_text(parent.read_text())


def _let_limit(group: Path) -> None:
    """Let the groups below have limits (v2); what is refused is seen when limits are read."""
    switch = group / "cgroup.subtree_control"
    with contextlib.suppress(OSError):
        there, on = (group / "cgroup.controllers").read_text().split(), switch.read_text().split()
        for one in _LIMITED:
            if one in there and one not in on:
                switch.write_text(f"+{one}")


def remove_groups(name: str, root: Path = ROOT) -> bool:
    """Remove the groups of an ended VM; one that is still busy stays. Say whether all went."""
    groups = [hierarchy / PARENT / name for hierarchy in hierarchies(root)]
    for group in groups:
        with contextlib.suppress(OSError):
            group.rmdir()
    return not any(group.exists() for group in groups)


def processes_in(name: str, root: Path = ROOT) -> set[int]:
    """Return which processes are in the groups of this name, in any hierarchy.

    Raises:
        OSError: a group is there and may not be looked into.
    """
    return set[int]().union(*members(name, hierarchies(root)))


def members(name: str, roots: Iterable[Path]) -> Iterator[set[int]]:
    """Give the processes in the groups of this name, hierarchy by hierarchy.

    Raises:
        OSError: a group is there and may not be looked into.
    """
    for root in roots:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            told = (root / PARENT / name / "cgroup.procs").read_text()
            # A process outside of our pid namespace is told as 0.
            yield set(map(int, told.split())) - {0}


def outside(name: str, pid: int, root: Path = ROOT) -> list[str]:
    """Return the hierarchies in which a process is in no group of this name, or there is none.

    Raises:
        OSError: a group is there and may not be looked into.
    """
    roots = hierarchies(root)
    found = [one for one in roots if not any(pid in some for some in members(name, [one]))]
    return ["unified" if one == root else one.name for one in found]


def names(root: Path = ROOT) -> set[str]:
    """Return the names of all groups of VMs, whoever's agent made them."""
    return {
        group.name for hierarchy in hierarchies(root) for group in (hierarchy / PARENT).glob("*/")
    }
