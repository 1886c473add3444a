"""The node that is played with: its folders, its machine's facts, what the harness did to it."""

import ctypes
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from schedune_testing.machines import Machine

_STATE_SIZE = "8m"
_SUBREAPER = 36
_BALLAST = "ballast"


@dataclass
class Stage:
    """One node, and what the harness itself did there."""

    machine: Machine
    folder: Path
    """For the harness: what the API server holds, what lives tell."""
    has_small_disk: bool
    """Whether the state directory is a small file system of its own, so that it can be full."""
    dead: set[int] = field(default_factory=set)
    """Children of ours that ended: an agent's VMMs become ours when it dies."""

    @property
    def killed(self) -> set[int]:
        """Return whom the harness killed."""
        path = self.folder / "killed"
        return {int(line) for line in path.read_text().split()} if path.exists() else set()

    def note_killed(self, pid: int) -> None:
        """Remember that this process was killed by the harness, not by an agent."""
        with (self.folder / "killed").open("a") as file:
            file.write(f"{pid}\n")

    def reap(self) -> None:
        """Collect the dead."""
        with suppress(ChildProcessError):
            while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
                self.dead.add(pid)


def fill(stage: Stage) -> None:
    """Leave no byte free where the records are."""
    if not stage.has_small_disk:
        return
    stage.machine.settings.state_directory.mkdir(exist_ok=True)
    descriptor = os.open(_ballast(stage), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        while True:
            os.write(descriptor, bytes(4096))
    except OSError:
        return
    finally:
        os.close(descriptor)


def make_room(stage: Stage) -> None:
    """Take the ballast away."""
    _ballast(stage).unlink(missing_ok=True)


def _ballast(stage: Stage) -> Path:
    return stage.machine.settings.state_directory / _BALLAST


@contextmanager
def stage_on(machine: Machine) -> Iterator[Stage]:
    """Set a stage: a small disk for the state where we may mount, and every orphan is ours."""
    ctypes.CDLL(None, use_errno=True).prctl(_SUBREAPER, 1, 0, 0, 0)
    state = machine.settings.state_directory
    state.mkdir()
    mounted = os.geteuid() == 0 and _run("mount", "-t", "tmpfs", "-o", f"size={_STATE_SIZE}",
                                         "schedune-chaos", str(state))  # fmt: skip
    folder = state.parent / "harness"
    folder.mkdir()
    stage = Stage(machine, folder, mounted)
    try:
        yield stage
    finally:
        if mounted:
            _run("umount", "-l", str(state))


def _run(*argv: str) -> bool:
    program = shutil.which(argv[0])
    if program is None:
        return False
    return subprocess.run([program, *argv[1:]], capture_output=True, check=False).returncode == 0


def end(pid: int) -> None:
    """Kill a process of the harness's."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
