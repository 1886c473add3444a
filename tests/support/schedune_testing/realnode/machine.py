"""A machine of our own out of namespaces: its processes, mounts, network and control groups.

What is in it ends with its first process, the mounts and the network too: nothing has to
be taken down piece by piece (reference/daemonset-measured.md 1). Only some settings of the
kernel are everybody's; they are put back.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schedune_lab.cache import cache_directory, only_one
from schedune_lab.machine import ensure_busybox
from schedune_lab.processes import identify, start
from schedune_testing.realnode import hierarchies
from schedune_testing.realnode.addresses import Tree
from schedune_testing.realnode.init import READY

_SETTINGS: Final = (
    "kernel.panic", "kernel.panic_on_oops", "vm.overcommit_memory", "vm.panic_on_oom",
    "kernel.keys.root_maxkeys", "kernel.keys.root_maxbytes",
)  # fmt: skip
"""What a kubelet sets for the whole kernel."""
_START_S: Final = 30.0
_SUPPORT: Final = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Machine:
    """A machine of our own, running."""

    tree: Tree
    pid: int
    """Its first process, as it is numbered outside."""

    def run_part(
        self, name: str, argv: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> None:
        """Have its init run a program, from now on and again when it ends."""
        told = {"argv": list(argv), "environment": dict(environment or {})}
        fresh = self.tree.parts / f"{name}.new"
        fresh.write_text(json.dumps(told))
        fresh.replace(self.tree.parts / f"{name}.json")

    def pid_of(self, part: str) -> int:
        """Return a part's process, as it is numbered inside; 0: it was not started yet."""
        file = self.tree.parts / f"{part}.pid"
        return int(file.read_text()) if file.exists() else 0

    def inside(self, *argv: str) -> Sequence[str]:
        """Return the command line that runs a command inside."""
        return ["nsenter", "-t", str(self.pid), "-m", "-n", "-i", "-u", "-p", "-C", "--", *argv]

    def run(
        self, *argv: str, stdin: str | None = None, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside, whatever comes of it."""
        return subprocess.run(
            self.inside(*argv),
            input=stdin if stdin is not None else "",
            env={**os.environ, **(environment or {})},
            check=False,
            capture_output=True,
            text=True,
        )

    def read(self, path: str) -> str:
        """Read a file as it is inside.

        Raises:
            OSError: it is not there.
        """
        return Path(f"/proc/{self.pid}/root{path}").read_text(errors="replace")


@contextmanager
def running_machine(folder: Path) -> Iterator[Machine]:
    """Run a machine of our own as long as the context lasts, one at a time on this computer."""
    tree = Tree(folder)
    tree.make()
    with ExitStack() as stack:
        stack.enter_context(only_one("node"))
        hierarchies.remove_abandoned()
        stack.enter_context(_kernel_settings_kept())
        branch = stack.enter_context(hierarchies.branch())
        pid = stack.enter_context(_first_process(tree, branch))
        _await_file(tree.root / READY, tree)
        yield Machine(tree, pid)


@contextmanager
def _first_process(tree: Tree, branch: str) -> Iterator[int]:
    busybox = ensure_busybox()
    mounts = hierarchies.mounts(Path("/proc/self/mountinfo").read_text())
    enter = (
        "import os, sys; sys.path.insert(0, sys.argv[1]);"
        "from schedune_testing.realnode.hierarchies import enter; enter(sys.argv[2]);"
        "os.execvp(sys.argv[3], sys.argv[3:])"
    )
    argv = [
        "setpriv", "--pdeathsig", "KILL",  # with us, also when we are killed
        sys.executable, "-c", enter, str(_SUPPORT), branch,
        "unshare", "-m", "-p", "-n", "-u", "-i", "-C", "-f", "--kill-child=KILL",
        "--propagation", "private", "--",
        sys.executable, "-m", "schedune_testing.realnode.init", str(tree.root),
        json.dumps(mounts), str(busybox),
    ]  # fmt: skip
    environment = {"PYTHONPATH": str(_SUPPORT), "PYTHONDONTWRITEBYTECODE": "1"}
    process = start(argv, tree.logs / "init.log", environment=environment)
    try:
        yield _child_of(process, tree)
    finally:
        found = _children(process.pid)
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(
                    pid, signal.SIGKILL
                )  # its parent has not collected it: it is still this one
        process.wait(timeout=_START_S)


def _child_of(process: "subprocess.Popen[bytes]", tree: Tree) -> int:
    """Return the one child of ``unshare``: the machine's first process."""
    deadline = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < deadline:
        children = _children(process.pid)
        if children and _runs_init(children[0]):
            return children[0]
        time.sleep(0.02)
    raise AssertionError(f"no machine of our own: {_words(tree)}")


def _children(pid: int) -> list[int]:
    try:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def _runs_init(pid: int) -> bool:
    identity = identify(pid)
    return identity is not None and b"realnode.init" in Path(f"/proc/{pid}/cmdline").read_bytes()


def _await_file(file: Path, tree: Tree) -> None:
    deadline = time.monotonic() + _START_S
    while not file.exists():
        assert time.monotonic() < deadline, f"the machine does not come up: {_words(tree)}"
        time.sleep(0.02)


def _words(tree: Tree) -> str:
    log = tree.logs / "init.log"
    return log.read_text(errors="replace")[-2000:] if log.exists() else "it said nothing"


@contextmanager
def _kernel_settings_kept() -> Iterator[None]:
    """Put back what a kubelet changes, also what one did whose test was killed."""
    kept = cache_directory() / "node-sysctls.json"
    if not kept.exists():
        held = {name: _setting(name).read_text() for name in _SETTINGS if _setting(name).exists()}
        fresh = kept.with_suffix(".new")
        fresh.write_text(json.dumps(held))
        fresh.replace(kept)
    held = json.loads(kept.read_text())
    try:
        yield
    finally:
        for name, value in held.items():
            if _setting(name).read_text() != value:
                _setting(name).write_text(value)
        kept.unlink()


def _setting(name: str) -> Path:
    return Path("/proc/sys") / name.replace(".", "/")
