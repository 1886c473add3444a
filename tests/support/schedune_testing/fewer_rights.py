"""An agent with fewer rights: what the kernel lets it see of processes is less."""

import ctypes
import os
import pickle
import struct
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

T = TypeVar("T")

_VERSION_3: Final = 0x20080522
_HEADER: Final = struct.pack("=Ii", _VERSION_3, 0)
_SETS: Final = struct.Struct("=6I")
"""Effective, permitted and inheritable capabilities, the lower 32 of each first."""
_SYS_PTRACE: Final = 1 << 19
_NOBODY: Final = 65534
_NEW_MOUNTS: Final = 0x20000
_PRIVATE: Final = 0x44000
"""Of all mounts below, none tells another namespace."""
_LIBRARY: Final = ctypes.CDLL(None, use_errno=True)


@contextmanager
def without_ptrace() -> Iterator[None]:
    """Let this thread be without CAP_SYS_PTRACE: the kernel refuses it a look at others.

    What executes a process of another user, or of root with all its rights, it is not told.
    """
    before = ctypes.create_string_buffer(_SETS.size)
    _ask("capget", _HEADER, before)
    effective, *rest = _SETS.unpack(before.raw)
    _ask("capset", _HEADER, _SETS.pack(effective & ~_SYS_PTRACE, *rest))
    try:
        yield
    finally:
        _ask("capset", _HEADER, before)


def hide_processes(hidepid: int) -> None:
    """Give this process a /proc that hides what others do (1), or that they are there (2).

    And another group: to that of root nothing is hidden.
    """
    _ask("unshare", _NEW_MOUNTS)
    _ask("mount", None, b"/", None, _PRIVATE, None)
    _ask("mount", b"proc", b"/proc", b"proc", 0, b"hidepid=%d" % hidepid)
    os.setgroups([])
    os.setresgid(_NOBODY, _NOBODY, _NOBODY)


def told_by_child(do: Callable[[], T]) -> T:
    """Do something in a process of its own, and return what it returned there."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, pickle.dumps(do()))
        except BaseException:  # noqa: BLE001 - whatever it is, no second pytest goes on
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        told = answer.read()
    os.waitpid(child, 0)
    assert told, "it has failed in the child"
    found: T = pickle.loads(told)  # noqa: S301 - our own child's
    return found


def _ask(name: str, *words: object) -> None:
    if getattr(_LIBRARY, name)(*words) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), name)
