"""A folder whose file system answers nobody, as that of a server which is gone."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_FORCE_AND_DETACH: Final = 1 | 2


@contextmanager
def hung(folder: Path) -> Iterator[None]:
    """Put a file system over a folder that is never served; at the end the folder is back.

    Whoever waits for it by then gets an error.
    """
    with _unserved(folder) as device:
        try:
            yield
        finally:
            _unmount(folder)
            os.close(device)


@contextmanager
def dead(folder: Path) -> Iterator[None]:
    """Put a file system over a folder whose server has ended: whoever asks gets an error."""
    with _unserved(folder) as device:
        os.close(device)
        try:
            yield
        finally:
            _unmount(folder)


@contextmanager
def _unserved(folder: Path) -> Iterator[int]:
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
    try:
        _check(_LIBC.mount(b"hung", os.fsencode(folder), b"fuse", 0, options))
    except OSError:
        os.close(device)
        raise
    yield device


def _unmount(folder: Path) -> None:
    _check(_LIBC.umount2(os.fsencode(folder), _FORCE_AND_DETACH))


def _check(failed: int) -> None:
    if failed:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
