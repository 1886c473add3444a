"""The agent's side of the process that starts VMMs: asked for a program, told its pid.

A copy of the agent itself, with all its memory and threads, took ten times as long, and
no Python code is safe in it.
"""

import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from schedune_agent.system.child import CLEAN_ENVIRONMENT
from schedune_agent.system.descriptors import is_ready, soft_limit

_CHILD: Final = Path(__file__).with_name("launcher_child.py")
_ANSWER_SECONDS: Final = 10.0
_LONGEST_WORDS: Final = 400


@dataclass(frozen=True, slots=True)
class VmUser:
    """Who a program is on this machine."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    """Supplementary groups: those of the devices that it needs."""


@dataclass(frozen=True, slots=True)
class Reach:
    """The only files that a program can open (Landlock), with all that is below folders.

    What is not there is left out. What it finds open already is not touched by this. A program
    that is no static one reaches its interpreter too, and the folders of its RUNPATH.
    """

    reads: tuple[Path, ...]
    """To be read, and executed."""
    writes: tuple[Path, ...]
    """To be read and written; below folders also made and removed."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a new program gets of us; there is nothing else that it gets."""

    program: str
    """The file that is executed; ``argv[0]`` is only a name."""
    folder: Path
    """Where it begins."""
    log: int
    """Descriptor of the file for its complaints."""
    doors: Sequence[Path] = ()
    """``cgroup.procs`` of the control groups that it begins in."""
    user: VmUser | None = None
    """None: whoever we are."""
    descriptors: Mapping[int, int] = field(default_factory=dict)
    """Open files by the number under which it finds them (3 and above); ours stay open."""
    namespaces: Sequence[Path] = ()
    """Those that it begins in, to be entered in this order (``system/place.py``)."""
    reach: Reach | None = None
    """None: every file that its user may open."""


class Launcher:
    """Starts programs; its process is begun with the first of them, or before."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._owner = 0
        self._files = soft_limit()
        """How many files its programs may have open: as we might, before we raised it."""

    def begin(self) -> socket.socket:
        """Have a process ready; one that is there is kept.

        Raises:
            OSError: it cannot be started.
        """
        self._forget_anothers()
        if self._socket is not None and self._process is not None and self._process.poll() is None:
            return self._socket
        self.end()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(_ANSWER_SECONDS)
        with theirs:
            numbers = theirs.fileno(), os.getpid(), self._files
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_CHILD), *map(str, numbers)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=CLEAN_ENVIRONMENT,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._socket, self._owner = ours, os.getpid()
        atexit.register(self.end)
        return ours

    def _forget_anothers(self) -> None:
        """After a fork of ours: the process is our parent's, and starts programs for it only."""
        if self._process is not None and self._owner != os.getpid():
            self._process.returncode = 0
            self._process = None
            self.end()

    def end(self) -> None:
        """Let the process go; what it started runs on."""
        atexit.unregister(self.end)
        self._forget_anothers()
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def launch(self, argv: Sequence[str], given: Given) -> int:
        """Start a program and return its pid, once it is executed.

        Raises:
            OSError: it was not; nothing of it is left.
        """
        hears, tells = os.pipe2(os.O_CLOEXEC)
        opened = list[int]()
        try:
            # One by one: those before one that is missing must be closed again.
            opened.extend(os.open(door, os.O_WRONLY | os.O_CLOEXEC) for door in given.doors)
            opened.extend(os.open(one, os.O_RDONLY | os.O_CLOEXEC) for one in given.namespaces)
            handed = [tells, given.log, *opened, *given.descriptors.values()]
            pid = self._ask(_message(argv, given), handed)
            os.close(tells)
            tells = -1
            _await_execution(pid, hears)
        finally:
            for one in (hears, tells, *opened):
                if one >= 0:
                    os.close(one)
        return pid

    def _ask(self, message: bytes, descriptors: Sequence[int]) -> int:
        door = self.begin()
        try:
            socket.send_fds(door, [message], descriptors)
            answer = door.recv(64)
            pid = int(answer) if answer else 0
        except OSError as error:
            self.end()
            raise OSError(f"the process that starts VMMs does not answer: {error}") from error
        if pid <= 0:
            self.end()
            raise OSError(-pid, "no process could be made")
        return pid


def _message(argv: Sequence[str], given: Given) -> bytes:
    user, reach = given.user, given.reach
    said = {
        "argv": list(argv),
        "program": given.program,
        "folder": str(given.folder),
        "environment": CLEAN_ENVIRONMENT,
        "doors": len(given.doors),
        "namespaces": len(given.namespaces),
        "numbers": list(given.descriptors),
        "user": {"uid": user.uid, "gid": user.gid, "groups": user.groups} if user else None,
        "reach": [list(map(str, reach.reads)), list(map(str, reach.writes))] if reach else None,
    }
    return json.dumps(said).encode()


def _await_execution(pid: int, report: int) -> None:
    """Wait until a new process executes its program: then its end of the pipe closes.

    Raises:
        OSError: it does not, and it is gone.
    """
    is_told = is_ready(report, _ANSWER_SECONDS)
    words = os.read(report, _LONGEST_WORDS) if is_told else b"it took too long"
    if not words:
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)  # our own child, not reaped yet: the number is still its
    os.waitpid(pid, 0)
    raise OSError(words.decode(errors="replace"))


LAUNCHER: Final = Launcher()
"""The one of this process."""
