"""Where VMs run, which need not be where their agent runs: the node's own namespaces.

An agent in a pod sees the pod's files and network. A VM that stayed there would lose its
network with the pod, and would keep the pod's files alive, its token among them
(reference/daemonset-measured.md 2). Whatever is asked of a VMM or of a device is therefore
asked from where a VM would be: in control groups of our own and in these namespaces.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schedune_agent.system import cgroup

_CHILD: Final = Path(__file__).with_name("place_child.py")
_FIRST: Final = Path("/proc/1")
"""The node's first process, seen from a pod with ``hostPID``; from any other the pod's own."""
KINDS: Final = ("cgroup", "ipc", "uts", "net", "mnt")
"""Namespaces that a VM does not share with a pod; the files last, for the others are found there.
The processes' is the node's with ``hostPID``, without which no VM outlives its pod."""
_PROBES: Final = "probes"
"""Control group of what is asked here: beside those of the VMs, which are named by UIDs."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where VMs run, as far as it is elsewhere."""

    namespaces: tuple[Path, ...] = ()
    """To be entered in this order."""
    is_contained: bool = False
    """Whether what is asked there has to be in control groups of our own."""

    def program(self, argv: Sequence[str]) -> list[str]:
        """Return the command line that runs a program there, one of the files there.

        Raises:
            OSError: the control groups cannot be made.
        """
        return self._there("program", argv)

    def script(self, path: Path, *arguments: str) -> list[str]:
        """Return the command line that runs there a script of ours (standard library only).

        Raises:
            OSError: the control groups cannot be made.
        """
        if not self._is_elsewhere:
            return [sys.executable, "-I", "-S", str(path), *arguments]
        return self._there("script", [str(path), *arguments])

    @property
    def _is_elsewhere(self) -> bool:
        return bool(self.namespaces) or self.is_contained

    def _there(self, what: str, argv: Sequence[str]) -> list[str]:
        if not self._is_elsewhere:
            return list(argv)
        doors = cgroup.make_groups(_PROBES) if self.is_contained else []
        way = {"doors": list(map(str, doors)), "namespaces": list(map(str, self.namespaces))}
        return [sys.executable, "-I", "-S", str(_CHILD), json.dumps(way), what, *argv]


HERE: Final = Place()
"""Where we are."""


def namespaces_of_node(first: Path = _FIRST, root: Path = Path("/")) -> tuple[Path, ...]:
    """Return the namespaces that a VM of ours must enter; none where we are on the node itself.

    We are not when our files are not those of the node's first process: we are in a container.
    One that may not look at that process cannot enter either, and neither can one whose first
    process is its own.
    """
    try:
        if _same_file(first / "root", root):
            return ()
        found = []
        for kind in KINDS:
            theirs = first / "ns" / kind
            if not _same_file(theirs, Path("/proc/self/ns") / kind):
                found.append(theirs)
    except OSError:
        return ()
    return tuple(found)


def _same_file(one: Path, other: Path) -> bool:
    found, wanted = one.stat(), other.stat()
    return (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino)
