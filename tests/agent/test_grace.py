"""How long a guest has that is to end: as its placement says at each look, from the order on.

Processes stand in for VMMs here: they hear no order, so that only the end of the grace ends them.
"""

import asyncio
import subprocess
import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from schedune.api.vmplacement import PlacementState, VMPlacement
from schedune.codes import execution as codes
from schedune.codes.row import Reason
from schedune.lifecycle.transitions import move, note
from schedune_agent.host_shutdown import HostShutdown
from schedune_agent.node import Node
from schedune_agent.placement_worker import PlacementWorker
from schedune_testing.looking import record, recorded

S = PlacementState
NewPlacement = Callable[..., VMPlacement]
StartMarked = Callable[..., "subprocess.Popen[bytes]"]
LONG = 3600
STOPPED = Reason(codes.STOP_REQUESTED)
SILENT = Reason(codes.GUEST_SILENT)


def to_stop(placement: VMPlacement, grace_s: int) -> VMPlacement:
    """Order the end of a placement, or shorten what was ordered, as the operator does."""
    stop = {"reason": "Deleted", "graceSeconds": grace_s}
    spec = placement.spec.model_validate({**placement.spec.render(), "stop": stop})
    return placement.model_copy(update={"spec": spec})


@pytest.mark.parametrize("way", ["deletion", "stop", "host-shutdown"])
async def test_a_grace_that_is_shortened_while_the_guest_ends_is_over_at_once(
    node: Node, new_placement: NewPlacement, start_marked: StartMarked, way: str
) -> None:
    process = start_marked()
    placement = new_placement(deleted=way == "deletion", terminationGraceSeconds=LONG)
    if way == "stop":
        placement = to_stop(placement, LONG)
    if way == "host-shutdown":
        node.settings.run_directory.mkdir()
        assert isinstance(node.shutdown, HostShutdown)
        node.shutdown.order()
    worker = PlacementWorker(node, placement, record(S.RUNNING, recorded(process)))
    step = asyncio.create_task(worker.step())
    await asyncio.sleep(0.7)
    assert (step.done(), process.poll()) == (False, None)
    worker.placement = to_stop(placement, 0)
    await asyncio.wait_for(step, 10)
    assert process.poll() is not None


async def ended_after(worker: PlacementWorker) -> float:
    """Return after how many seconds its VM was ended."""
    began = time.monotonic()
    await asyncio.wait_for(worker.step(), 60)
    assert worker.record.ended is not None
    return time.monotonic() - began


@pytest.mark.parametrize(
    ("ago_s", "grace_s", "least_s", "most_s"),
    [(LONG - 5, LONG, 5, 15), (2 * LONG, LONG, 0, 8), (-LONG, 3, 3, 11)],
    ids=["it goes on", "it is over", "the clock was set back"],
)
async def test_an_agent_that_begins_anew_gives_the_guest_what_is_left_of_its_grace(
    node: Node, new_placement: NewPlacement, start_marked: StartMarked,
    ago_s: int, grace_s: int, least_s: int, most_s: int,
) -> None:  # fmt: skip
    process = start_marked()
    ordered = node.clock() - timedelta(seconds=ago_s)
    trace = [
        move(S.RUNNING, S.TERMINATING, STOPPED, ordered),
        note(S.TERMINATING, SILENT, node.clock()),
    ]
    held = record(S.TERMINATING, recorded(process)).model_copy(update={"trace": trace})
    placement = new_placement(deleted=True, terminationGraceSeconds=grace_s)
    assert least_s <= await ended_after(PlacementWorker(node, placement, held)) < most_s


async def test_a_guest_that_nobody_could_ask_meanwhile_has_its_grace_from_the_next_order_on(
    node: Node, new_placement: NewPlacement, start_marked: StartMarked
) -> None:
    process = start_marked()
    ordered = node.clock() - timedelta(seconds=LONG)
    trace = [
        move(S.RUNNING, S.TERMINATING, STOPPED, ordered),
        move(S.TERMINATING, S.UNKNOWN, SILENT, ordered),
    ]
    held = record(S.UNKNOWN, recorded(process)).model_copy(update={"trace": trace})
    placement = new_placement(deleted=True, terminationGraceSeconds=3)
    assert await ended_after(PlacementWorker(node, placement, held)) >= 3
