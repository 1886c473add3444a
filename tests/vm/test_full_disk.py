"""A disk that is full at any one thing that is made on it: told, and nothing is lost or left.

Real QEMU, real files. Whatever of the node's folders the agent opens to write, makes or
renames is refused once with ENOSPC, one after the other over a whole life.
"""

import errno
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from schedune.api.vmplacement import PlacementState
from schedune_agent.record import LaunchRecord

S = PlacementState
NewWorld = Callable[..., Any]
DISK: Final = {"name": "scratch", "emptySize": "1Mi", "format": "Raw", "access": "Ephemeral"}
FEWEST: Final = 24
"""Things that a life makes at least; a test that met fewer tested nothing."""
PATIENCE_S: Final = 60.0


class FullDisk:
    """Refuses the n-th thing that is made below some folders; 0: nothing."""

    def __init__(self) -> None:
        self.folders: tuple[str, ...] = ()
        self.left = 0
        self.refused = ""

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Take part in what the interpreter is about to ask of the kernel."""
        if self.left and event in ("open", "os.mkdir", "os.rename"):
            path = os.fsdecode(arguments[0]) if not isinstance(arguments[0], int) else ""
            if path.startswith(self.folders) and _makes(event, arguments):
                self.left -= 1
                if not self.left:
                    self.refused = f"{event} {path}"
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)


def _makes(event: str, arguments: tuple[Any, ...]) -> bool:
    return event != "open" or bool(arguments[2] & os.O_CREAT)


DISK_OF_NODE: Final = FullDisk()
sys.addaudithook(DISK_OF_NODE.hear)  # for the life of the process: hooks cannot be taken back


@contextmanager
def full_at(number: int, *folders: Path) -> Iterator[FullDisk]:
    DISK_OF_NODE.folders = tuple(map(str, folders))
    DISK_OF_NODE.left, DISK_OF_NODE.refused = number, ""
    try:
        yield DISK_OF_NODE
    finally:
        DISK_OF_NODE.left = 0


def is_up(record: LaunchRecord) -> bool:
    return record.state is S.RUNNING or record.ended is not None


def is_ended(record: LaunchRecord) -> bool:
    return record.ended is not None


async def until(world: Any, worker: Any, done: Callable[[LaunchRecord], bool]) -> None:
    """Step as the agent's loop does; no error may come out of a step, and two VMs may never run."""
    deadline = time.monotonic() + PATIENCE_S
    while not done(worker.record):
        assert time.monotonic() < deadline, worker.record.trace
        await worker.step()
        assert len(world.vms()) <= 1
        world.take_status(worker.status())
        worker.placement = world.placement


async def test_wherever_the_disk_is_full_a_vm_runs_or_is_refused_with_that_and_nothing_is_left(
    new_world: NewWorld,
) -> None:
    met = []
    while len(met) < 1000:
        world = new_world(kernel={"artifact": "still"}, initrd=None, disks=[DISK])
        worker = world.new_agent()
        folders = world.settings.state_directory, world.settings.run_directory
        with full_at(len(met) + 1, *folders) as disk:
            await until(world, worker, is_up)
            if worker.record.ended is None:
                assert world.vms() == [worker.record.process.pid]
                world.delete()
                worker.placement = world.placement
                await until(world, worker, is_ended)
            elif disk.refused:
                assert "No space left" in worker.record.trace[-1].message, disk.refused
        worker.let_go()
        assert (world.vms(), world.remains()) == ([], []), disk.refused
        world.close()
        if not disk.refused:
            break
        met.append(disk.refused)
    assert len(met) >= FEWEST, met
