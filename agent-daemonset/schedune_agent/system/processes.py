"""Processes: started, recognised again, watched and signalled, never by number alone."""

import asyncio
import contextlib
import errno
import fcntl
import functools
import hashlib
import os
import select
import signal
import struct
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from schedune_agent.system import cgroup
from schedune_agent.system.child import CLEAN_ENVIRONMENT

_PROC: Final = Path("/proc")
_ZOMBIE: Final = "Z"
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
        state, *fields = (folder / "stat").read_text().rpartition(")")[2].split()
        if state == _ZOMBIE:
            return None
        executable = (folder / "exe").stat()
        argv = (folder / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    digest = hashlib.sha256(argv).hexdigest()
    return ProcessIdentity(
        pid, int(fields[18]), boot_id, (executable.st_dev, executable.st_ino), digest
    )


class ProcessHandle:
    """A proved process, held by a pidfd: a reused number can not be mistaken for it."""

    def __init__(self, identity: ProcessIdentity, descriptor: int) -> None:
        self.identity = identity
        self._descriptor = descriptor

    @property
    def is_alive(self) -> bool:
        """Say whether it still runs; positive evidence both ways."""
        return not select.select([self._descriptor], [], [], 0)[0]

    async def wait_gone(self, limit_s: float) -> bool:
        """Wait until it ended; say whether it did."""
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


_NOTHING_PASSED: Final[Mapping[int, int]] = MappingProxyType({})


def spawn(
    argv: Sequence[str],
    *,
    program: str,
    folder: Path,
    log: Path,
    groups: Sequence[Path],
    descriptors: Mapping[int, int] = _NOTHING_PASSED,
) -> int:
    """Start a program that outlives us: own session, no pipes to us, its own control groups.

    ``argv[0]`` is the name under which it runs. ``descriptors`` says which of ours it gets,
    by the number under which it finds each.

    Raises:
        OSError: it cannot be started, or may not enter its groups.
    """
    with _numbered(descriptors) as passed:
        return _spawn(argv, program, folder, log, groups, passed)


@contextlib.contextmanager
def _numbered(descriptors: Mapping[int, int]) -> Iterator[Sequence[int]]:
    """Give our descriptors the numbers that a new process finds them under, for a moment.

    Raises:
        OSError: a number is in use, or beyond what we may open.
    """
    with ExitStack() as stack:
        for number, descriptor in descriptors.items():
            copy = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, number)
            stack.callback(os.close, copy)
            if copy != number:
                raise OSError(errno.EBUSY, f"descriptor {number} is in use")
        yield tuple(descriptors)


def _spawn(
    argv: Sequence[str],
    program: str,
    folder: Path,
    log: Path,
    groups: Sequence[Path],
    passed: Sequence[int],
) -> int:
    doors = [os.open(group, os.O_WRONLY | os.O_CLOEXEC) for group in groups]
    try:
        with log.open("ab") as errors:
            process = subprocess.Popen(
                list(argv),
                executable=program,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                cwd=folder,
                env=CLEAN_ENVIRONMENT,
                start_new_session=True,
                close_fds=True,
                pass_fds=passed,
                umask=0o077,
                # Before exec, so that no child of it can stay behind in our groups.
                preexec_fn=functools.partial(cgroup.enter, doors),  # noqa: PLW1509
            )
    except subprocess.SubprocessError as error:
        raise OSError(f"the new process could not enter its control groups: {error}") from error
    finally:
        for door in doors:
            os.close(door)
    # The handle reaps through its pidfd; Popen must not warn about a child it still sees.
    process.returncode = 0
    return process.pid


def threads_without_seccomp(pid: int) -> list[str]:
    """Return the names of a process's threads that may make every system call.

    Each thread has a filter of its own. What cannot be read is not told of.
    """
    found = []
    for status in (_PROC / str(pid) / "task").glob("*/status"):
        with contextlib.suppress(OSError):
            fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines())
            if fields.get("Seccomp") == "0":
                found.append(fields["Name"])
    return sorted(found)


def executable_of(pid: int) -> str:
    """Return the path of what a process executes, also when the file was replaced since.

    Raises:
        OSError: the process is gone, or may not be looked at.
    """
    return str((_PROC / str(pid) / "exe").readlink()).removesuffix(" (deleted)")


def list_command_lines() -> Iterator[tuple[int, list[str]]]:
    """Return every process with its command line, as far as it may be read."""
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                argv = (entry / "cmdline").read_bytes().decode(errors="surrogateescape")
                yield int(entry.name), argv.split("\0")
