"""A node's disk that is full under a guest: it stands still, is told of, and goes on by itself.

A real QEMU and a real guest, whose writes are kept on a file system of 2 MiB.
"""

import asyncio
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from schedune.api.vmplacement import PlacementState
from schedune.codes.table import TABLE
from schedune_agent.placement_worker import PlacementWorker
from schedune_agent.record import LaunchRecord
from schedune_agent.vmm.console_log import ConsoleLog
from schedune_agent.vmm.process import VMS
from schedune_agent.vmm.qemu.argv import second_monitor_socket
from schedune_agent.vmm.qemu.qmp import QmpClient

S = PlacementState
NewWorld = Callable[..., Any]
NO_ROOM = "ERR_EXEC_NO_ROOM_FOR_WRITES"
ROOT = {"name": "root", "artifact": "data", "format": "Raw", "access": "Ephemeral"}
LAUNCH: dict[str, Any] = {
    "disks": [ROOT], "commandLine": "console=ttyS0 quiet schedune.test=disks",
    "terminationGraceSeconds": 60,
}  # fmt: skip
TOOK = b"disk root took a write"


class SmallDisk:
    """What VMs write is on it; there is room, or there is none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        with self._filler.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                assert os.statvfs(self.folder).f_bfree == 0

    def make_room(self) -> None:
        self._filler.unlink()


@pytest.fixture
def disk(machine: Any) -> Iterator[SmallDisk]:
    folder = machine.settings.state_directory / VMS
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=711", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode:
        pytest.skip("not given: the right to mount")
    yield SmallDisk(folder)
    unmount = ["umount", "--lazy", str(folder)]
    subprocess.run(unmount, check=True)


def told_no_room(record: LaunchRecord) -> bool:
    return record.state is S.DEGRADED and record.trace[-1].code == NO_ROOM


def runs(record: LaunchRecord) -> bool:
    return record.state is S.RUNNING


def has_written(world: Any) -> Callable[[LaunchRecord], bool]:
    return lambda record: runs(record) and TOOK in ConsoleLog(world.paths.kept).whole()


def is_over(record: LaunchRecord) -> bool:
    return record.ended is not None


async def standing_still(world: Any, disk: SmallDisk) -> PlacementWorker:
    """Let a guest begin, and leave it no room before it writes."""
    worker: PlacementWorker = world.new_agent()
    await world.carry_on(worker, runs)
    disk.fill()
    await world.carry_on(worker, told_no_room)
    return worker


async def end(world: Any, worker: PlacementWorker) -> float:
    """End it in order; return how long that took."""
    began = time.monotonic()
    world.delete()
    worker.placement = world.placement
    await world.carry_on(worker, is_over)
    took = time.monotonic() - began
    await world.carry_on(worker, lambda _: not world.remains())
    worker.let_go()
    return took


async def test_a_guest_without_room_says_so_and_goes_on_by_itself_when_there_is_some(
    new_world: NewWorld, disk: SmallDisk
) -> None:
    world = new_world(**LAUNCH)
    worker = await standing_still(world, disk)
    (ready,) = [one for one in worker.status()["conditions"] if one["type"] == "Ready"]
    assert (ready["status"], ready["reason"]) == ("False", "NoRoomForWrites")
    assert str(world.settings.state_directory) in ready["message"]
    assert "make room" in TABLE[NO_ROOM].remedy
    told = len(worker.record.trace)
    began = time.monotonic()
    await world.carry_on(worker, lambda _: time.monotonic() - began > 12)
    assert (worker.record.state, len(worker.record.trace)) == (S.DEGRADED, told)
    assert TOOK not in ConsoleLog(world.paths.kept).whole()
    disk.make_room()
    await world.carry_on(worker, has_written(world))
    assert [one.code for one in worker.record.trace[told:]] == ["GUEST_READY"]
    assert len(world.vms()) == 1
    await end(world, worker)


async def test_one_that_is_found_again_by_a_new_agent_goes_on_as_well(
    new_world: NewWorld, disk: SmallDisk
) -> None:
    world = new_world(**LAUNCH)
    (await standing_still(world, disk)).let_go()
    worker = world.new_agent()
    began = time.monotonic()
    await world.carry_on(worker, lambda _: time.monotonic() - began > 2)
    assert worker.record.state is S.DEGRADED
    assert "GUEST_SILENT" not in [one.code for one in worker.record.trace]
    disk.make_room()
    await world.carry_on(worker, has_written(world))
    await end(world, worker)


async def test_one_that_is_to_end_goes_on_first_and_so_hears_of_it(
    new_world: NewWorld, disk: SmallDisk
) -> None:
    world = new_world(**LAUNCH)
    worker = await standing_still(world, disk)
    disk.make_room()
    took = await end(world, worker)
    assert worker.record.ended.reason == "GuestPoweredOff"
    assert took < 30


async def test_a_guest_that_somebody_paused_stays_so(
    new_world: NewWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("schedune_agent.placement_watch.HEARTBEAT_SECONDS", 0.5)
    world = new_world(kernel={"artifact": "still"}, initrd=None, commandLine=None)
    worker = world.new_agent()
    await world.carry_on(worker, runs)
    monitor = await QmpClient.connect(second_monitor_socket(world.paths))
    await monitor.execute("stop")
    await world.carry_on(worker, lambda record: record.state is S.DEGRADED)
    await asyncio.sleep(0.6)
    await worker.step()
    assert worker.record.trace[-1].code == "GUEST_SILENT"
    assert (await monitor.execute("query-status"))["status"] == "paused"
    monitor.close()
    await end(world, worker)
