"""Only proof makes a process somebody's VM: what lacks a part of it is neither ended nor ignored.

Real processes carry the marker here, as VMMs do and as everybody else may.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schedune.api.vmplacement import PlacementState, VMPlacement
from schedune_agent.node import Node
from schedune_agent.orphans import Orphans
from schedune_agent.settings import VmUsersSettings
from schedune_agent.system import processes
from schedune_agent.vmm.markers import option_marker
from schedune_agent.vmm.process import paths_of
from schedune_agent.vmm.qemu.argv import monitor_socket
from schedune_testing.looking import (
    BOOT_ID,
    UID,
    UNPROVED,
    WAYS,
    is_left_alone,
    looked,
    looking,
)
from schedune_testing.stand_ins import QEMU, write_stand_in

NewPlacement = Callable[..., VMPlacement]
StartMarked = Callable[..., "subprocess.Popen[bytes]"]
S = PlacementState


def run(*argv: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(argv)


@pytest.mark.parametrize("way", WAYS)
async def test_what_has_a_vms_command_line_and_executes_no_vmm_is_neither_ended_nor_passed_over(
    node: Node, new_placement: NewPlacement, start_marked: StartMarked, way: str
) -> None:
    strange = start_marked(program="sleep")
    worker = looking(node, new_placement, way)
    assert await is_left_alone(worker, strange)
    assert f"pid {strange.pid}: it executes sleep" in worker.record.trace[-1].message
    strange.kill()
    strange.wait()
    await looked(worker)
    assert worker.record.ended is not None


@pytest.mark.parametrize("way", WAYS)
async def test_a_vm_in_a_run_directory_from_before_is_never_taken_for_gone(
    node: Node, new_placement: NewPlacement, start_marked: StartMarked, tmp_path: Path, way: str
) -> None:
    vm = start_marked(run=tmp_path / "before" / "run")
    worker = looking(node, new_placement, way)
    assert await is_left_alone(worker, vm)
    assert "not in this run directory" in worker.record.trace[-1].message


@pytest.mark.parametrize("way", WAYS)
async def test_a_vmm_of_a_user_as_whom_no_vm_runs_is_not_the_vm_whatever_it_says(
    node: Node, new_placement: NewPlacement, start_marked: StartMarked, way: str
) -> None:
    """Everybody may read a VM's command line, and execute the node's VMM under it."""
    strange = start_marked(user=65534)
    worker = looking(node, new_placement, way)
    assert await is_left_alone(worker, strange)
    assert "no VM of this node runs as user 65534" in worker.record.trace[-1].message


async def test_a_vm_of_a_user_that_was_set_aside_for_vms_is_proved(
    node: Node, new_placement: NewPlacement, start_marked: StartMarked
) -> None:
    users = VmUsersSettings(first=70000, count=10)
    settings = node.settings.model_copy(update={"vm_users": users})
    vm = start_marked(user=70009)
    worker = looking(replace(node, settings=settings), new_placement, "deletion")
    await worker.step()
    assert worker.record.ended is not None
    assert vm.wait(5) is not None


async def test_a_run_directory_within_which_ours_is_named_is_another_one(
    node: Node, new_placement: NewPlacement, start_marked: StartMarked
) -> None:
    """The path of our socket is the end of its socket's path."""
    run = node.settings.run_directory
    vm = start_marked(run=Path(f"/elsewhere{run}"))
    assert await is_left_alone(looking(node, new_placement, "deletion"), vm)


async def test_a_vmm_with_the_marker_where_no_launch_writes_it_is_left_alone(
    node: Node, new_placement: NewPlacement, start_marked: StartMarked
) -> None:
    vm = start_marked(prefix=[QEMU, "-S"])
    worker = looking(node, new_placement, "deletion")
    assert await is_left_alone(worker, vm)
    assert "its marker is not where a launch writes it" in worker.record.trace[-1].message


@pytest.mark.parametrize("way", WAYS)
async def test_what_only_mentions_a_vm_is_not_waited_for_and_not_touched(
    node: Node, new_placement: NewPlacement, start_marked: StartMarked, way: str
) -> None:
    """Somebody looks for it, has its log open, or runs it under another program's eyes."""
    marker = option_marker(UID, node.settings.cluster_uid)
    watching = start_marked(program="strace", prefix=["strace", "-f"])
    code = "import time; time.sleep(60)"
    with run(sys.executable, "-c", code, marker, f"/var/log/{UID}") as searching:
        worker = looking(node, new_placement, way)
        told = await looked(worker)
        orphans = Orphans(node)
        orphans.sweep({UID: worker.record})
        assert UNPROVED not in told
        assert worker.record.ended is not None or worker.record.state is S.PREPARING
        assert not {watching.pid, searching.pid} & {one.pid for one in orphans.found}
        assert (watching.poll(), searching.poll()) == (None, None)
        searching.kill()


async def test_a_vm_that_somebody_searches_for_is_taken_all_the_same(
    node: Node, new_placement: NewPlacement, start_marked: StartMarked
) -> None:
    vm, _ = start_marked(), start_marked(program="grep", prefix=["grep", "-r"])
    worker = looking(node, new_placement, "adoption")
    await worker.step()
    assert worker.record.process is not None
    assert worker.record.process.pid == vm.pid


@pytest.mark.parametrize("replaced", [False, True], ids=["removed", "upgraded"])
async def test_a_vm_whose_program_was_replaced_while_it_ran_is_proved_as_before(
    node: Node,
    new_placement: NewPlacement,
    start_marked: StartMarked,
    programs: Path,
    replaced: bool,
) -> None:
    vm = start_marked()
    (programs / "bin" / QEMU).unlink()
    if replaced:
        write_stand_in(programs / "bin" / QEMU)
    worker = looking(node, new_placement, "deletion")
    await worker.step()
    assert worker.record.ended is not None
    assert vm.wait(5) is not None


async def test_a_vmm_that_this_node_has_under_a_name_of_its_own_is_one(
    new_node: Callable[..., Node], new_placement: NewPlacement, start_marked: StartMarked
) -> None:
    vm = start_marked(program="our-qemu")
    assert await is_left_alone(looking(new_node(), new_placement, "deletion"), vm)
    fact = {"name": "QEMU", "path": "/opt/vmm/our-qemu"}
    worker = looking(new_node(backends=[fact]), new_placement, "deletion")
    await worker.step()
    assert worker.record.ended is not None
    assert vm.wait(5) is not None


async def test_a_vm_that_was_told_its_run_directory_by_another_name_is_known_by_its_socket(
    node: Node, new_placement: NewPlacement, tmp_path: Path, tmp_path_factory: Any
) -> None:
    """As of /var/run and /run: the kernel says who listens in our run directory."""
    run_directory = tmp_path_factory.mktemp("d")  # short: a socket's path has 107 bytes
    settings = node.settings.model_copy(update={"run_directory": run_directory})
    node, socket = replace(node, settings=settings), monitor_socket(paths_of(settings, UID))
    socket.parent.mkdir(parents=True)
    (tmp_path / "by-another-name").symlink_to(run_directory)
    elsewhere = tmp_path / "by-another-name" / UID / socket.name
    argv = [
        QEMU, "-name", f"guest={UID},debug-threads=on",
        "-fw_cfg", option_marker(UID, node.settings.cluster_uid),
        "-chardev", f"socket,id=mon0,path={elsewhere},server=on,wait=off",
    ]  # fmt: skip
    binary = write_stand_in(tmp_path / "bin" / QEMU)
    with run(sys.executable, "-c", LISTENS, str(socket), str(binary), *argv) as vm:
        wait_until(lambda: processes.executable_of(vm.pid) == str(binary))
        worker = looking(node, new_placement, "deletion")
        await worker.step()
        assert vm.wait(10) is not None
    assert worker.record.ended is not None


LISTENS = """
import os, socket, sys
listening = socket.socket(socket.AF_UNIX)
listening.bind(sys.argv[1])
listening.listen()
listening.set_inheritable(True)
os.execv(sys.argv[2], sys.argv[3:])
"""


async def test_a_fork_of_a_vm_is_no_second_vm_and_ends_with_it(
    node: Node, new_placement: NewPlacement, start_marked: StartMarked
) -> None:
    vm = start_marked(forks=True)
    wait_until(lambda: len(copies(vm)) == 1)
    (copy,) = copies(vm)
    worker = looking(node, new_placement, "adoption")
    await worker.step()
    assert worker.record.process is not None
    assert worker.record.process.pid == vm.pid
    orphans = Orphans(node)
    orphans.sweep({UID: worker.record})
    assert [one for one in orphans.found if one.placement_uid] == []
    worker.placement = new_placement(deleted=True)
    await worker.step()
    assert worker.record.ended is not None
    assert vm.wait(5) is not None
    assert processes.read_identity(copy, BOOT_ID) is None


def copies(vm: "subprocess.Popen[bytes]") -> list[int]:
    return list(map(int, Path(f"/proc/{vm.pid}/task/{vm.pid}/children").read_text().split()))


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
