"""Whose files are, and who may open them: asked of the kernel, never followed to elsewhere."""

import contextlib
import ctypes
import os
import platform
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from schedune_agent.system.launcher import VmUser

_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_SETGROUPS: Final = {"x86_64": 116, "aarch64": 159}
_MAY_ENTER: Final = 0o011
_NEEDED: Final = (0, 1, 6, 7)
"""CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_SETGID, CAP_SETUID: to make users, and to serve them."""


def may_make_users() -> bool:
    """Say whether we can start programs as other users, and give them files."""
    status = Path("/proc/self/status").read_text()
    line = next(one for one in status.splitlines() if one.startswith("CapEff:"))
    held = int(line.split()[1], 16)
    return all(held >> one & 1 for one in _NEEDED)


@contextlib.contextmanager
def acting_as(user: VmUser) -> Iterator[None]:
    """Open files as another user within this thread, with that user's rights and no more.

    Raises:
        OSError: we may not.
    """
    own = os.getgroups()
    _set_groups(user.groups)
    _LIBC.setfsgid(user.gid)
    _LIBC.setfsuid(user.uid)  # with it go the capabilities that overrule permissions
    try:
        yield
    finally:
        _LIBC.setfsuid(os.geteuid())
        _LIBC.setfsgid(os.getegid())
        _set_groups(own)


def _set_groups(groups: Sequence[int]) -> None:
    """Set the groups of this thread only, which the C library would set for all."""
    listed = (ctypes.c_uint32 * len(groups))(*groups)
    if _LIBC.syscall(_SETGROUPS[platform.machine()], len(groups), listed):
        raise OSError(ctypes.get_errno(), "cannot set the groups of a thread")


def first_denied(user: VmUser, paths: Sequence[Path], devices: Sequence[Path]) -> Path | None:
    """Return the first that this user may not open, to read files or to use devices."""
    with acting_as(user):
        for flags, group in ((os.O_RDONLY, paths), (os.O_RDWR, devices)):
            for path in group:
                try:
                    os.close(os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC))
                except PermissionError:
                    return path
                except OSError:
                    continue  # whatever else stands against it is told by others
    return None


def give(path: Path, user: VmUser) -> None:
    """Make a file a user's, for that user only; it is this very file, under one name.

    Raises:
        OSError: it is a link, no regular file, has another name too, or is not ours to give.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            raise OSError(f"{path} is no regular file, or has more than one name")
        # Ours while its mode is changed: that of another's file takes one capability more (FOWNER).
        os.fchown(descriptor, os.geteuid(), os.getegid())
        os.fchmod(descriptor, 0o600)
        os.fchown(descriptor, user.uid, user.gid)
    finally:
        os.close(descriptor)


def let_pass(folder: Path) -> None:
    """Let others through a folder of ours to what is theirs in it; they cannot list it.

    Raises:
        OSError: it is not there, or not ours.
    """
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & _MAY_ENTER != _MAY_ENTER:
        folder.chmod(mode | _MAY_ENTER)
