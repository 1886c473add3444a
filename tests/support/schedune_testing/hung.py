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
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
    try:
        _check(_LIBC.mount(b"hung", os.fsencode(folder), b"fuse", 0, options))
        try:
            yield
        finally:
            _check(_LIBC.umount2(os.fsencode(folder), _FORCE_AND_DETACH))
    finally:
        os.close(device)


def _check(failed: int) -> None:
    if failed:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
