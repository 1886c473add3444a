"""No space at any write of a VM's life: one VM or a reason, nothing half written, nothing left.

A real QEMU with a guest of a few bytes; it is given one of everything that an agent writes
for a VM. Each life meets the fault later than the life before, so that every write meets it.
"""

import itertools
import json
import shutil
from collections.abc import Callable
from typing import Any

import pytest

from schedune.api.vmplacement import PlacementState
from schedune_agent.probes.persistent_disks import FOLDER
from schedune_agent.record import LaunchRecord, record_file
from schedune_agent.trace_log import TraceLog
from schedune_agent.vmm.persistent import OWNER
from schedune_testing.full_disk import FullDisk
from schedune_testing.traces import assert_moves_of_the_table

S = PlacementState
NewWorld = Callable[..., Any]
LIFE: dict[str, Any] = {
    "kernel": {"artifact": "still"},
    "initrd": None,
    "commandLine": None,
    "disks": [
        {"name": "root", "artifact": "data", "format": "Raw", "access": "Ephemeral"},
        {"name": "kept", "emptySize": "1Mi", "format": "Raw", "access": "Persistent"},
    ],
    "guest": {"hostname": "web-1"},
}
KINDS = {
    "mkdir run", "open record.json.new", "write record.json.new", "fsync record.json.new",
    "replace record.json", "write trace.log", "write console.log", "write seed.iso.new",
    "link kept.raw", "write owner.json.new",
}  # fmt: skip
"""Of the writes of a life; a test that met others only tested nothing."""
KEPT = {"record.json", "trace.log", "console.log", "vmm.log"}
NO_SPACE = "No space left on device"


def runs_or_failed(record: LaunchRecord) -> bool:
    return record.state in (S.RUNNING, S.FAILED) or record.ended is not None


def is_ended(record: LaunchRecord) -> bool:
    return record.ended is not None


def assert_whole(world: Any, record: LaunchRecord) -> None:
    """What is on disk is what the agent goes by, and its moves are of the table."""
    told = record.model_dump_json(by_alias=True)
    assert world.record == LaunchRecord.model_validate_json(told)
    assert_moves_of_the_table(record.trace)
    folder = record_file(world.settings.state_directory, world.uid).parent
    assert {one.name for one in folder.iterdir()} <= KEPT
    whole = iter(one.render() for one in record.trace)
    assert all(one.render() in whole for one in TraceLog(folder).entries()), "not in order"


def assert_kept_disk(world: Any) -> None:
    """What outlives the VM is there whole, with its owner, or not at all; then it is removed."""
    disks = world.settings.state_directory / FOLDER
    for file in (one for one in disks.rglob("*") if one.is_file()):
        assert file.name in (OWNER, "kept.raw")
        assert file.name == OWNER or file.stat().st_size == 2**20
        assert file.name != OWNER or json.loads(file.read_bytes()) == {"namespace": "default"}
    shutil.rmtree(disks, ignore_errors=True)


async def live(world: Any, disk: FullDisk, moment: int, writes: int) -> None:
    """Launch, and end what runs; the disk is full from the n-th write on, for so many."""

    def is_up(record: LaunchRecord) -> bool:
        assert len(world.vms()) <= 1, disk.failed
        return runs_or_failed(record)

    disk.fill(moment, writes)
    worker = world.new_agent()
    await world.carry_on(worker, is_up)
    if worker.record.state is S.RUNNING:
        assert world.vms() == [worker.record.process.pid], disk.failed
    else:
        assert worker.record.state is S.FAILED, disk.failed
        assert NO_SPACE in worker.record.trace[-1].message
    world.delete()
    worker.placement = world.placement
    await world.carry_on(worker, is_ended)
    await world.carry_on(worker, lambda _: not world.remains())
    assert (world.vms(), worker.record.incarnation) == ([], 1), disk.failed
    assert worker.trouble is None
    assert_kept_disk(world)
    assert_whole(world, worker.record)
    worker.let_go()


@pytest.mark.parametrize("writes", [1, 8], ids=["for-a-moment", "for-a-while"])
async def test_no_space_at_any_write_of_a_life_loses_no_vm_and_leaves_nothing(
    new_world: NewWorld, machine: Any, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    settings = machine.settings
    disk = FullDisk(monkeypatch, (settings.state_directory, settings.run_directory))
    met = set[str]()
    for moment in itertools.count(1, max(1, writes // 2)):
        await live(new_world(**LIFE), disk, moment, writes)
        if not disk.failed:
            break
        met.update(disk.failed)
    needed = KINDS if writes == 1 else {"fsync record.json.new"}  # it strides over others
    assert met >= needed, sorted(met)
