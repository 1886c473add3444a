"""What happens to an agent's world at a moment of its work, beside its own death.

Everything here is the harness's: it uses nothing of the agent that is struck.
"""

import contextlib
import os
import random
import signal
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from stage import Stage, fill, make_room

from schedune_agent.system import cgroup, processes
from schedune_agent.vmm.markers import find_marked

Strike = Callable[["Struck"], None]
_SILENCES_S = (0.05, 0.3, 1.2)


class Struck:
    """One agent's process, seen from inside it, while it is struck."""

    def __init__(self, stage: Stage, uids: Sequence[str], chance: random.Random) -> None:
        self.stage = stage
        self.uids = uids
        self.chance = chance
        self.skew = timedelta()
        self.later: dict[int, Callable[[], None]] = {}
        """What happens so many moments from now."""

    def after(self, moments: int, what: Callable[[], None]) -> None:
        self.later[moments] = what

    def vms(self) -> list[int]:
        cluster = self.stage.machine.settings.cluster_uid
        return [pid for uid in self.uids for pid in find_marked(uid, cluster)]


def kill_vmm(struck: Struck) -> None:
    for pid in struck.vms():
        os.kill(pid, signal.SIGKILL)
        struck.stage.note_killed(pid)


def stop_vmm(struck: Struck) -> None:
    """Silence it by SIGSTOP for a while; it goes on by itself, whatever the agent does."""
    for pid in struck.vms():
        os.kill(pid, signal.SIGSTOP)
        wake = threading.Timer(struck.chance.choice(_SILENCES_S), _wake, [pid])
        wake.daemon = True
        wake.start()


def _wake(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def jump_clock(struck: Struck) -> None:
    hours = struck.chance.choice((-24 * 400, -24, -1, -0.01, 0.01, 1, 24, 24 * 400))
    struck.skew += timedelta(hours=hours)


def fill_disk(struck: Struck) -> None:
    """Fill the state directory's file system, for a while."""
    fill(struck.stage)
    struck.after(struck.chance.randrange(4, 40), lambda: make_room(struck.stage))


def forbid_looking(struck: Struck) -> None:
    """Answer EPERM to the next looks at any process."""
    inner, left = processes.read_identity, [struck.chance.randrange(1, 6)]

    def read_identity(pid: int, boot_id: str) -> Any:
        if left[0] > 0:
            left[0] -= 1
            raise PermissionError(1, "not yours to look at", f"/proc/{pid}/exe")
        return inner(pid, boot_id)

    processes.read_identity = read_identity


def lose_cgroups(struck: Struck) -> None:
    """Move the VM out of its groups and remove them, as a careless administrator does."""
    for root in cgroup.hierarchies():
        for uid in struck.uids:
            _dissolve(root, root / cgroup.PARENT / uid)


def _dissolve(root: Path, group: Path) -> None:
    with contextlib.suppress(OSError):
        for pid in (group / "cgroup.procs").read_text().split():
            (root / "cgroup.procs").write_text(pid)
        group.rmdir()


STRIKES: dict[str, Strike] = {
    "VMM killed": kill_vmm,
    "VMM stopped (SIGSTOP), then going on": stop_vmm,
    "clock jumps": jump_clock,
    "no space left (ENOSPC)": fill_disk,
    "EPERM on looking": forbid_looking,
    "cgroup gone": lose_cgroups,
}
