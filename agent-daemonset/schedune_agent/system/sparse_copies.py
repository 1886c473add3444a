"""Whole copies of files: shared blocks where the file system can, and holes stay holes."""

import errno
import fcntl
import os
import stat
from pathlib import Path
from typing import Final

from schedune_agent.system.whole_files import sync_folder

_FICLONE: Final = 0x40049409
"""``ioctl``: share all blocks of a file (btrfs, XFS), copied only when one is written."""
_AT_ONCE: Final = 2**24


def copy_whole(source: Path | None, target: Path, size: int) -> None:
    """Make a file of so many bytes that begins like the source; None: all of it is a hole.

    A crash leaves it there whole, or not at all.

    Raises:
        OSError: it is not on disk for sure; nothing half-written is left.
    """
    fresh = target.with_name(f"{target.name}.new")
    descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        if source is not None:
            _copy(source, descriptor)
        os.ftruncate(descriptor, size)
        os.fsync(descriptor)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    fresh.replace(target)
    sync_folder(target.parent)


def _copy(source: Path, target: int) -> None:
    origin = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(origin).st_mode):
            raise OSError(errno.EINVAL, "no regular file", str(source))
        try:
            fcntl.ioctl(target, _FICLONE, origin)
        except OSError:
            _copy_data(origin, target)
    finally:
        os.close(origin)


def _copy_data(origin: int, target: int) -> None:
    """Copy what is no hole."""
    end, position = os.fstat(origin).st_size, 0
    while position < end:
        try:
            position = os.lseek(origin, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return  # only a hole is left
            raise
        until = os.lseek(origin, position, os.SEEK_HOLE)
        position = _copy_part(origin, target, position, until)


def _copy_part(origin: int, target: int, position: int, until: int) -> int:
    os.lseek(target, position, os.SEEK_SET)
    while position < until:
        done = os.sendfile(target, origin, position, min(_AT_ONCE, until - position))
        if done == 0:
            raise OSError(errno.EIO, "it became shorter while it was copied")
        position += done
    return position
