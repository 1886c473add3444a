"""Persistent disks of real VMs: what a guest wrote is there for every later placement."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from schedune.api.vmplacement import PlacementState, Stop
from schedune.codes.table import TABLE
from schedune_agent.placement_worker import PlacementWorker
from schedune_agent.record import LaunchRecord

S = PlacementState
NewWorld = Callable[..., Any]
BOOTED = {"level": "Guest", "timeoutSeconds": 120}
KEPT = {"name": "root", "artifact": "data", "format": "Raw", "access": "Persistent"}
EMPTY = {"name": "new", "emptySize": "1Gi", "format": "Qcow2", "access": "Persistent"}
WRITES = "console=ttyS0 quiet schedune.test=disks"


def is_in(*states: PlacementState) -> Callable[[LaunchRecord], bool]:
    return lambda record: record.state in states


@pytest.fixture
def folder(machine: Any) -> Iterator[Path]:
    """Where the workload's disks are; it has none before and none after."""
    found = machine.settings.state_directory / "disks/namespace-uid/vm"
    assert not found.exists() or not list(found.iterdir())
    yield found
    for path in found.iterdir():
        path.unlink()


async def run_to(world: Any, *states: PlacementState) -> PlacementWorker:
    worker: PlacementWorker = world.new_agent()
    await world.carry_on(worker, is_in(*states, S.FAILED))
    assert worker.record.state in states, worker.record.trace
    return worker


async def console(worker: PlacementWorker) -> str:
    await worker._vm.keep_console()
    lines = worker._console.tail(20)
    told = [line.removeprefix("schedune-guest: ") for line in lines if "schedune-guest" in line]
    return "; ".join(line for line in told if line.startswith("disk"))


async def end(world: Any, worker: PlacementWorker) -> None:
    world.delete()
    worker.placement = world.placement
    await world.carry_on(worker, lambda record: record.ended is not None)
    await world.carry_on(worker, lambda _: not world.remains())
    worker.let_go()


async def test_what_a_guest_wrote_is_there_for_the_next_placement_of_its_workload(
    new_world: NewWorld, folder: Path
) -> None:
    first = new_world(readiness=BOOTED, disks=[KEPT, EMPTY], commandLine=WRITES)
    worker = await run_to(first, S.RUNNING)
    written = worker.record.readiness.guest_boot_id[:8]
    assert "disk root holds 'from the base', 2048 sectors" in await console(worker)
    await end(first, worker)
    assert {one.name for one in folder.iterdir()} == {"root.raw", "new.qcow2"}
    second = new_world(readiness=BOOTED, disks=[KEPT, EMPTY], commandLine=WRITES)
    worker = await run_to(second, S.RUNNING)
    told = await console(worker)
    for name in ("root", "new"):
        assert f"disk {name} holds 'written by {written}" in told
    await end(second, worker)


async def test_a_second_writer_of_a_disk_is_refused_before_its_vmm_is_started(
    new_world: NewWorld, folder: Path
) -> None:
    first, second = (
        new_world(kernel={"artifact": "kernel"}, disks=[KEPT], readiness=BOOTED) for _ in range(2)
    )
    worker = await run_to(first, S.RUNNING)
    other = second.new_agent()
    await second.carry_on(other, lambda record: record.ended is not None)
    last = other.record.trace[-1]
    assert (last.to, last.code) == (S.FAILED, "ERR_EXEC_DISK_IN_USE")
    assert TABLE[last.code].remedy
    assert str(folder / "root.raw") in last.message
    assert (second.vms(), second.remains()) == ([], [])
    assert first.vms() == [worker.record.process.pid]
    await end(first, worker)


async def test_an_agent_killed_while_a_disk_is_made_leaves_it_whole_or_not_there(
    new_world: NewWorld, folder: Path
) -> None:
    world = new_world(kernel={"artifact": "kernel"}, disks=[KEPT])
    await world.agent(is_in(S.LAUNCHING))
    dying = world.new_agent()
    await dying.step()
    dying.let_go()
    worker = await run_to(world, S.RUNNING)
    assert (folder / "root.raw").stat().st_size == 2**20
    await end(world, worker)


@pytest.mark.parametrize("goes_on", [True, False])
async def test_a_disk_that_a_killed_agent_left_with_two_names_is_used_and_given_back(
    new_world: NewWorld, folder: Path, goes_on: bool
) -> None:
    world = new_world(kernel={"artifact": "still"}, initrd=None, disks=[EMPTY])
    await world.agent(is_in(S.LAUNCHING))
    dying = world.new_agent()
    await dying.step()
    await world.carry_on_without((folder / "new.qcow2").exists)
    dying.let_go()
    os.link(folder / "new.qcow2", world.paths.disks / "second.new")
    worker = await run_to(world, S.RUNNING) if goes_on else world.new_agent()
    await end(world, worker)
    assert (folder / "new.qcow2").stat().st_nlink == 1


@pytest.mark.parametrize(("reason", "goes"), [("WorkloadGone", True), ("Stopped", False)])
async def test_a_disk_goes_with_its_workload_and_only_when_the_operator_says_that_it_is_gone(
    new_world: NewWorld, folder: Path, reason: str, goes: bool
) -> None:
    disk = {**KEPT, "retention": "Delete"}
    world = new_world(kernel={"artifact": "kernel"}, disks=[disk, EMPTY])
    worker = await run_to(world, S.RUNNING)
    metadata = world.placement.metadata.model_copy(update={"finalizers": ["schedune.io/vm"]})
    world.placement = world.placement.model_copy(update={"metadata": metadata})
    await end(world, worker)
    assert not worker.releasable
    assert (folder / "root.raw").exists()
    spec = world.placement.spec
    told = spec.model_copy(update={"stop": Stop(reason=reason, grace_seconds=0)})
    worker.placement = world.placement = world.placement.model_copy(update={"spec": told})
    await world.carry_on(worker, lambda _: True)
    assert worker.releasable
    assert (folder / "root.raw").exists() is not goes
    assert (folder / "new.qcow2").exists()
