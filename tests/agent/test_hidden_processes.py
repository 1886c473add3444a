"""An agent that may not look at a process: it is doubtful, and never gone; all others are seen.

As a rootless agent beside root's, or root without CAP_SYS_PTRACE. Real processes carry the
marker, and it is the kernel that refuses.
"""

import os
import subprocess
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from schedune.api.nodetruth import Orphan
from schedune.api.vmplacement import PlacementState, VMPlacement
from schedune.lifecycle.orphans import FoundProcess
from schedune_agent.guests_end import end_guests
from schedune_agent.node import Node
from schedune_agent.orphans import Orphans
from schedune_agent.placement_worker import PlacementWorker
from schedune_agent.record import LaunchRecord
from schedune_agent.settings import agent_lock
from schedune_agent.system import cgroup, processes
from schedune_agent.vmm.found import MarkedSearch, find_in_groups
from schedune_agent.vmm.process import paths_of
from schedune_agent.vmm.programs import Programs
from schedune_testing.fewer_rights import told_by_child, without_ptrace
from schedune_testing.looking import (
    BOOT_ID,
    SEVERAL,
    UID,
    UNPROVED,
    WAYS,
    is_left_alone,
    looked,
    looking,
    record,
    recorded,
)

NewPlacement = Callable[..., VMPlacement]
StartMarked = Callable[..., "subprocess.Popen[bytes]"]
S = PlacementState
OTHER = "99999999-2222-3333-4444-555555555555"
ENDED = "77777777-2222-3333-4444-555555555555"
NOBODY = 65534
HIDDEN = "what it executes may not be looked at"


def ours(orphans: Orphans) -> list[Orphan]:
    """Of these tests: who runs beside them has processes in control groups of its own."""
    return [one for one in orphans.found if one.placement_uid in (UID, OTHER, ENDED)]


def swept(node: Node, known: dict[str, LaunchRecord | None] | None = None) -> Orphans:
    orphans = Orphans(node)
    orphans.load()
    with without_ptrace():
        orphans.sweep(known or {})
    return orphans


def test_one_that_may_not_be_looked_at_is_told_as_doubtful_and_the_sweep_goes_on(
    node: Node, start_marked: StartMarked
) -> None:
    hidden, seen = start_marked(), start_marked(OTHER, lowly=True)
    node.records.save(record(S.RUNNING).model_copy(update={"placement_uid": ENDED}))
    orphans = swept(node)
    told = {one.pid: one for one in ours(orphans)}
    assert told.keys() == {hidden.pid, seen.pid}
    assert {(one.class_, one.code) for one in told.values()} == {
        ("leaked", "ERR_ORPHAN_STALE_ARTIFACT_STATE")
    }
    assert HIDDEN in told[hidden.pid].message
    assert HIDDEN not in told[seen.pid].message
    assert node.ledger.held.keys() == {UID, OTHER}
    assert node.records.load_all() == {}
    assert (hidden.poll(), seen.poll()) == (None, None)


@pytest.mark.parametrize("is_known", [True, False], ids=["placement", "record-only"])
def test_a_record_without_a_process_is_not_forgotten_while_a_hidden_one_may_be_it(
    node: Node, start_marked: StartMarked, is_known: bool
) -> None:
    hidden = start_marked()
    node.records.save(record(S.LAUNCHING))
    run = paths_of(node.settings, UID).run
    run.mkdir(parents=True)
    orphans = swept(node, {UID: record(S.LAUNCHING)} if is_known else {})
    (told,) = ours(orphans)
    assert (told.class_, told.code) == ("leaked", "ERR_ORPHAN_UNPROVED_CARRIER")
    assert (told.pid, told.placement_uid) == (hidden.pid, UID)
    assert UID in node.records.load_all()
    assert run.exists()
    hidden.kill()
    hidden.wait()
    with without_ptrace():
        orphans.sweep({})
    assert (ours(orphans), node.records.load_all()) == ([], {})


def test_a_recorded_process_that_may_not_be_looked_at_is_its_placements_and_stays_so(
    node: Node, start_marked: StartMarked
) -> None:
    held = record(S.RUNNING, recorded(start_marked()))
    assert ours(swept(node, {UID: held})) == []


def test_what_a_hidden_process_only_may_mention_is_told_of_too(
    node: Node, start_marked: StartMarked
) -> None:
    """It may be a VMM: nobody knows what it executes."""
    hidden = start_marked(program="strace", prefix=["strace", "-f"])
    (told,) = ours(swept(node))
    assert told.pid == hidden.pid
    assert "its marker is not where a launch writes it" in told.message


def test_a_copy_that_a_hidden_vm_may_have_made_of_itself_is_told_of_as_well(
    node: Node, start_marked: StartMarked
) -> None:
    vm = start_marked(forks=True)
    children = Path(f"/proc/{vm.pid}/task/{vm.pid}/children")
    while not (copies := children.read_text().split()):
        pass
    assert {one.pid for one in ours(swept(node))} == {vm.pid, *map(int, copies)}


@pytest.mark.skipif(not cgroup.can_contain(), reason="not given: control groups")
def test_one_in_a_control_group_that_may_not_be_looked_at_is_told_of(
    node: Node, unmarked: "subprocess.Popen[bytes]"
) -> None:
    uid, orphans = str(uuid.uuid4()), Orphans(node)
    for door in cgroup.make_groups(uid):
        door.write_text(str(unmarked.pid))
    with without_ptrace():
        for _ in range(2):
            orphans.sweep({})
    (told,) = [one for one in orphans.found if one.pid == unmarked.pid]
    assert (told.class_, told.code) == ("leaked", "ERR_ORPHAN_IN_CONTROL_GROUP")
    unmarked.kill()
    unmarked.wait()
    assert cgroup.remove_groups(uid)


@pytest.mark.skipif(not cgroup.can_contain(), reason="not given: control groups")
def test_a_control_group_that_may_not_be_looked_into_keeps_no_other_from_being(
    unmarked: "subprocess.Popen[bytes]",
) -> None:
    closed, open_ = "0" + str(uuid.uuid4()), "1" + str(uuid.uuid4())
    for door in cgroup.make_groups(closed):
        door.parent.chmod(0o700)
    for door in cgroup.make_groups(open_):
        door.write_text(str(unmarked.pid))

    def search() -> list[str]:
        os.setresuid(NOBODY, NOBODY, NOBODY)
        lines = dict(processes.list_command_lines())
        return [one.group_uid for one in find_in_groups(lines, BOOT_ID, Programs())]

    found = told_by_child(search)
    unmarked.kill()
    unmarked.wait()
    assert cgroup.remove_groups(open_)
    assert cgroup.remove_groups(closed)
    assert open_ in found


@pytest.mark.parametrize("way", WAYS)
async def test_while_a_hidden_process_may_be_the_vm_it_is_neither_doubled_nor_called_gone(
    node: Node, new_placement: NewPlacement, start_marked: StartMarked, way: str
) -> None:
    hidden = start_marked()
    with without_ptrace():
        worker = looking(node, new_placement, way)
        assert await is_left_alone(worker, hidden)
        assert f"pid {hidden.pid}: {HIDDEN}" in worker.record.trace[-1].message
        hidden.kill()
        hidden.wait()
        await looked(worker)
    assert worker.record.ended is not None


@pytest.mark.parametrize("way", WAYS)
async def test_beside_a_hidden_one_the_vm_that_is_seen_is_not_taken_either(
    node: Node, new_placement: NewPlacement, start_marked: StartMarked, way: str
) -> None:
    both = [start_marked(), start_marked(lowly=True)]
    with without_ptrace():
        worker = looking(node, new_placement, way)
        told = await looked(worker)
    assert (worker.record.state, worker.record.ended) == (S.UNKNOWN, None)
    assert (told[-1], told.count(SEVERAL)) == (SEVERAL, 1)
    assert [one.poll() for one in both] == [None, None]


async def test_a_recorded_vm_is_not_ended_beside_a_hidden_one_that_may_be_it_as_well(
    node: Node, new_placement: NewPlacement, start_marked: StartMarked
) -> None:
    vm, hidden = start_marked(lowly=True), start_marked()
    worker = PlacementWorker(node, new_placement(deleted=True), record(S.RUNNING, recorded(vm)))
    with without_ptrace():
        assert await looked(worker) == [SEVERAL]
    assert (worker.record.ended, vm.poll(), hidden.poll()) == (None, None, None)


async def test_a_recorded_vm_is_ended_beside_a_hidden_one_of_a_user_as_whom_no_vm_runs(
    node: Node, new_placement: NewPlacement, start_marked: StartMarked
) -> None:
    """Whatever that one executes, it is not proved; and it keeps the VM from being called ended."""
    vm, hidden = start_marked(lowly=True), start_marked(user=NOBODY)
    worker = PlacementWorker(node, new_placement(deleted=True), record(S.RUNNING, recorded(vm)))
    with without_ptrace():
        told = await looked(worker)
    assert vm.wait(5) is not None
    assert (worker.record.ended, told[-1], told.count(UNPROVED)) == (None, UNPROVED, 1)
    assert hidden.poll() is None


async def test_a_host_that_goes_down_leaves_what_may_not_be_looked_at_and_says_so(
    node: Node, start_marked: StartMarked
) -> None:
    hidden = start_marked()
    node.records.save(record(S.LAUNCHING))
    agent_lock(node.settings).touch()
    with without_ptrace():
        (told,) = await end_guests(node.settings, 30.0, lambda: datetime.now(UTC))
    assert f"default/vm: it is not ended: pid {hidden.pid}: {HIDDEN}" in told
    assert hidden.poll() is None


def test_a_rootless_agent_beside_roots_finds_all_that_carry_its_clusters_marker(
    node: Node, start_marked: StartMarked
) -> None:
    of_root, of_another = start_marked(), start_marked(OTHER, user=NOBODY - 1)
    own = start_marked(ENDED, user=NOBODY)
    found = {one.key.pid: one for one in found_by(NOBODY, node)}
    assert found.keys() == {of_root.pid, of_another.pid, own.pid}
    assert {one.placement_uid for one in found.values()} == {UID, OTHER, ENDED}
    assert HIDDEN in found[of_root.pid].doubt
    assert HIDDEN in found[of_another.pid].doubt
    assert found[own.pid].doubt == ""


def found_by(user: int, node: Node) -> Sequence[FoundProcess]:
    def search() -> Sequence[FoundProcess]:
        os.setresuid(user, user, user)
        marked = MarkedSearch(node.settings, BOOT_ID, Programs(), {})
        return list(marked.find(dict(processes.list_command_lines())))

    return told_by_child(search)
