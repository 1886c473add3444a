"""A state disk that became read-only after an error: whatever runs can still be ended in order.

The disk is one for which the kernel refuses writes; stand-ins for VMMs run on it.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from subprocess import Popen

import pytest

from schedune.api.vmplacement import PlacementState, VMPlacement
from schedune_agent.guests_end import end_guests
from schedune_agent.node import Node
from schedune_agent.placement_worker import PlacementWorker
from schedune_agent.settings import agent_lock
from schedune_agent.system.locks import hold_lock
from schedune_testing.agent_processes import DEAF, agent_processes, put_token, until_told
from schedune_testing.looking import UID, record, recorded
from schedune_testing.read_only import read_only

S = PlacementState
NewPlacement = Callable[..., VMPlacement]


@pytest.fixture
def disk(node: Node, marked: "Popen[bytes]") -> Iterator[Path]:
    """The state directory with the record of a VM that runs, read-only from now on."""
    node.settings.run_directory.mkdir()
    held = record(S.RUNNING, recorded(marked)).model_copy(update={"grace_seconds": 0})
    node.records.save(held)
    state = node.settings.state_directory
    agent_lock(node.settings).touch()
    with read_only(state):
        yield state


def test_one_agent_at_a_time_works_on_it_too(disk: Path, node: Node) -> None:
    lock = agent_lock(node.settings)
    with ExitStack() as first, ExitStack() as second:
        assert hold_lock(lock, first)
        assert not hold_lock(lock, second)
        first.close()
        assert hold_lock(lock, second)


def test_a_disk_on_which_no_agent_ever_was_is_told_as_what_it_is(disk: Path) -> None:
    with ExitStack() as stack, pytest.raises(OSError, match="Read-only file system"):
        hold_lock(disk / "another.lock", stack)


async def test_an_agent_starts_on_it_and_ends_its_guests_when_the_host_goes_down(
    disk: Path, node: Node, tmp_path: Path, marked: "Popen[bytes]"
) -> None:
    put_token(tmp_path)
    with agent_processes(tmp_path) as start_agent:
        process, log = start_agent("agent", clusterUID=node.settings.cluster_uid)
        until_told(log, DEAF)
        assert (process.poll(), marked.poll()) == (None, None)
        assert await end_guests(node.settings, 30.0, lambda: datetime.now(UTC)) == []
        assert (process.poll(), marked.poll() is not None) == (None, True)


async def test_without_an_agent_a_host_that_goes_down_ends_its_guests_all_the_same(
    disk: Path, node: Node, marked: "Popen[bytes]"
) -> None:
    assert await end_guests(node.settings, 0.0, lambda: datetime.now(UTC)) == []
    assert marked.poll() is not None


async def test_an_agent_that_began_on_it_finds_its_vm_and_says_that_it_cannot_write(
    disk: Path, node: Node, new_placement: NewPlacement, marked: "Popen[bytes]"
) -> None:
    worker = PlacementWorker(node, new_placement(), node.records.load_all()[UID])
    for _ in range(2):
        await worker.step()
    assert worker.trouble is not None
    assert (worker.trouble.row.reason, worker.is_live) == ("RecordUnwritable", True)
    assert marked.poll() is None
    worker.let_go()


async def test_an_agent_that_began_on_it_ends_its_vm_by_order(
    disk: Path, node: Node, new_placement: NewPlacement, marked: "Popen[bytes]"
) -> None:
    """It is not called ended: the next agent could not know that it is."""
    worker = PlacementWorker(node, new_placement(deleted=True), node.records.load_all()[UID])
    for _ in range(2):
        await worker.step()
    assert marked.poll() is not None
    assert (worker.record.ended, worker.releasable) == (None, False)


async def test_the_host_does_not_wait_for_what_was_ended_and_cannot_be_written_down(
    disk: Path, node: Node, new_placement: NewPlacement, marked: "Popen[bytes]"
) -> None:
    assert node.shutdown is not None
    node.shutdown.order()
    worker = PlacementWorker(node, new_placement(), node.records.load_all()[UID])
    for _ in range(2):
        assert not worker.rests or marked.poll() is not None
        await worker.step()
    assert (marked.poll() is not None, worker.rests) == (True, True)
