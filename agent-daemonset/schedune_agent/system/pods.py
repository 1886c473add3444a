"""What ties a process to a pod: such a process ends with the pod, or keeps the pod from ending.

One control group of one hierarchy is enough (reference/daemonset-measured.md 2): a container
runtime ends what it finds there, and where it does not look, a kubelet waits in vain.
"""

import contextlib
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_NAMES: Final = ("kubepods", "k8s.io")
"""In paths of groups that belong to pods, whichever driver made them."""
_OUTSIDE: Final = "/.."


def ties_of(pid: int, proc: Path = _PROC) -> list[str]:
    """Return the hierarchies in which a process is in a pod's group; unread: none is known."""
    try:
        text = _read(proc / str(pid) / "cgroup")
    except OSError:
        return []
    return pods_hierarchies(text, is_private=_is_private(proc))


def pods_hierarchies(text: str, *, is_private: bool) -> list[str]:
    """Read from /proc/PID/cgroup in which hierarchies a process is in a pod's group.

    ``is_private`` says that we see only our container's groups: then ``/`` is that container's,
    and what is outside of it begins with ``/..``.
    """
    found = []
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        named = any(one.startswith(_NAMES) for one in path.split("/"))
        within = is_private and not path.startswith(_OUTSIDE)
        if named or within:
            found.append(controllers.removeprefix("name=") or "unified")
    return found


def dies_with_pod(*, contained: bool, proc: Path = _PROC) -> bool:
    """Say whether what we start ends with the pod that we are in.

    So it is where it can have no groups of its own, and where the first process is our pod's:
    with that one all others of the pod end.
    """
    return bool(ties_of(1, proc)) or (not contained and bool(ties_of_self(proc)))


def ties_of_self(proc: Path = _PROC) -> list[str]:
    """Return the hierarchies in which we are in a pod's group."""
    with contextlib.suppress(OSError):
        return pods_hierarchies(_read(proc / "self/cgroup"), is_private=_is_private(proc))
    return []


def _read(file: Path) -> str:
    """Read a list of groups; their names may be any bytes."""
    return file.read_text(errors="surrogateescape")


def _is_private(proc: Path) -> bool:
    """Say whether we see less of the control groups than the first process does."""
    try:
        own, first = ((proc / who / "ns/cgroup").stat() for who in ("self", "1"))
    except OSError:
        return False
    return own.st_ino != first.st_ino
