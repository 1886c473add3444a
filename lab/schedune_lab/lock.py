"""One at a time brings a lab up or down."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schedune_lab.progress import say


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Hold a lab's directory, made where it is missing; others wait and say so.

    The lock ends with its process. A directory that was removed while we waited for it
    is another than the one that is there now, hence the second look.
    """
    descriptor = _lock(folder)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()  # only an empty one: a lab that was refused leaves nothing
        os.close(descriptor)


def _lock(folder: Path) -> int:
    while True:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting: another process brings the lab in {folder} up or down")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if folder.is_dir() and os.path.samestat(folder.stat(), os.fstat(descriptor)):
            return descriptor
        os.close(descriptor)
