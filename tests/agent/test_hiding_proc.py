"""A /proc that shows an agent not even the command lines of others: nothing is proved gone by it.

As one that is mounted with ``hidepid``, of an agent without CAP_SYS_PTRACE. What it may not
see may be any VM.
"""

import asyncio
import subprocess
import uuid
from collections.abc import Callable

import pytest

from schedune.api.vmplacement import PlacementState, VMPlacement
from schedune_agent.node import Node
from schedune_agent.orphans import Orphans
from schedune_agent.placement_worker import PlacementWorker
from schedune_agent.record import LaunchRecord
from schedune_agent.system import processes
from schedune_agent.vmm.process import paths_of
from schedune_testing.fewer_rights import hide_processes, told_by_child, without_ptrace
from schedune_testing.looking import BOOT_ID, UID, WAYS, looked, looking, record, recorded

NewPlacement = Callable[..., VMPlacement]
StartMarked = Callable[..., "subprocess.Popen[bytes]"]
S = PlacementState
hidden = pytest.mark.parametrize("hidepid", [1, 2], ids=["lines", "processes"])


def stepped(make: Callable[[], PlacementWorker], hidepid: int) -> LaunchRecord:
    """Let a worker step where processes are hidden; return what it has written down."""

    def step() -> LaunchRecord:
        hide_processes(hidepid)
        with without_ptrace():
            worker = make()
            asyncio.run(looked(worker))
            return worker.record

    return told_by_child(step)


@hidden
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("is_there", [True, False], ids=["vm", "none"])
def test_a_vm_is_neither_doubled_nor_called_gone_where_processes_are_hidden(
    node: Node, new_placement: NewPlacement, start_marked: StartMarked, way: str, hidepid: int,
    is_there: bool,
) -> None:  # fmt: skip
    vm = start_marked() if is_there else None
    told = stepped(lambda: looking(node, new_placement, way), hidepid)
    assert (told.state, told.ended, told.process) == (S.UNKNOWN, None, None)
    assert "may not be seen" in told.trace[-1].message
    assert vm is None or vm.poll() is None


@hidden
def test_a_recorded_vm_is_not_called_gone_either(
    node: Node, new_placement: NewPlacement, start_marked: StartMarked, hidepid: int
) -> None:
    vm = start_marked()
    held = record(S.RUNNING, recorded(vm))
    told = stepped(lambda: PlacementWorker(node, new_placement(), held), hidepid)
    assert (told.state, told.ended, told.process) == (S.UNKNOWN, None, held.process)


@hidden
def test_a_sweep_forgets_and_removes_nothing_where_processes_are_hidden(
    node: Node, start_marked: StartMarked, hidepid: int
) -> None:
    runs, left = recorded(start_marked()), str(uuid.uuid4())
    node.records.save(record(S.LAUNCHING))
    node.records.save(record(S.RUNNING, runs).model_copy(update={"placement_uid": "recorded"}))
    folders = [paths_of(node.settings, one).run for one in (UID, "recorded", left)]
    for one in folders:
        one.mkdir(parents=True)

    def sweep() -> list[str]:
        hide_processes(hidepid)
        orphans = Orphans(node)
        orphans.load()
        with without_ptrace():
            for _ in range(3):
                with pytest.raises(PermissionError, match="may not be seen"):
                    orphans.sweep({})
        return [one.placement_uid or "" for one in orphans.found]

    assert left not in told_by_child(sweep)
    assert node.records.load_all().keys() == {UID, "recorded"}
    assert all(one.exists() for one in folders)


def test_who_may_look_at_all_processes_sees_them_where_they_are_hidden_from_others(
    node: Node, start_marked: StartMarked
) -> None:
    vm = start_marked()

    def see() -> list[int | None]:
        hide_processes(1)
        orphans = Orphans(node)
        orphans.sweep({})
        return [one.pid for one in orphans.found if one.placement_uid == UID]

    assert told_by_child(see) == [vm.pid]


@hidden
def test_a_hidden_process_is_not_gone_and_one_that_has_ended_is(
    start_marked: StartMarked, hidepid: int
) -> None:
    living, ended = start_marked(), start_marked()
    ended.kill()
    ended.wait()

    def look() -> tuple[bool, bool]:
        hide_processes(hidepid)
        with without_ptrace():
            try:
                processes.read_key(living.pid, BOOT_ID)
            except PermissionError:
                return True, processes.read_key(ended.pid, BOOT_ID) is None
        return False, False

    assert told_by_child(look) == (True, True)
