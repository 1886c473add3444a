"""Who else holds a lock on a file: VMMs lock the disks that they write."""

import fcntl
import os
import struct
from pathlib import Path
from typing import Final

_FLOCK: Final = struct.Struct("@hhqqi4x")
_WHOLE_FILE: Final = 0


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
