"""Copy a disk image so that it is there whole or not at all.

Runs as a child (standard library only) that ends with the agent. Usage:
``sparse_copy_child.py DESCRIPTOR SCRATCH TARGET SIZE PARENT``: DESCRIPTOR is the image, open for
reading; SCRATCH is written, made SIZE bytes long, synced, and gets the name TARGET on the same
file system unless that is taken. Says on stderr why it failed, and leaves nothing then.
"""

import ctypes
import errno
import fcntl
import os
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_FICLONE = 0x40049409
"""``ioctl``: share all blocks of a file (btrfs, XFS), copied only when one is written."""
_AT_ONCE = 2**24


def copy(source: int, scratch: str, target: str, size: int) -> None:
    """Make the file.

    Raises:
        OSError: it is not there; nothing half-written is left.
    """
    fresh = os.open(scratch, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        copy_content(source, fresh)
        os.ftruncate(fresh, size)
        os.fsync(fresh)
        os.link(scratch, target)
    finally:
        os.close(fresh)
        Path(scratch).unlink()


def copy_content(source: int, fresh: int) -> None:
    """Fill an empty file with what is in another: shared where the file system can, else copied.

    Holes stay holes.

    Raises:
        OSError: not all of it was copied.
    """
    try:
        fcntl.ioctl(fresh, _FICLONE, source)
    except OSError:
        for start, end in _extents(source):
            _copy_extent(source, fresh, start, end)


def _extents(source: int) -> "list[tuple[int, int]]":
    """Return where there is data."""
    found, at, size = [], 0, os.fstat(source).st_size
    while at < size:
        try:
            start = os.lseek(source, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                break  # only a hole is left
            raise
        at = os.lseek(source, start, os.SEEK_HOLE)
        found.append((start, at))
    return found


def _copy_extent(source: int, fresh: int, start: int, end: int) -> None:
    os.lseek(fresh, start, os.SEEK_SET)
    while start < end:
        done = os.sendfile(fresh, source, start, min(_AT_ONCE, end - start))
        if done == 0:
            raise OSError(errno.EIO, "it became shorter while it was copied")
        start += done


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
