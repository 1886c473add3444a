"""The agent of this machine: a probe round, the size of its truth, and what it costs all day."""

import argparse
import asyncio
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from machine import probes_of, settings_in
from reading import files_read_by, read_once
from sizes import tell_sizes
from steady import tell_steady
from table import tell, tell_machine

from schedune.api.nodetruth import NodeTruthStatus
from schedune_agent import probes as probes_package
from schedune_agent.facts import Probes
from schedune_agent.system.child import run_child
from schedune_testing.control_plane import running_control_plane
from schedune_testing.interrupted import end_in_order_on_sigterm

_KVM_CHILD: Final = Path(probes_package.__file__).with_name("kvm_child.py")
_KVM_DEADLINE_S: Final = 5.0
_TIMES: Final = 9


class Used:
    """Wall and CPU seconds of what is done within it, children that ended included."""

    def __enter__(self) -> "Used":
        self._wall, self._cpu = time.perf_counter(), _cpu_s()
        self.wall_s = self.cpu_s = 0.0
        return self

    def __exit__(self, *_: object) -> None:
        self.wall_s, self.cpu_s = time.perf_counter() - self._wall, _cpu_s() - self._cpu


def _cpu_s() -> float:
    found = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in found)


async def _round(probes: Probes) -> tuple[NodeTruthStatus, Used]:
    with Used() as used:
        facts = await probes.take_facts()
    return facts, used


async def _measure_rounds(make: Callable[[], Probes]) -> None:
    """Print the first round, in which everything is asked, and a later one."""
    with Used() as kvm:
        await run_child([sys.executable, "-S", str(_KVM_CHILD)], deadline_s=_KVM_DEADLINE_S)
    tell("strong KVM probe, alone: wall / CPU", _both(kvm), "<= 1 s, on change only")
    probes = make()
    facts, first = await _round(probes)
    tell("first round, all asked: wall / CPU", _both(first), "<= 3 s")
    apart = max(0.0, first.cpu_s - kvm.cpu_s)
    tell("first round: CPU without the KVM probe", f"{apart * 1000:.1f} ms", "<= 0.2 s")
    middle = _median([(await _round(probes))[1] for _ in range(_TIMES)])
    tell(f"later round, median of {_TIMES}: wall / CPU", _both(middle), "<= 3 s / 0.2 s")
    slowest = sorted(facts.probes, key=lambda one: -one.duration_milliseconds)
    for one in slowest[:8]:
        tell(f"first round: probe {one.name}", f"{one.duration_milliseconds} ms")
    await _measure_baseline(probes, middle)


async def _measure_baseline(probes: Probes, middle: Used) -> None:
    """Print what a bare loop needs that reads the same files once."""
    files = await files_read_by(probes.take_facts)
    size, loops = read_once(files), []
    for _ in range(_TIMES):
        with Used() as loop:
            read_once(files)
        loops.append(loop)
    loop = _median(loops)
    tell(f"bare loop: {len(files)} files, {size} B, read once: wall / CPU", _both(loop))
    tell("later round against the bare loop, wall", f"{middle.wall_s / loop.wall_s:.1f} x")


def _median(rounds: list[Used]) -> Used:
    """Return the one in the middle by wall time."""
    return sorted(rounds, key=lambda one: one.wall_s)[len(rounds) // 2]


def _both(used: Used) -> str:
    return f"{used.wall_s * 1000:.1f} / {used.cpu_s * 1000:.1f} ms"


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long steady is measured")
    parser.add_argument("--settle", type=float, default=15.0, help="pause before that, in seconds")
    return parser.parse_args(argv)


def main() -> None:
    """Print the table."""
    told = _parse(sys.argv[1:])
    end_in_order_on_sigterm()
    tell_machine("at the start")
    with tempfile.TemporaryDirectory(prefix="schedune-bench-") as name:
        folder = Path(name)
        settings = settings_in(folder)
        asyncio.run(_measure_rounds(lambda: probes_of(settings)))
        plane_folder = folder / "control-plane"
        plane_folder.mkdir()
        with running_control_plane(plane_folder) as plane:
            asyncio.run(tell_sizes(plane, folder))
            tell_steady(plane, folder, told.settle, told.seconds)
    tell_machine("at the end")


if __name__ == "__main__":
    main()
