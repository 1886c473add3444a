"""Copy a disk image so that it is there whole or not at all.

Runs as a child (standard library only) that ends with the agent. Usage:
``disk_copy_child.py DESCRIPTOR SCRATCH TARGET SIZE PARENT``: DESCRIPTOR is the image, open for
reading; SCRATCH is written, made SIZE bytes long, synced, and gets the name TARGET on the same
file system unless that is taken. Holes stay holes. Says on stderr why it failed, and leaves
nothing then.
"""

import ctypes
import errno
import os
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_CHUNK = 2**20


def copy(source: int, scratch: str, target: str, size: int) -> None:
    """Make the file.

    Raises:
        OSError: it is not there; nothing half-written is left.
    """
    fresh = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.ftruncate(fresh, size)
        for start, end in extents(source, min(size, os.fstat(source).st_size)):
            copy_extent(source, fresh, start, end)
        os.fsync(fresh)
        os.link(scratch, target)
    finally:
        os.close(fresh)
        Path(scratch).unlink()


def extents(source: int, size: int) -> "list[tuple[int, int]]":
    """Return where there is data; all of it where the file system does not know."""
    found = []
    at = 0
    while at < size:
        try:
            start = os.lseek(source, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                break
            return [(0, size)]
        at = min(os.lseek(source, start, os.SEEK_HOLE), size)
        if start < size:
            found.append((start, at))
    return found


def copy_extent(source: int, fresh: int, start: int, end: int) -> None:
    """Copy the bytes from start to end."""
    while start < end:
        data = os.pread(source, min(_CHUNK, end - start), start)
        if not data:
            return
        written = 0
        while written < len(data):
            written += os.pwrite(fresh, data[written:], start + written)
        start += len(data)


def main() -> int:
    """Do it; 0: it is there."""
    source, scratch, target, size, parent = sys.argv[1:6]
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):
        return 1
    try:
        copy(int(source), scratch, target, int(size))
    except OSError as error:
        sys.stderr.write(error.strerror or str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
