"""The branch of this machine's control groups that a node of our own sees as the whole."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from schedune_agent.system import cgroup

PREFIX: Final = "schedune-node-"
_OF_THE_MOUNT: Final = frozenset({"rw", "ro", "xattr", "clone_children", "noprefix"})
Mounts = dict[str, tuple[str, str]]
"""By its name below /sys/fs/cgroup ("" is /sys/fs/cgroup itself): kind and options of a mount."""


def mounts(text: str, root: Path = cgroup.ROOT) -> Mounts:
    """Read from /proc/self/mountinfo how this machine's hierarchies are mounted."""
    found: Mounts = {}
    for line in text.splitlines():
        left, _, right = line.partition(" - ")
        point, (kind, _, options) = Path(left.split(" ")[4]), right.split(" ")[:3]
        if not kind.startswith("cgroup") or root not in (point, point.parent):
            continue
        kept = [
            one for one in options.split(",") if one not in _OF_THE_MOUNT and "agent" not in one
        ]
        named = any(one.startswith("name=") for one in kept)
        name = "" if point == root else point.name
        found[name] = (kind, ",".join((["none"] if named else []) + kept))
    return found


@contextmanager
def branch() -> Iterator[str]:
    """Make a group of a new name in every hierarchy, and remove all below it in the end."""
    name = PREFIX + secrets.token_hex(4)
    for hierarchy in cgroup.hierarchies():
        cgroup.make_group(hierarchy / name)
    try:
        yield name
    finally:
        left = remove(name)
        assert not left, f"still busy: {left}"


def remove(name: str) -> list[Path]:
    """Remove a branch, the leaves first; return what is left of it."""
    for hierarchy in cgroup.hierarchies():
        for folder, _, _ in os.walk(hierarchy / name, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()
    return [one / name for one in cgroup.hierarchies() if (one / name).exists()]


def remove_abandoned() -> None:
    """Remove branches of runs that were killed; one in which something runs stays."""
    for hierarchy in cgroup.hierarchies():
        for one in hierarchy.glob(f"{PREFIX}*"):
            remove(one.name)


def enter(name: str) -> None:
    """Move the calling process into a branch; between fork and exec."""
    for hierarchy in cgroup.hierarchies():
        (hierarchy / name / "cgroup.procs").write_text("0")
