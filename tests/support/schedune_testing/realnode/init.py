"""The first process of a node in namespaces of its own: mounts, then starts and reaps.

Run as ``python -m schedune_testing.realnode.init ROOT HIERARCHIES``: what it shall run is
in ROOT/parts, a JSON file each, started in the order in which they appear and again when
they end, as an init would. HIERARCHIES are the control groups of the machine, as
``Hierarchy`` writes them, of which the node sees its own branch.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from schedune_lab.processes import start
from schedune_testing.realnode import addresses
from schedune_testing.realnode.addresses import Tree

READY: Final = "mounted"
_LOOK_S: Final = 0.05
_PAUSE_S: Final = 0.5
_CGROUPS: Final = Path("/sys/fs/cgroup")


def main() -> None:
    """Be the node's init for ever: it ends when it is killed, and all with it."""
    tree, hierarchies = Tree(Path(sys.argv[1])), json.loads(sys.argv[2])
    _mount_all(tree, hierarchies)
    _bring_up_network(sys.argv[3])
    (tree.root / READY).touch()
    _Init(tree).run()


def _mount_all(tree: Tree, hierarchies: "dict[str, list[str]]") -> None:
    _mount("proc", "proc", Path("/proc"))
    _mount("sysfs", "sysfs", Path("/sys"))
    if list(hierarchies) != [""]:
        _mount("tmpfs", "cgroups", _CGROUPS, "mode=755")
    for name, (kind, options) in hierarchies.items():
        point = _CGROUPS / name
        point.mkdir(exist_ok=True)
        _mount(kind, kind, point, options)
    if list(hierarchies) == [""]:
        _leave_the_root()
    _mount("tmpfs", "tmpfs", Path("/run"), "mode=755")
    for inside, outside in (
        ("/var/lib", tree.var_lib), ("/var/log", tree.var_log), ("/opt", tree.opt),
    ):  # fmt: skip
        subprocess.run(["/bin/mount", "--bind", str(outside), inside], check=True)


def _leave_the_root() -> None:
    """With cgroups v2 only groups without processes give controllers to those below them."""
    own = _CGROUPS / "init"
    own.mkdir()
    (own / "cgroup.procs").write_text("0")


def _mount(kind: str, source: str, point: Path, options: str = "") -> None:
    more = ["-o", options] if options else []
    subprocess.run(["/bin/mount", "-t", kind, *more, source, str(point)], check=True)


def _bring_up_network(busybox: str) -> None:
    for line in (
        "link set lo up",
        f"link add {addresses.LINK} type bridge",
        f"addr add {addresses.SERVER}/32 dev {addresses.LINK}",
        f"addr add {addresses.NODE}/32 dev {addresses.LINK}",
        f"link set {addresses.LINK} up",
    ):
        subprocess.run([busybox, "ip", *line.split()], check=True)


class _Init:
    """Starts what shall run, and collects whoever ends."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._running: dict[str, int] = {}
        self._next: dict[str, float] = {}

    def run(self) -> None:
        while True:
            self._reap()
            for file in sorted(
                self._tree.parts.glob("*.json"), key=lambda one: one.stat().st_mtime
            ):
                if (
                    file.stem not in self._running
                    and self._next.get(file.stem, 0) < time.monotonic()
                ):
                    self._start(file)
            time.sleep(_LOOK_S)

    def _start(self, file: Path) -> None:
        part = json.loads(file.read_text())
        log = self._tree.logs / f"{file.stem}.log"
        process = start(part["argv"], log, environment=part["environment"])
        process.returncode = 0  # collected below, with all others
        self._running[file.stem] = process.pid
        file.with_suffix(".pid").write_text(str(process.pid))

    def _reap(self) -> None:
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            for name in [name for name, one in self._running.items() if one == pid]:
                del self._running[name]
                self._next[name] = time.monotonic() + _PAUSE_S


if __name__ == "__main__":
    main()
