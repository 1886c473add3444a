"""What a control group of ours holds its VM to, in v1 and in v2, and what became of it.

Whether a limit holds is read from the kernel afterwards: one that could not be set is told.
The set of CPUs is left as the node has it.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schedune_agent.system.cgroup import PARENT, ROOT, hierarchies

CONTROLLERS: Final = ("memory", "pids", "cpu")
_PROCESSES: Final = 256
_PROCESSES_PER_VCPU: Final = 8
"""A VMM's threads: one for each vCPU, and up to some dozens that wait for disks."""
_SHARES: Final = 1024
_MOST_SHARES: Final = 262144
_WEIGHT: Final = 100
_MOST_WEIGHT: Final = 10000
_PAGE: Final = 65536
"""Memory is counted in whole pages; there are none that are larger."""
_KILLS: Final = ("memory.events", "memory.oom_control")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one VM may use."""

    memory_bytes: int
    """Guest memory and the VMM's overhead; nothing of it is swapped where that can be said."""
    vcpus: int
    """By which it is weighed against others when all want the CPU."""

    def files(self) -> Iterator[tuple[str, str, int]]:
        """Give controller, file and value; of v1 and v2 only the ones that exist are written."""
        memory, processes = self.memory_bytes, _PROCESSES + _PROCESSES_PER_VCPU * self.vcpus
        yield "memory", "memory.max", memory
        yield "memory", "memory.limit_in_bytes", memory
        yield "pids", "pids.max", processes
        yield "cpu", "cpu.weight", min(_MOST_WEIGHT, _WEIGHT * self.vcpus)
        yield "cpu", "cpu.shares", min(_MOST_SHARES, _SHARES * self.vcpus)


_SWAP: Final = (("memory.swap.max", 0), ("memory.memsw.limit_in_bytes", None))
"""After the limit of memory itself; v1 counts memory and swap together."""


def set_limits(name: str, limits: Limits, root: Path = ROOT) -> None:
    """Hold the groups of this name to limits, as far as the kernel lets us."""
    for group in _groups(name, root):
        for _, file, value in limits.files():
            _write(group / file, value)
        for file, swap in _SWAP:
            _write(group / file, limits.memory_bytes if swap is None else swap)


def missing_limits(name: str, limits: Limits, root: Path = ROOT) -> list[str]:
    """Return the controllers whose limits do not hold, with what the kernel says instead."""
    held, told = set[str](), dict[str, str]()
    for group in _groups(name, root):
        for controller, file, value in limits.files():
            found = _read(group / file)
            if found is None:
                continue
            less = value - int(found) if found.isdecimal() else -1
            if 0 <= less < (_PAGE if controller == "memory" else 1):
                held.add(controller)
            else:
                told[controller] = f"{controller} ({file} is {found[:32]}, not {value})"
    return [told.get(one, f"{one} (no such controller)") for one in CONTROLLERS if one not in held]


def memory_kills(name: str, root: Path = ROOT) -> int:
    """Return how often the kernel ended a process of the groups for want of their memory."""
    found = 0
    for group in _groups(name, root):
        for file in _KILLS:
            for line in (_read(group / file) or "").splitlines():
                what, _, number = line.partition(" ")
                if what == "oom_kill" and number.isdecimal():
                    found += int(number)
    return found


def _groups(name: str, root: Path) -> list[Path]:
    return [one / PARENT / name for one in hierarchies(root)]


def _write(file: Path, value: int) -> None:
    if file.exists():
        with contextlib.suppress(OSError):
            file.write_text(str(value))


def _read(file: Path) -> str | None:
    try:
        return file.read_text().strip()
    except OSError:
        return None
