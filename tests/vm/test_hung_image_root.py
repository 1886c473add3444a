"""An image root whose server is gone: nobody else waits for it, and it is told who does."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from schedune.api.vmplacement import PlacementState
from schedune_agent.placement_worker import PlacementWorker
from schedune_agent.record import LaunchRecord
from schedune_agent.system.patience import Patience
from schedune_testing.hung import hung
from schedune_testing.vms import World

NewWorld = Callable[..., World]
S = PlacementState
LONGEST_S = 2.0
"""For so long at most the agent may be away from everything else: a busy machine has its due."""
OVERLAY = {"name": "root", "artifact": "data", "format": "Raw", "access": "Ephemeral"}


def impatient(world: World) -> PlacementWorker:
    worker = world.new_agent()
    object.__setattr__(worker._node, "patience", Patience(look_s=0.3))
    return worker


@asynccontextmanager
async def hanging(root: Path) -> AsyncIterator[None]:
    """Let an image root hang, and see that the agent has time for others all the while."""
    beats: list[float] = []

    async def beat() -> None:
        while True:
            beats.append(asyncio.get_running_loop().time())
            await asyncio.sleep(0.01)

    with hung(root):
        heart = asyncio.create_task(beat())
        try:
            yield
        finally:
            heart.cancel()
    pauses = [after - before for before, after in itertools.pairwise(beats)]
    assert max(pauses) < LONGEST_S


def waits(record: LaunchRecord) -> bool:
    return bool(record.trace) and record.trace[-1].code == "PREPARATION_WAITS"


async def ends(world: World, worker: PlacementWorker) -> None:
    """Delete the placement, and see that nothing of it is left."""
    world.delete()
    worker.placement = world.placement
    await world.carry_on(worker, lambda record: record.ended is not None)
    await world.carry_on(worker, lambda _: not world.remains())


async def test_a_launch_waits_for_it_says_so_once_and_goes_on_when_it_is_back(
    new_world: NewWorld,
) -> None:
    world = new_world(disks=[OVERLAY])
    (images,) = world.settings.image_roots
    worker = impatient(world)
    async with hanging(images):
        await world.carry_on(worker, waits)
        told = len(worker.record.trace)
        for _ in range(3):
            await worker.step()
        assert len(worker.record.trace) == told
        assert worker.record.trace[-1].message.startswith(
            f"waiting for the image root {images}: no answer"
        )
        assert not world.vms()
    await world.carry_on(worker, lambda record: record.state is S.RUNNING)
    assert len(world.vms()) == 1
    worker.let_go()
    await asyncio.sleep(0)


async def test_a_launch_that_waits_for_it_is_ended_when_its_placement_is_deleted(
    new_world: NewWorld,
) -> None:
    world = new_world(disks=[OVERLAY])
    (images,) = world.settings.image_roots
    worker = impatient(world)
    async with hanging(images):
        await world.carry_on(worker, waits)
        await ends(world, worker)


async def test_a_vm_that_runs_is_adopted_and_ended_without_it(new_world: NewWorld) -> None:
    world = new_world(disks=[OVERLAY])
    (images,) = world.settings.image_roots
    await world.agent(lambda record: record.state is S.RUNNING)
    worker = impatient(world)
    async with hanging(images):
        await world.carry_on(worker, lambda record: record.trace[-1].code == "RECOVERY_CONFIRMED")
        await ends(world, worker)


async def test_a_dry_run_waits_for_it_like_a_launch(new_world: NewWorld) -> None:
    world = new_world(disks=[OVERLAY])
    spec = world.placement.spec.model_copy(update={"mode": "DryRun"})
    world.placement = world.placement.model_copy(update={"spec": spec})
    (images,) = world.settings.image_roots
    worker = impatient(world)
    if worker._node.vm_users is None:
        pytest.skip("nobody looks at files for a user of its own: there are none here")
    async with hanging(images):
        await world.carry_on(worker, waits)
    await world.carry_on(worker, lambda record: record.state is S.VALIDATED)
