"""What a new agent says of a real VM that it finds, in the codes that a user reads."""

import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schedune.api.vmplacement import PlacementState
from schedune_agent.record import LaunchRecord, RecordedProcess
from schedune_agent.system import cgroup, processes
from schedune_agent.vmm.markers import option_marker
from schedune_agent.vmm.qemu.argv import monitor_socket
from schedune_testing.fewer_rights import without_ptrace
from schedune_testing.machines import BOOT_ID
from schedune_testing.stand_ins import write_stand_in

S = PlacementState
NewWorld = Callable[..., Any]


def is_running(record: LaunchRecord) -> bool:
    return record.state is S.RUNNING


def codes_after(record: LaunchRecord, number: int) -> list[str]:
    return [entry.code for entry in record.trace[number:]]


def kill(world: Any) -> None:
    """End the VM while no agent is there."""
    pid = world.record.process.pid
    descriptor = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    assert select.select([descriptor], [], [], 10)[0], "it does not end"
    os.close(descriptor)


def lookalike(world: Any, folder: Path) -> "subprocess.Popen[bytes]":
    """Start a process with the VM's whole command line, and another program."""
    program = write_stand_in(folder / "sleep")
    return subprocess.Popen(world.record.argv, executable=program)


def searching(world: Any) -> "subprocess.Popen[bytes]":
    """Start a process that mentions the VM's marker, as a search for it does."""
    mark = option_marker(world.uid, world.settings.cluster_uid)
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", mark])


@pytest.fixture
async def world(new_world: NewWorld) -> Any:
    """Let one agent start a VM, and end the agent."""
    found = new_world()
    await found.agent(is_running)
    return found


async def test_a_vm_that_runs_is_adopted_and_a_second_restart_says_nothing_new(world: Any) -> None:
    told = len(world.record.trace)
    (pid,) = world.vms()
    for _ in range(2):
        await world.agent(is_running)
        assert codes_after(world.record, told) == ["RECOVERY_CONFIRMED"]
    assert world.vms() == [world.record.process.pid] == [pid]


async def test_a_vm_whose_record_is_lost_is_recorded_anew_and_the_user_is_told(world: Any) -> None:
    told = len(world.record.trace)
    (pid,) = world.vms()
    shutil.rmtree(world.settings.state_directory / "placements" / world.uid)
    await world.agent(lambda record: record.process is not None)
    assert codes_after(world.record, told) == ["RECOVERY_RECORD_LOST", "RECOVERY_CONFIRMED"]
    assert (world.record.state, world.record.process.pid) == (S.RUNNING, pid)
    assert world.vms() == [pid]


async def test_a_vmm_that_is_silent_when_the_agent_comes_back_is_unknown_until_it_answers(
    world: Any,
) -> None:
    told = len(world.record.trace)
    (pid,) = world.vms()
    os.kill(pid, signal.SIGSTOP)
    worker = world.new_agent()
    await world.carry_on(worker, lambda record: record.state is S.UNKNOWN)
    for _ in range(2):
        await worker.step()
    assert codes_after(worker.record, told) == ["RECOVERY_UNANSWERED"]
    os.kill(pid, signal.SIGCONT)
    await world.carry_on(worker, is_running)
    assert codes_after(worker.record, told)[:2] == ["RECOVERY_UNANSWERED", "RECOVERY_CONFIRMED"]
    assert world.vms() == [pid]
    worker.let_go()


async def test_a_vm_that_ended_unwatched_is_told_as_found_so_before_it_is_started_again(
    world: Any,
) -> None:
    told = len(world.record.trace)
    (pid,) = world.vms()
    kill(world)
    await world.agent(lambda record: record.incarnation == 2)
    found = world.record
    assert codes_after(found, told) == ["ERR_RECOVERY_EXECUTION_MISSING", "EXIT_UNKNOWN"]
    assert [entry.to for entry in found.trace[told:]] == [S.UNKNOWN, S.EXITED]
    assert f"pid {pid} is gone" in found.trace[told].message
    assert (world.vms(), found.last_exit.reason) == ([], "ExitUnknown")


async def test_a_vm_that_was_adopted_and_then_ends_is_told_as_one_that_was_watched(
    world: Any,
) -> None:
    told = len(world.record.trace)
    worker = world.new_agent()
    await world.carry_on(worker, lambda record: len(record.trace) > told)
    kill(world)
    await world.carry_on(worker, lambda record: record.incarnation == 2)
    codes = codes_after(worker.record, told)
    assert codes == ["RECOVERY_CONFIRMED", "ERR_EXEC_RUNTIME_CRASHED"]
    worker.let_go()


async def test_a_stop_that_finds_the_vm_gone_already_does_not_claim_to_have_ended_it(
    world: Any,
) -> None:
    kill(world)
    world.delete()
    await world.agent(lambda record: record.ended is not None)
    assert codes_after(world.record, -2) == ["STOP_REQUESTED", "RECOVERY_TERMINATED_MISSING"]
    assert world.remains() == []


async def test_a_vmm_that_does_not_listen_yet_is_waited_for_and_none_is_started_beside_it(
    world: Any,
) -> None:
    (pid,) = world.vms()
    socket = monitor_socket(world.paths)
    aside = socket.rename(socket.with_name("aside"))
    worker = world.new_agent()
    await world.carry_on(worker, lambda record: record.state is S.UNKNOWN)
    assert world.vms() == [pid]
    aside.rename(socket)
    await world.carry_on(worker, is_running)
    assert world.vms() == [worker.record.process.pid] == [pid]
    worker.let_go()


async def test_a_node_that_gets_another_name_keeps_its_vm(world: Any) -> None:
    told = len(world.record.trace)
    (pid,) = world.vms()
    renamed = replace(world._machine.identity, name="renamed")
    world._machine = replace(world._machine, identity=renamed)
    await world.agent(is_running)
    assert codes_after(world.record, told) == ["RECOVERY_CONFIRMED"]
    assert world.vms() == [pid]


async def test_of_several_that_carry_its_marker_the_one_is_taken_that_an_administrator_chose(
    world: Any,
    tmp_path: Path,
) -> None:
    (pid,) = world.vms()
    with lookalike(world, tmp_path) as other:
        shutil.rmtree(world.settings.state_directory / "placements" / world.uid)
        worker = world.new_agent()
        await world.carry_on(worker, lambda record: record.state is S.UNKNOWN)
        assert worker.record.trace[-1].code == "ERR_RECOVERY_REASSOCIATION_AMBIGUOUS"
        chosen = processes.read_identity(pid, BOOT_ID)
        assert chosen is not None
        assert worker.choose(RecordedProcess.of(chosen))
        await world.carry_on(worker, is_running)
        assert worker.record.process.pid == pid
        worker.let_go()
        assert other.poll() is None
        other.kill()


@pytest.mark.skipif(not cgroup.can_contain(), reason="no right to make control groups")
async def test_a_vm_that_was_moved_out_of_its_group_is_adopted_and_that_is_told_once(
    world: Any,
) -> None:
    told = len(world.record.trace)
    (pid,) = world.vms()
    groups = [root / cgroup.PARENT / world.uid for root in cgroup.hierarchies()]
    for group in groups:
        (group.parents[1] / "cgroup.procs").write_text(str(pid))
        group.rmdir()
    for _ in range(2):
        worker = world.new_agent()
        await world.carry_on(worker, lambda _, worker=worker: worker._is_proved)
        worker.let_go()
    assert world.vms() == [pid]
    assert world.record.state is S.RUNNING
    codes = codes_after(world.record, told)
    assert codes.count("LIMIT_RESOURCES_UNBOUNDED") == 1
    (moved,) = [one for one in world.record.trace[told:] if one.code == "LIMIT_RESOURCES_UNBOUNDED"]
    assert "runs outside of its control group of" in moved.message
    for root in cgroup.hierarchies():
        assert root.name in moved.message or root == cgroup.ROOT


@pytest.mark.skipif(not cgroup.can_contain(), reason="no right to make control groups")
async def test_a_vm_that_was_moved_out_of_one_hierarchy_only_says_of_which(world: Any) -> None:
    (pid,) = world.vms()
    assert cgroup.outside(world.uid, pid) == []
    root, *others = cgroup.hierarchies()
    (root / "cgroup.procs").write_text(str(pid))
    assert len(cgroup.outside(world.uid, pid)) == 1
    assert len(others) == len(cgroup.hierarchies()) - 1


async def test_a_vm_that_somebody_searches_for_is_adopted_and_the_search_goes_on(
    world: Any,
) -> None:
    (pid,) = world.vms()
    shutil.rmtree(world.settings.state_directory / "placements" / world.uid)
    with searching(world) as other:
        await world.agent(lambda record: record.process is not None)
        assert world.record.process.pid == pid
        world.delete()
        await world.agent(lambda record: record.ended is not None)
        assert other.poll() is None
        other.kill()
    assert world.remains() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="not given: root")
async def test_a_vm_that_may_not_be_looked_at_is_unknown_and_not_doubled_until_it_may(
    world: Any,
) -> None:
    """It runs as a user of its own, and the agent has lost its record and CAP_SYS_PTRACE."""
    (pid,) = world.vms()
    shutil.rmtree(world.settings.state_directory / "placements" / world.uid)
    worker = world.new_agent()
    with without_ptrace():
        for _ in range(3):
            await worker.step()
    assert (worker.record.state, worker.record.ended) == (S.UNKNOWN, None)
    assert worker.record.trace[-1].code == "ERR_RECOVERY_UNPROVED_CARRIER"
    assert "what it executes may not be looked at" in worker.record.trace[-1].message
    assert world.vms() == [pid]
    await world.carry_on(worker, is_running)
    assert world.vms() == [worker.record.process.pid] == [pid]
    worker.let_go()


async def test_a_vm_under_another_run_directory_is_unknown_and_neither_ended_nor_doubled(
    world: Any, tmp_path: Path
) -> None:
    """The agent was configured anew, and its state directory is lost too."""
    (pid,) = world.vms()
    machine, settings = world._machine, world.settings
    shutil.rmtree(settings.state_directory / "placements" / world.uid)
    elsewhere = settings.model_copy(update={"run_directory": tmp_path})
    world._machine = replace(machine, settings=elsewhere)
    world.delete()
    worker = world.new_agent()
    for _ in range(3):
        await worker.step()
    worker.let_go()
    assert (worker.record.state, worker.record.ended) == (S.UNKNOWN, None)
    assert worker.record.trace[-1].code == "ERR_RECOVERY_UNPROVED_CARRIER"
    assert world.vms() == [pid]
    world._machine = machine
    await world.agent(lambda record: record.ended is not None)
    assert (world.vms(), world.remains()) == ([], [])
