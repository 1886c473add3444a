"""What ended VMs leave behind: removed when nobody uses it, told, and never a Persistent disk.

Real files, locks, sockets and control groups.
"""

import fcntl
import os
import socket
import struct
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from schedune.api.vmplacement import PlacementState
from schedune_agent.node import Node
from schedune_agent.orphans import Orphans
from schedune_agent.record import LaunchRecord
from schedune_agent.system import cgroup
from schedune_agent.vmm.process import paths_of

StartMarked = Callable[..., "subprocess.Popen[bytes]"]
Logs = pytest.LogCaptureFixture


@pytest.fixture
def uid() -> str:
    """The name of a control group is the whole machine's: each test has its own."""
    return str(uuid.uuid4())


@pytest.fixture
def left(node: Node, uid: str) -> Iterator[list[Path]]:
    """All that a VM can leave: of its agent nothing else is left, no record either."""
    paths = paths_of(node.settings, uid)
    for folder in (paths.run, paths.disks, paths.kept):
        folder.mkdir(parents=True)
    (paths.disks / "scratch.qcow2").write_bytes(b"overlay")
    (paths.kept / "console.log").write_bytes(b"last words")
    with socket.socket(socket.AF_UNIX) as dead, short_name(paths.run) as folder:
        dead.bind(f"{folder}/q.sock")
    groups = [door.parent for door in cgroup.make_groups(uid)]
    yield [paths.run, paths.disks, paths.kept, *groups]
    cgroup.remove_groups(uid)


@contextmanager
def short_name(folder: Path) -> Iterator[str]:
    """A socket's path has 107 bytes at most, and a test's folder may need them."""
    descriptor = os.open(folder, os.O_PATH)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def sweep(orphans: Orphans, known: dict[str, LaunchRecord | None] | None = None) -> None:
    for _ in range(2):
        orphans.sweep(known or {})


def there(left: list[Path]) -> list[Path]:
    return [one for one in left if one.exists()]


def told(caplog: Logs) -> list[str]:
    return [str(vars(one)["code"]) for one in caplog.records if one.message == "residue.found"]


def standing(orphans: Orphans, uid: str) -> list[str | None]:
    """Codes that a NodeTruth tells of what is left of a VM; no process is ordered of by them."""
    found = [one for one in orphans.found if one.placement_uid == uid]
    assert all((one.class_, one.pid) == ("residue", None) for one in found)
    return [one.code for one in found]


def test_what_nobody_uses_is_removed_by_the_second_sweep_that_sees_it_and_told(
    node: Node, left: list[Path], caplog: Logs
) -> None:
    orphans = Orphans(node)
    orphans.sweep({})
    assert there(left) == left
    orphans.sweep({})
    assert (there(left), told(caplog)) == ([], ["ORPHAN_RESIDUE_REMOVED"])


def test_what_a_placement_or_a_record_accounts_for_is_no_residue(
    node: Node, left: list[Path], uid: str, caplog: Logs
) -> None:
    sweep(Orphans(node), {uid: None})
    names = {"placement_uid": uid, "workload_uid": "w", "namespace": "default", "name": "vm"}
    node.records.save(LaunchRecord(**names, state=PlacementState.RUNNING))
    sweep(Orphans(node))
    assert (there(left), told(caplog)) == (left, [])


def test_what_a_living_process_names_stays_whosever_process_it_is(
    node: Node, left: list[Path], uid: str, start_marked: StartMarked, caplog: Logs
) -> None:
    vm = start_marked(uid, cluster="another-cluster")
    orphans = Orphans(node)
    sweep(orphans)
    assert (there(left), told(caplog)) == (left, ["ERR_ORPHAN_RESIDUE_IN_USE"])
    vm.kill()
    vm.wait()
    orphans.sweep({})
    assert (there(left), vm.poll()) == ([], -9)


def test_what_is_locked_stays_until_the_lock_is_gone_and_is_told_once(
    node: Node, left: list[Path], uid: str, caplog: Logs
) -> None:
    """A VMM locks what it writes: whoever it is, and wherever it runs."""
    orphans = Orphans(node)
    with (left[1] / "scratch.qcow2").open("rb+") as disk:
        wish = struct.pack("@hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        fcntl.fcntl(disk, fcntl.F_OFD_SETLK, wish)
        for _ in range(2):
            sweep(orphans)
        assert (there(left), told(caplog)) == (left, ["ERR_ORPHAN_RESIDUE_IN_USE"])
        assert standing(orphans, uid) == ["ERR_ORPHAN_RESIDUE_IN_USE"]
    orphans.sweep({})
    assert (there(left), standing(orphans, uid)) == ([], [])


def test_what_somebody_listens_at_stays(node: Node, left: list[Path], caplog: Logs) -> None:
    with socket.socket(socket.AF_UNIX) as alive, short_name(left[0]) as folder:
        alive.bind(f"{folder}/other.sock")
        alive.listen()
        sweep(Orphans(node))
    assert (there(left), told(caplog)) == (left, ["ERR_ORPHAN_RESIDUE_IN_USE"])


def test_neither_a_persistent_disk_nor_what_has_another_name_is_residue(
    node: Node, left: list[Path], uid: str
) -> None:
    state, run = node.settings.state_directory, node.settings.run_directory
    disk = state / "persistent" / uid / "db" / "data.raw"
    disk.parent.mkdir(parents=True)
    disk.write_bytes(b"precious")
    others = [run / "not-a-uid", state / "vms" / f"{uid}.bak", state / "placements" / "x"]
    for one in others:
        one.mkdir()
    sweep(Orphans(node))
    assert (there(left), there([disk, *others])) == ([], [disk, *others])


def test_nothing_is_removed_through_a_link(node: Node, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").write_bytes(b"precious")
    run = node.settings.run_directory
    run.mkdir()
    (run / str(uuid.uuid4())).symlink_to(elsewhere)
    sweep(Orphans(node))
    assert (elsewhere / "kept").exists()


def test_what_cannot_be_removed_is_told_and_keeps_no_other_from_being_removed(
    node: Node, left: list[Path], uid: str, tmp_path: Path, caplog: Logs
) -> None:
    """A link is no folder of ours. Its name comes first, and the other goes all the same."""
    link = node.settings.run_directory / "00000000-0000-4000-8000-000000000000"
    (tmp_path / "elsewhere").mkdir()
    link.symlink_to(tmp_path / "elsewhere")
    orphans = Orphans(node)
    sweep(orphans)
    assert (there(left), standing(orphans, uid)) == ([], [])
    assert standing(orphans, link.name) == ["ERR_ORPHAN_RESIDUE_NOT_REMOVED"]
    link.unlink()
    orphans.sweep({})
    assert standing(orphans, link.name) == []
    removed = "ORPHAN_RESIDUE_REMOVED"
    assert told(caplog) == ["ERR_ORPHAN_RESIDUE_NOT_REMOVED", removed, removed]


def test_a_control_group_that_stays_busy_is_told_until_it_can_be_removed(
    node: Node, left: list[Path], uid: str
) -> None:
    """Its folders may be gone by then: it is not forgotten with them."""
    inner = [folder / "of-its-own" for folder in left[3:]]
    for one in inner:
        one.mkdir()
    orphans = Orphans(node)
    for _ in range(2):
        sweep(orphans)
        assert there(left[3:]) == left[3:]
        assert standing(orphans, uid) == ["ERR_ORPHAN_RESIDUE_NOT_REMOVED"]
    for one in inner:
        one.rmdir()
    orphans.sweep({})
    assert (there(left), standing(orphans, uid)) == ([], [])


def enter(uid: str, process: "subprocess.Popen[bytes]") -> None:
    for door in cgroup.make_groups(uid):
        door.write_text(str(process.pid))


def test_a_process_in_a_control_group_of_ours_without_a_marker_is_leaked_and_keeps_it_all(
    node: Node, left: list[Path], uid: str, unmarked: "subprocess.Popen[bytes]", caplog: Logs
) -> None:
    enter(uid, unmarked)
    orphans = Orphans(node)
    sweep(orphans)
    (found,) = [one for one in orphans.found if one.pid == unmarked.pid]
    assert (found.class_, found.code) == ("leaked", "ERR_ORPHAN_IN_CONTROL_GROUP")
    assert (found.placement_uid, found.backend) == (uid, None)
    assert (there(left), unmarked.poll(), told(caplog)) == (left, None, [])
    unmarked.kill()
    unmarked.wait()
    sweep(orphans)
    assert unmarked.pid not in [one.pid for one in orphans.found]
    assert there(left) == []


def test_what_runs_beside_a_marked_vm_in_its_control_group_is_that_vms(
    node: Node, uid: str, start_marked: StartMarked, unmarked: "subprocess.Popen[bytes]"
) -> None:
    vm = start_marked(uid, cluster="another-cluster")
    for one in (vm, unmarked):
        enter(uid, one)
    orphans = Orphans(node)
    sweep(orphans)
    assert unmarked.pid not in [one.pid for one in orphans.found]
    for one in (vm, unmarked):
        one.kill()
        one.wait()
    assert cgroup.remove_groups(uid)
