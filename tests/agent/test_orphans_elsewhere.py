"""VMs of our cluster in another run directory: another agent's if one is at work there.

Processes stand in for VMMs here, and a process that holds the lock for the other agent.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from schedune.api.nodetruth import Orphan
from schedune_agent.node import Node
from schedune_agent.orphans import Orphans
from schedune_agent.settings import run_lock

StartMarked = Callable[..., "subprocess.Popen[bytes]"]
UID = "11111111-2222-3333-4444-555555555555"
HOLDS = """
import fcntl, sys, time
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("holds", flush=True)
time.sleep(60)
"""


@contextmanager
def agent_at_work(run_directory: Path) -> Iterator[None]:
    run_directory.mkdir(exist_ok=True)
    argv = [sys.executable, "-c", HOLDS, str(run_lock(run_directory))]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        try:
            assert holder.stdout.readline() == "holds\n"
            yield
        finally:
            holder.kill()


def told(orphans: Orphans) -> list[Orphan]:
    orphans.sweep({})
    return [one for one in orphans.found if one.placement_uid]


def test_a_vm_in_another_run_directory_is_left_to_the_agent_that_is_at_work_there_only(
    node: Node, start_marked: StartMarked, tmp_path: Path
) -> None:
    other, orphans = tmp_path / "other", Orphans(node)
    vm = start_marked(run=other)
    with agent_at_work(other):
        assert (told(orphans), node.ledger.held) == ([], {})
    (found,) = told(orphans)
    assert (found.class_, found.code) == ("leaked", "ERR_ORPHAN_STALE_ARTIFACT_STATE")
    assert (found.pid, found.placement_uid) == (vm.pid, UID)
    assert "its control socket is not in this run directory" in found.message
    assert node.ledger.held[UID].memory == "64Mi"
    assert vm.poll() is None
    assert list(other.iterdir()) == [run_lock(other)]
    with agent_at_work(other):
        assert (told(orphans), node.ledger.held) == ([], {})


@pytest.mark.parametrize("is_there", [True, False], ids=["no-lock", "missing"])
def test_a_run_directory_of_which_nothing_is_known_hides_no_vm_and_is_not_touched(
    node: Node, start_marked: StartMarked, tmp_path: Path, is_there: bool
) -> None:
    other = tmp_path / "other"
    if is_there:
        other.mkdir()
    vm = start_marked(run=other)
    assert [one.pid for one in told(Orphans(node))] == [vm.pid]
    assert list(other.glob("*")) == []
    assert other.exists() is is_there


def test_the_lock_of_another_directory_says_nothing_of_the_one_that_a_vm_is_in(
    node: Node, start_marked: StartMarked, tmp_path: Path
) -> None:
    vm = start_marked(run=tmp_path / "other")
    with agent_at_work(tmp_path / "a-third"):
        assert [one.pid for one in told(Orphans(node))] == [vm.pid]


def test_our_own_lock_hides_no_vm_whose_run_directory_has_another_name_in_our_settings(
    node: Node, start_marked: StartMarked, tmp_path: Path
) -> None:
    """As of /var/run and /run."""
    run_directory, name = node.settings.run_directory, tmp_path / "by-another-name"
    name.symlink_to(run_directory)
    node = replace(node, settings=node.settings.model_copy(update={"run_directory": name}))
    vm = start_marked(run=run_directory)
    with agent_at_work(run_directory):
        assert [one.pid for one in told(Orphans(node))] == [vm.pid]


def test_a_recorded_node_tells_of_no_vm_of_the_machine_that_its_agent_runs_on(
    node: Node, start_marked: StartMarked, tmp_path: Path
) -> None:
    start_marked(run=tmp_path / "other")
    assert told(Orphans(replace(node, launches=False))) == []
