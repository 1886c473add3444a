"""Whole copies of files: shared blocks where the file system can, and holes stay holes."""

import errno
import os
import stat
from pathlib import Path

from schedune_agent.system.sparse_copy_child import copy_content
from schedune_agent.system.whole_files import sync_folder


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
        fresh.replace(target)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    sync_folder(target.parent)


def _copy(source: Path, target: int) -> None:
    origin = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(origin).st_mode):
            raise OSError(errno.EINVAL, "no regular file", str(source))
        copy_content(origin, target)
    finally:
        os.close(origin)
