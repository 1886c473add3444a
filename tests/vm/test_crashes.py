"""An agent killed between any two lines: the next one finds the VM, or ends it, exactly once.

Real QEMU, real kernel, real files. The kill is an exception that nothing catches, raised
before and after every write of the record and every start of a process; the worker is
thrown away then, and the next one knows only what is on disk and on the API server.
"""

import itertools
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from schedune.api.vmplacement import PlacementState
from schedune_agent.record import LaunchRecord
from schedune_testing.traces import assert_moves_of_the_table

S = PlacementState
NewWorld = Callable[..., Any]
FEWEST_MOMENTS = 12
"""Before and after the spawn and each of the five records of a launch; a test that met fewer
tested nothing."""


def is_running(record: LaunchRecord) -> bool:
    return record.state is S.RUNNING


def is_ended(record: LaunchRecord) -> bool:
    return record.ended is not None


def assert_one_vm(world: Any) -> None:
    record = world.record
    assert record.process is not None
    assert world.vms() == [record.process.pid]


async def end_with_an_agent_killed_at_every_moment(world: Any) -> None:
    world.delete()
    for moment in itertools.count(1):
        if not await world.agent(is_ended, kill_at=moment):
            break
    ended = world.record
    assert [entry.to for entry in ended.trace].count(S.TERMINATED) == 1, ended.trace
    assert_moves_of_the_table(ended.trace)
    await world.agent(lambda found: found == ended)
    assert (world.vms(), world.remains()) == ([], [])


@pytest.mark.parametrize("loses_state", [False, True], ids=["state-kept", "state-lost"])
async def test_a_launch_with_an_agent_killed_anywhere_leaves_one_vm_and_its_end_leaves_none(
    new_world: NewWorld, *, loses_state: bool
) -> None:
    for moment in itertools.count(1):
        world = new_world(loses_state=loses_state)
        was_killed = await world.agent(is_running, kill_at=moment)
        await world.agent(is_running)
        assert_one_vm(world)
        assert world.record.incarnation == 1
        await end_with_an_agent_killed_at_every_moment(world)
        if not was_killed:
            break
    assert moment > FEWEST_MOMENTS


async def test_a_vmm_that_was_killed_is_started_again_once_wherever_the_agent_is_killed(
    new_world: NewWorld,
) -> None:
    for moment in itertools.count(1):
        world = new_world()
        await world.agent(is_running)
        os.kill(world.record.process.pid, signal.SIGKILL)

        def runs_again(record: LaunchRecord) -> bool:
            return record.state is S.RUNNING and record.incarnation > 1

        was_killed = await world.agent(runs_again, kill_at=moment)
        await world.agent(runs_again)
        assert_one_vm(world)
        assert world.record.incarnation == 1 + 1
        assert_moves_of_the_table(world.record.trace)
        world.close()
        if not was_killed:
            break
    assert moment > FEWEST_MOMENTS


async def test_a_guest_that_powered_off_is_not_started_again_wherever_the_agent_is_killed(
    new_world: NewWorld,
) -> None:
    for moment in itertools.count(1):
        world = new_world(restartPolicy="OnFailure", kernel={"artifact": "off"}, initrd=None)
        was_killed = await world.agent(is_ended, kill_at=moment)
        await world.agent(is_ended)
        record = world.record
        assert (record.ended.reason, record.incarnation) == ("GuestPoweredOff", 1)
        assert (world.vms(), world.remains()) == ([], [])
        assert_moves_of_the_table(record.trace)
        if not was_killed:
            break
    assert moment > FEWEST_MOMENTS
