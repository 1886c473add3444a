"""Several processes with one placement's marker: which of them is ended, and which is not."""

import subprocess
from collections.abc import Callable

import pytest

from schedune.api.vmplacement import PlacementState, VMPlacement
from schedune_agent.node import Node
from schedune_agent.orphans import Orphans
from schedune_agent.placement_worker import PlacementWorker
from schedune_testing.looking import (
    SEVERAL,
    UID,
    UNPROVED,
    WAYS,
    looked,
    looking,
    record,
    recorded,
)
from schedune_testing.stand_ins import QEMU

NewPlacement = Callable[..., VMPlacement]
StartMarked = Callable[..., "subprocess.Popen[bytes]"]
S = PlacementState


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("program", [QEMU, "sleep"], ids=["proved", "doubtful"])
async def test_of_two_that_carry_one_marker_none_is_taken_or_ended_and_both_are_told_of(
    node: Node, new_placement: NewPlacement, start_marked: StartMarked, way: str, program: str
) -> None:
    both = [start_marked(), start_marked(program=program)]
    worker = looking(node, new_placement, way)
    told = await looked(worker)
    assert (worker.record.state, worker.record.ended) == (S.UNKNOWN, None)
    assert (told[-1], told.count(SEVERAL)) == (SEVERAL, 1)
    assert [one.poll() for one in both] == [None, None]
    orphans = Orphans(node)
    orphans.sweep({UID: worker.record})
    found = [(one.class_, one.pid) for one in orphans.found if one.placement_uid]
    assert sorted(found) == sorted(("split", one.pid) for one in both)


async def test_a_recorded_vm_is_not_ended_beside_a_second_one_until_that_is_settled(
    node: Node, new_placement: NewPlacement, start_marked: StartMarked
) -> None:
    vm, second = start_marked(), start_marked()
    worker = PlacementWorker(node, new_placement(deleted=True), record(S.RUNNING, recorded(vm)))
    assert await looked(worker) == [SEVERAL]
    assert (worker.record.ended, vm.poll(), second.poll()) == (None, None, None)
    second.kill()
    second.wait()
    await worker.step()
    assert worker.record.ended is not None
    assert vm.wait(5) is not None


async def test_a_recorded_vm_is_ended_beside_a_doubtful_one_and_is_not_called_ended_before_that_is(
    node: Node, new_placement: NewPlacement, start_marked: StartMarked
) -> None:
    """Whoever may run a program on the node must not keep a VM from being ended."""
    vm, doubtful = start_marked(), start_marked(user=65534)
    worker = PlacementWorker(node, new_placement(deleted=True), record(S.RUNNING, recorded(vm)))
    told = await looked(worker)
    assert vm.wait(5) is not None
    assert (worker.record.ended, told[-1], told.count(UNPROVED)) == (None, UNPROVED, 1)
    assert doubtful.poll() is None
    doubtful.kill()
    doubtful.wait()
    await worker.step()
    assert worker.record.ended is not None
