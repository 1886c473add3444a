"""Processes: started, recognised again, watched and signalled, never by number alone."""

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import os
import signal
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schedune.lifecycle.orphans import ProcessKey
from schedune_agent.system.descriptors import is_ready
from schedune_agent.system.launcher import LAUNCHER, Given

_PROC: Final = Path("/proc")
_FIRST: Final = 1
_ZOMBIE: Final = b"Z"
_GET_INFO: Final = 0xC040FF0B
"""``ioctl`` PIDFD_GET_INFO, with the struct of Linux 6.15: its last member is the status."""
_INFO_BYTES: Final = 64
_INFO_MASK: Final = struct.Struct("=Q")
_INFO_STATUS: Final = struct.Struct("=i")
_INFO_ALL: Final = 0xF
_INFO_EXIT: Final = 0x8


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """What tells one process from every other, before and after it."""

    pid: int
    start_time: int
    """Clock ticks since boot (field 22 of /proc/PID/stat)."""
    boot_id: str
    executable: tuple[int, int]
    """Device and inode of what it executes."""
    argv_digest: str
    """sha256 of its command line."""

    @property
    def key(self) -> ProcessKey:
        """What tells it from every other process, as the rules compare it."""
        return ProcessKey(self.pid, self.start_time, self.boot_id)


def digest_argv(argv: Sequence[str]) -> str:
    """Digest a command line as /proc shows it."""
    return hashlib.sha256(b"".join(part.encode() + b"\0" for part in argv)).hexdigest()


def read_identity(pid: int, boot_id: str) -> ProcessIdentity | None:
    """Return who a living process is; None: there is none, or it is a zombie.

    Raises:
        PermissionError: the process exists and may not be looked at.
    """
    folder = _PROC / str(pid)
    try:
        start_time = _start_time_of(pid)
        if start_time is None:
            return None
        executable = (folder / "exe").stat()
        argv = (folder / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    digest = hashlib.sha256(argv).hexdigest()
    return ProcessIdentity(pid, start_time, boot_id, (executable.st_dev, executable.st_ino), digest)


def read_key(pid: int, boot_id: str) -> ProcessKey | None:
    """Return which process a living one is, as everybody may see; None: as above.

    Raises:
        PermissionError: it exists, and /proc shows nothing of the processes of others.
    """
    try:
        start_time = _start_time_of(pid)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if start_time is None else ProcessKey(pid, start_time, boot_id)


def _start_time_of(pid: int) -> int | None:
    try:
        state, *fields = _stat_of(pid)
    except FileNotFoundError:
        if _exists(pid):
            raise unseen(pid) from None
        raise
    return None if state == _ZOMBIE else int(fields[18])


def _stat_of(pid: int) -> list[bytes]:
    """Return what /proc/PID/stat says behind the name, which may be any 15 bytes.

    The kernel cuts a longer one there, be it inside a letter.
    """
    return (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()


def _exists(pid: int) -> bool:
    """Say whether there is a process: asked of the kernel, since /proc may hide it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def unseen(pid: int) -> PermissionError:
    """Return what is raised where a process may be anybody's, since /proc hides it from us."""
    return PermissionError(errno.EPERM, "its command line may not be seen", f"{_PROC}/{pid}")


class ProcessHandle:
    """A proved process, held by a pidfd: a reused number can not be mistaken for it."""

    def __init__(self, identity: ProcessIdentity, descriptor: int) -> None:
        self.identity = identity
        self._descriptor = descriptor

    @property
    def is_alive(self) -> bool:
        """Say whether it still runs; positive evidence both ways."""
        return not is_ready(self._descriptor)

    async def wait_gone(self, limit_s: float | None) -> bool:
        """Wait until it ended, for ever with no limit; say whether it did."""
        loop = asyncio.get_running_loop()
        gone: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self._descriptor, _resolve, gone)
        try:
            async with asyncio.timeout(limit_s):
                await gone
        except TimeoutError:
            return False
        finally:
            loop.remove_reader(self._descriptor)
        return True

    def send(self, number: signal.Signals) -> None:
        """Signal exactly this process; one that ended is left in peace."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._descriptor, number)

    def reap(self) -> int | None:
        """Return with which code it ended, and collect our own child.

        None: it has not ended, or it is another's child and nobody tells: its parent has not
        collected it yet, or the kernel is older than 6.15.
        """
        try:
            found = os.waitid(os.P_PIDFD, self._descriptor, os.WEXITED | os.WNOHANG)
        except ChildProcessError:
            return self._told_exit()
        if found is None:
            return None
        return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status

    def _told_exit(self) -> int | None:
        """Return what the kernel tells through the pidfd of a process that somebody collected."""
        answer = bytearray(_INFO_BYTES)
        _INFO_MASK.pack_into(answer, 0, _INFO_ALL)
        try:
            fcntl.ioctl(self._descriptor, _GET_INFO, answer)
        except OSError:
            return None
        (mask,) = _INFO_MASK.unpack_from(answer, 0)
        if not mask & _INFO_EXIT:
            return None
        (status,) = _INFO_STATUS.unpack_from(answer, _INFO_BYTES - _INFO_STATUS.size)
        return os.waitstatus_to_exitcode(status)

    def close(self) -> None:
        """Let go of the process; it lives on."""
        os.close(self._descriptor)


def prove(expected: ProcessIdentity, boot_id: str) -> ProcessHandle | None:
    """Return a handle of exactly this process; None: it is proved gone.

    The pidfd is opened before anything is compared, so that what was compared is what
    is held.

    Raises:
        PermissionError: there is a process that may not be looked at; it is not gone.
    """
    if expected.boot_id != boot_id:
        return None
    try:
        descriptor = os.pidfd_open(expected.pid)
    except ProcessLookupError:
        return None
    try:
        found = read_identity(expected.pid, boot_id)
    except BaseException:
        os.close(descriptor)
        raise
    if found != expected:
        os.close(descriptor)
        return None
    return ProcessHandle(expected, descriptor)


def _resolve(gone: "asyncio.Future[None]") -> None:
    if not gone.done():
        gone.set_result(None)


def spawn(argv: Sequence[str], given: Given) -> int:
    """Start a program that outlives us, with nothing but what it is given; return its pid.

    ``argv[0]`` is the name under which it runs. It is our child, and executed already.

    Raises:
        OSError: it cannot be started, or may not enter its groups; nothing of it is left.
    """
    return LAUNCHER.launch(argv, given)


def threads_without_seccomp(pid: int) -> list[str]:
    """Return the names of a process's threads that may make every system call.

    Each thread has a filter of its own. What cannot be read is not told of.
    """
    found = []
    for status in (_PROC / str(pid) / "task").glob("*/status"):
        with contextlib.suppress(OSError):
            fields = _fields_in(status)
            if fields.get(b"Seccomp") == b"0":
                found.append(os.fsdecode(fields[b"Name"]))
    return sorted(found)


def user_of(pid: int) -> int | None:
    """Return as which user a process runs; None: it is gone.

    Raises:
        PermissionError: it may not be looked at.
    """
    try:
        return _users_in(_PROC / str(pid))[1]
    except (FileNotFoundError, ProcessLookupError, LookupError, ValueError):
        return None


def living_users() -> set[int]:
    """Return every user as whom a process runs, really, effectively, or as it may again."""
    found = set[int]()
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                found.update(_users_in(entry))
    return found


def _users_in(process: Path) -> list[int]:
    return list(map(int, _fields_in(process / "status").get(b"Uid", b"").split()))


def _fields_in(status: Path) -> dict[bytes, bytes]:
    """Read a status file of /proc: a line each, and nothing but its end ends one.

    As text, a name that is no UTF-8 could not be read, and one with a form feed in it would
    look like a line of its own.
    """
    lines = (line.partition(b":\t") for line in status.read_bytes().split(b"\n"))
    return {name: value for name, _, value in lines}


def executable_of(pid: int) -> str:
    """Return the path of what a process executes, also when the file was replaced since.

    Raises:
        OSError: the process is gone, or may not be looked at.
    """
    return str((_PROC / str(pid) / "exe").readlink()).removesuffix(" (deleted)")


def command_line_of(pid: int) -> list[str]:
    """Return the command line of a process.

    Raises:
        OSError: the process is gone, or may not be looked at.
    """
    return _split((_PROC / str(pid) / "cmdline").read_bytes())


def parent_of(pid: int) -> int:
    """Return which process began this one, or took it over when that ended.

    Raises:
        OSError: the process is gone.
    """
    return int(_stat_of(pid)[1])


def list_command_lines() -> Iterator[tuple[int, list[str]]]:
    """Return every process with its command line, as far as it may be read."""
    for pid, argv in list_processes():
        if argv is not None:
            yield pid, argv


def list_processes() -> Iterator[tuple[int, list[str] | None]]:
    """Return every process with its command line; None: that may not be read.

    Where /proc hides that there are others, the first one is not shown: it is told so for
    them. If it is shown, what it says does not matter: it is nobody's VM.
    """
    pids = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]
    if _FIRST not in pids:
        yield _FIRST, None
    for pid in pids:
        try:
            yield pid, command_line_of(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
        except OSError:
            if pid != _FIRST:
                yield pid, None


def _split(command_line: bytes) -> list[str]:
    return command_line.decode(errors="surrogateescape").split("\0")
