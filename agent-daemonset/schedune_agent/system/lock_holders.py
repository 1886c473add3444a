"""Who holds a lock, as the kernel tells it: nothing is opened or made, and no lock is tried."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_LOCKS: Final = Path("/proc/locks")
_WHOLE_FILE: Final = "FLOCK"


def held_files(name: str) -> frozenset[Path]:
    """Return the files of that name on which a living process holds a lock of the whole file.

    What we may not look at is not among them.
    """
    return frozenset(file for pid in _holders() for file in _held_by(pid, name))


def _holders() -> set[int]:
    """Return who holds any such lock; who only waits for one is marked, and none of them."""
    try:
        lines = [line.split() for line in _LOCKS.read_text().splitlines()]
    except OSError:
        return set()
    return {int(words[4]) for words in lines if words[1] == _WHOLE_FILE}


def _held_by(pid: int, name: str) -> Iterator[Path]:
    folder = Path("/proc") / str(pid)
    with contextlib.suppress(OSError):
        for descriptor in (folder / "fd").iterdir():
            with contextlib.suppress(OSError):
                file = descriptor.readlink()
                if file.name == name and _is_locked(folder / "fdinfo" / descriptor.name):
                    yield file


def _is_locked(fdinfo: Path) -> bool:
    words = (line.split() for line in fdinfo.read_text().splitlines())
    return any(line[0] == "lock:" and line[2] == _WHOLE_FILE for line in words)
