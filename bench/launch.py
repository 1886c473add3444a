"""Launches and adoptions of real VMs on this machine: the agent against a bare exec.

Guests sleep from their first instruction, so that what is measured is the agent and QEMU.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from idle_vms import tell_idle
from table import tell, tell_machine

from schedune.api.vmplacement import PlacementState
from schedune_agent.placement_worker import PlacementWorker
from schedune_agent.preparation import Preparation
from schedune_agent.record import LaunchRecord, RecordStore
from schedune_agent.system import cgroup, processes
from schedune_agent.vmm import disk_making
from schedune_agent.vmm.carriers import CarrierSearch
from schedune_agent.vmm.qemu.argv import monitor_socket
from schedune_agent.vmm.qemu.qmp import QmpClient, QmpError
from schedune_agent.vmm.qemu.vm import QemuVm
from schedune_testing.control_plane import running_control_plane
from schedune_testing.interrupted import end_in_order_on_sigterm
from schedune_testing.machines import Machine, machine_of_this_host
from schedune_testing.vms import World, new_node

_LAUNCHES: Final = 15
_AT_ONCE: Final = 20
_ADOPTED: Final = 50
_PAIRS: Final = 3
_POLL_S: Final = 0.001
_DISK: Final = {"name": "scratch", "emptySize": "1Gi", "format": "Raw", "access": "Ephemeral"}
_STEPS: Final = (
    (RecordStore, "save", "records written and synced"),
    (Preparation, "objection", "live validation and plan"),
    (CarrierSearch, "find", "looking for a VM of an earlier agent"),
    (disk_making, "_write_in_folder", "overlay made and synced"),
    (cgroup, "make_groups", "control groups"),
    (processes, "spawn", "fork and exec"),
)


class Steps:
    """How long each step of a launch took, and when some ended."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.took: dict[str, list[float]] = defaultdict(list)
        self.ended: dict[str, float] = {}
        for owner, name, what in _STEPS:
            patch.setattr(owner, name, self._timed(getattr(owner, name), what))
        answered = QemuVm.await_control

        async def await_control(vm: QemuVm) -> None:
            await answered(vm)
            self.ended["control"] = time.perf_counter()

        patch.setattr(QemuVm, "await_control", await_control)

    def _timed(self, inner: Callable[..., Any], what: str) -> Callable[..., Any]:
        def timed(*arguments: Any, **options: Any) -> Any:
            began = time.perf_counter()
            try:
                found = inner(*arguments, **options)
                return list(found) if isinstance(found, Iterator) else found
            finally:
                self.ended[what] = time.perf_counter()
                self.took[what].append(self.ended[what] - began)

        return timed


def _clock() -> datetime:
    return datetime.now(UTC)


def _is_running(record: LaunchRecord) -> bool:
    return record.state is PlacementState.RUNNING


@contextmanager
def _worlds(machine: Machine, number: int, **launch: object) -> Iterator[list[World]]:
    still = {"kernel": {"artifact": "still"}, "initrd": None, **launch}
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        worlds = [World(machine, patch, **still) for _ in range(number)]
        for world in worlds:
            stack.callback(world.close)
        yield worlds


def _workers(machine: Machine, worlds: Sequence[World]) -> list[PlacementWorker]:
    """Begin as an agent does: records are read, claims are held."""
    node = new_node(machine, RecordStore(machine.settings.state_directory), _clock)
    records = node.records.load_all()
    workers = [PlacementWorker(node, one.placement, records.get(one.uid)) for one in worlds]
    for worker in workers:
        worker.hold_claim()
    return workers


async def _until_running(worker: PlacementWorker) -> None:
    while True:
        pause = await worker.step()
        if _is_running(worker.record) and worker._is_proved:  # noqa: SLF001
            return
        if worker.record.ended is not None:
            raise SystemExit(f"a VM did not start: {worker.record.trace[-1].message}")
        await asyncio.sleep(min(pause, 0.01))


async def _launch(machine: Machine, worlds: Sequence[World]) -> float:
    began = time.perf_counter()
    workers = _workers(machine, worlds)
    await asyncio.gather(*map(_until_running, workers))
    took = time.perf_counter() - began
    for worker in workers:
        worker.let_go()
    await asyncio.sleep(0)
    return took


def _tell_one(machine: Machine) -> None:
    """Print one launch step by step, and against a bare exec."""
    to_exec, to_control, bare = [list[float]() for _ in range(3)]
    with pytest.MonkeyPatch.context() as patch:
        steps = Steps(patch)
        for _ in range(_LAUNCHES):
            with _worlds(machine, 1, disks=[_DISK]) as (world,):
                began = time.perf_counter()
                asyncio.run(_launch(machine, [world]))
                to_exec.append(steps.ended["fork and exec"] - began)
                to_control.append(steps.ended["control"] - steps.ended["fork and exec"])
                bare.append(_bare_exec(world))
    median = statistics.median
    tell("placement seen -> exec, p50", f"{1000 * median(to_exec):.1f} ms", "<= 60 ms")
    for what, took in steps.took.items():
        calls = len(took) / _LAUNCHES
        each = 1000 * sum(took) / _LAUNCHES
        tell(f"  {what}, {calls:.1f} times a launch", f"{each:.1f} ms")
    tell("exec -> control socket answered, p50", f"{1000 * median(to_control):.1f} ms")
    tell("bare exec of the same argv -> answered, p50", f"{1000 * median(bare):.1f} ms")
    tell(
        "exec -> answered, against bare", f"{median(to_control) / median(bare):.2f} x", "<= 1.15 x"
    )


def _bare_exec(world: World) -> float:
    """End the VM, run its very command line with nothing around it; return the seconds."""
    argv, group = world.record.argv, world.vms()
    for pid in group:
        handle = os.pidfd_open(pid)
        os.kill(pid, 9)
        os.waitid(os.P_PIDFD, handle, os.WEXITED)
        os.close(handle)
    socket = monitor_socket(world.paths)
    socket.unlink()
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    spawned = time.perf_counter()
    try:
        asyncio.run(_answered(socket))
        return time.perf_counter() - spawned
    finally:
        process.kill()
        process.wait()


async def _answered(socket: Path) -> None:
    while True:
        try:
            client = await QmpClient.connect(socket)
        except QmpError:
            await asyncio.sleep(_POLL_S)
            continue
        client.close()
        await asyncio.sleep(0)
        return


def _tell_many(machine: Machine) -> None:
    """Print launches at once against one beside them, and an adoption of many."""
    cores, alone, together = os.cpu_count() or 1, list[float](), list[float]()
    for _ in range(_PAIRS):
        for number, took in ((1, alone), (_AT_ONCE, together), (1, alone)):
            with _worlds(machine, number, disks=[_DISK]) as worlds:
                took.append(asyncio.run(_launch(machine, worlds)))
    one, all_s = statistics.median(alone), statistics.median(together)
    bound = 1.5 * _AT_ONCE / cores
    tell("one launch, seen -> running, p50", f"{one:.2f} s")
    tell(f"{_AT_ONCE} at once", f"{all_s:.2f} s, {all_s / one:.1f} x", f"<= {bound:.1f} x")
    with _worlds(machine, _ADOPTED) as worlds:
        for start in range(0, _ADOPTED, 10):
            asyncio.run(_launch(machine, worlds[start : start + 10]))
        adopted = [asyncio.run(_launch(machine, worlds)) for _ in range(5)]
    tell(f"adoption of {_ADOPTED} VMs, p50 of 5", f"{statistics.median(adopted):.2f} s", "<= 1 s")


def _roomy(machine: Machine) -> Machine:
    """Offer what so many sleeping guests claim: they use next to nothing of it."""
    room = {"vcpus": _ADOPTED, "memory": f"{_ADOPTED}Gi"}
    capacity = machine.facts.capacity.model_copy(update=room)
    return replace(machine, facts=machine.facts.model_copy(update={"capacity": capacity}))


def main() -> None:
    """Print the table."""
    end_in_order_on_sigterm()
    tell_machine("at the start")
    with machine_of_this_host(boots=False) as found:
        machine = _roomy(found)
        _tell_one(machine)
        _tell_many(machine)
        with tempfile.TemporaryDirectory(prefix="schedune-bench-") as name:
            folder = Path(name) / "control-plane"
            folder.mkdir()
            with running_control_plane(folder) as plane:
                tell_idle(plane, machine, Path(name))
    tell_machine("at the end")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
