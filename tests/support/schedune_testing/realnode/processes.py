"""A process of a real node, looked at from outside of it: whose it is, and what it holds."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schedune_testing.realnode.machine import Machine

_NAMESPACES: Final = ("mnt", "net", "ipc", "uts", "cgroup")
_SECRETS: Final = ("var/run/secrets", "run/secrets")


@dataclass(frozen=True)
class Seen:
    """What tells one process from every other, and where it is."""

    pid: int
    start_time: int
    machine: Machine

    @property
    def groups(self) -> list[str]:
        """Return its control group in each hierarchy, as the node sees them."""
        found = self.machine.run("cat", f"/proc/{self.pid}/cgroup")
        assert found.returncode == 0, found.stderr
        return [line.split(":", 2)[2] for line in found.stdout.splitlines()]

    def shares_with_node(self) -> dict[str, bool]:
        """Say of each namespace whether it is that of the node's first process."""
        return {
            kind: self._namespace(kind, self.pid) == self._namespace(kind, 1)
            for kind in _NAMESPACES
        }

    def _namespace(self, kind: str, pid: int) -> str:
        return self.machine.run("readlink", f"/proc/{pid}/ns/{kind}").stdout.strip()

    def status(self, field: str) -> str:
        """Return a field of /proc/PID/status."""
        lines = self.machine.read(f"/proc/{self.pid}/status").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith(f"{field}:"))

    def oom_score_adj(self) -> int:
        """Return how much more than others it is a victim when memory ends."""
        return int(self.machine.read(f"/proc/{self.pid}/oom_score_adj"))

    def tokens_in_reach(self) -> list[Path]:
        """Return the files below its root at the places of a pod's secrets."""
        root = Path(f"/proc/{self.machine.pid}/root/proc/{self.pid}/root")
        return [one for place in _SECRETS for one in (root / place).rglob("*")]

    def open_files(self) -> Iterator[str]:
        """Yield what it has open, as the node names it."""
        listed = self.machine.run("ls", "-l", f"/proc/{self.pid}/fd").stdout
        for line in listed.splitlines():
            if " -> " in line:
                yield line.split(" -> ", 1)[1]


def look(machine: Machine, pid: int) -> Seen | None:
    """Return a process of the node; None: there is none of this number."""
    try:
        stat = machine.read(f"/proc/{pid}/stat")
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state == "Z" else Seen(pid, int(fields[18]), machine)
