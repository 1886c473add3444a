"""An agent with fewer rights: what the kernel lets it see of processes is less."""

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_VERSION_3: Final = 0x20080522
_HEADER: Final = struct.pack("=Ii", _VERSION_3, 0)
_SETS: Final = struct.Struct("=6I")
"""Effective, permitted and inheritable capabilities, the lower 32 of each first."""
_SYS_PTRACE: Final = 1 << 19
_LIBRARY: Final = ctypes.CDLL(None, use_errno=True)


@contextmanager
def without_ptrace() -> Iterator[None]:
    """Let this thread be without CAP_SYS_PTRACE: the kernel refuses it a look at others.

    What executes a process of another user, or of root with all its rights, it is not told.
    """
    before = ctypes.create_string_buffer(_SETS.size)
    _ask("capget", before)
    effective, *rest = _SETS.unpack(before.raw)
    _ask("capset", ctypes.create_string_buffer(_SETS.pack(effective & ~_SYS_PTRACE, *rest)))
    try:
        yield
    finally:
        _ask("capset", before)


def _ask(name: str, sets: "ctypes.Array[ctypes.c_char]") -> None:
    if getattr(_LIBRARY, name)(_HEADER, sets) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), name)
