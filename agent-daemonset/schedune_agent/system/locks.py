"""Locks on files: VMMs hold them on the disks that they write, an agent on its own directory."""

import errno
import fcntl
import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, contextmanager
from pathlib import Path
from typing import Final

_FLOCK: Final = struct.Struct("@hhqqi4x")
_WHOLE_FILE: Final = 0
_FIRST_DESCRIPTOR: Final = 900
"""Far above what an agent has open, below those of taps."""


def is_locked(path: Path) -> bool:
    """Say whether a lock of anybody's stands against writing a file.

    Raises:
        OSError: the file cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        wish = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, _WHOLE_FILE, 0)
        found = _FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, wish))
        return bool(found[0] != fcntl.F_UNLCK)
    finally:
        os.close(descriptor)


@contextmanager
def locked(paths: Iterable[Path]) -> Iterator[Mapping[int, int]]:
    """Lock files against anybody's writing; give what a new program is to get open, by number.

    A lock is its open file's: it stands as long as somebody has that, we or the program.

    Raises:
        OSError: one cannot be opened, or is locked by somebody else.
    """
    with ExitStack() as stack:
        passed = {}
        for number, path in enumerate(paths, start=_FIRST_DESCRIPTOR):
            descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            stack.callback(os.close, descriptor)
            wish = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, _WHOLE_FILE, 0)
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, wish)
            passed[number] = descriptor
        yield passed


def hold_lock(path: Path, stack: ExitStack | AsyncExitStack) -> bool:
    """Hold a lock until the stack is left; say whether it is ours, or another process's.

    Raises:
        OSError: the file cannot be opened.
    """
    descriptor = _open_lock(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            return False
        raise
    stack.callback(os.close, descriptor)
    return True


def _open_lock(path: Path) -> int:
    """Open it to write, which some file systems want for a lock; else as it may be opened.

    A disk that became read-only after an error has VMs to be ended all the same.
    """
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        return os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
