"""What a VMM may do on its node: nothing more than it needs, whichever user its agent is.

The class "privileges" of the security list, with real VMs: their user, their rights, their
files, their share of the machine, and what is told where the node cannot give them these.
"""

import asyncio
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schedune.api.vmplacement import PlacementState
from schedune_agent import vm_users
from schedune_agent.record import LaunchRecord
from schedune_agent.system import cgroup, processes
from schedune_agent.system.cgroup_limits import missing_limits
from schedune_testing.machines import VM_USERS

S = PlacementState
NewWorld = Callable[..., Any]
STILL = {"kernel": {"artifact": "still"}, "initrd": None}
SCRATCH = {"name": "scratch", "emptySize": "1Mi", "format": "Raw", "access": "Ephemeral"}
KEPT = {"name": "kept", "emptySize": "1Mi", "format": "Raw", "access": "Persistent"}
RANGE = range(VM_USERS["first"], VM_USERS["first"] + VM_USERS["count"])
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="not given: root")
grouped = pytest.mark.skipif(not cgroup.can_contain(), reason="not given: control groups")


def is_running(record: LaunchRecord) -> bool:
    return record.state is S.RUNNING


def is_ended(record: LaunchRecord) -> bool:
    return record.ended is not None


def status_of(pid: int) -> Mapping[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def codes_of(world: Any) -> list[str]:
    return [entry.code for entry in world.record.trace]


def owners(folder: Path) -> dict[str, tuple[int, int]]:
    """Return owner and mode of everything in a folder."""
    found = {one.name: one.lstat() for one in folder.iterdir()}
    return {name: (one.st_uid, stat.S_IMODE(one.st_mode)) for name, one in found.items()}


@as_root
async def test_a_vm_is_a_user_of_its_own_without_any_right(new_world: NewWorld) -> None:
    world = new_world(**STILL, disks=[SCRATCH])
    await world.agent(is_running)
    (pid,) = world.vms()
    told, user = status_of(pid), world.record.user
    assert user in RANGE
    assert told["Uid"].split() == told["Gid"].split() == [str(user)] * 4
    assert told["Groups"] == ""
    for one in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(told[one], 16) == 0, one
    assert (told["NoNewPrivs"], told["Seccomp"]) == ("1", "2")
    assert Path(f"/proc/{pid}/oom_score_adj").read_text().strip() == "0"
    assert "LIMIT_SHARED_USER" not in codes_of(world)


@as_root
async def test_its_files_are_its_users_and_the_ways_to_them_show_nothing(
    new_world: NewWorld,
) -> None:
    guest = {"hostname": "guest"}
    world = new_world(**STILL, disks=[SCRATCH, KEPT], guest=guest)
    await world.agent(is_running)
    user, paths = world.record.user, world.paths
    assert (paths.run.stat().st_uid, stat.S_IMODE(paths.run.stat().st_mode)) == (user, 0o700)
    assert {one for one, _ in owners(paths.run).values()} == {user}
    assert owners(paths.disks) == {
        "scratch.qcow2": (user, 0o600),
        "seed.iso": (user, 0o600),
    }
    (kept,) = (world.settings.state_directory / "disks").rglob("kept.raw")
    assert (kept.stat().st_uid, stat.S_IMODE(kept.stat().st_mode)) == (user, 0o600)
    for folder in (paths.disks, paths.disks.parent, kept.parent, kept.parent.parent):
        found = folder.stat()
        assert found.st_uid == 0
        assert not stat.S_IMODE(found.st_mode) & 0o066, folder
    assert not stat.S_IMODE(paths.kept.stat().st_mode) & 0o077
    world.delete()
    await world.agent(is_ended)
    assert kept.stat().st_uid == 0
    kept.unlink()


@as_root
async def test_no_two_vms_are_the_same_user_and_neither_is_one_with_a_living_process(
    new_world: NewWorld,
) -> None:
    first, second = new_world(**STILL), new_world(**STILL)
    users = {"first": VM_USERS["first"] + VM_USERS["count"], "count": 2}
    settings = first._machine.settings.model_copy(
        update={"vm_users": first._machine.settings.vm_users.model_copy(update=users)}
    )
    for world in (first, second):
        world._machine = replace(world._machine, settings=settings)
    await first.agent(is_running)
    await second.agent(is_running)
    assert {first.record.user, second.record.user} == {users["first"], users["first"] + 1}
    third = new_world(**STILL)
    third._machine = first._machine
    await third.agent(is_ended)
    assert third.record.ended.reason == "NoVMUser"
    assert third.record.refusal.required == "2"
    assert third.vms() == []


@as_root
async def test_it_is_the_same_user_after_a_restart_and_after_the_loss_of_its_record(
    new_world: NewWorld,
) -> None:
    world = new_world(**STILL)
    await world.agent(is_running)
    user, pid = world.record.user, world.record.process.pid
    worker = world.new_agent()
    await world.carry_on(worker, is_running)
    worker.let_go()
    world._machine = replace(world._machine)
    for one in world.paths.kept.iterdir():
        one.unlink()
    worker = world.new_agent()
    await world.carry_on(worker, is_running)
    assert (worker.record.user, worker.record.process.pid) == (user, pid)
    assert worker._node.ledger.users[world.uid] == user
    worker.let_go()


@as_root
async def test_an_artefact_that_its_user_cannot_read_is_told_before_anything_starts(
    new_world: NewWorld, machine: Any
) -> None:
    artefact = machine.settings.image_roots[0] / "still"
    world = new_world(**STILL)
    artefact.chmod(0o600)
    try:
        await world.agent(is_ended)
    finally:
        artefact.chmod(0o644)
    refusal = world.record.refusal
    assert (refusal.code, refusal.observed) == ("ERR_LAUNCH_DENIED_TO_VM_USER", str(artefact))
    assert world.remains() == []


@as_root
async def test_a_kvm_that_its_user_cannot_open_is_told_before_anything_starts(
    new_world: NewWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    device = tmp_path / "kvm"
    device.touch(mode=0o600)
    monkeypatch.setattr(vm_users, "KVM", device)
    world = new_world(**STILL, acceleration="KVM")
    worker = world.new_agent()
    monkeypatch.setattr("schedune_agent.preparation.validate_launch", lambda *_: [])
    await world.carry_on(worker, is_ended)
    assert worker.record.refusal.code == "ERR_LAUNCH_DENIED_TO_VM_USER"
    assert worker.record.refusal.observed == str(device)
    worker.let_go()


async def test_where_no_users_are_set_aside_it_says_that_it_runs_as_its_agent_without_rights(
    new_world: NewWorld,
) -> None:
    world = new_world(**STILL)
    alone = world._machine.settings.model_copy(update={"vm_users": None})
    world._machine = replace(world._machine, settings=alone)
    await world.agent(is_running)
    (pid,) = world.vms()
    told = status_of(pid)
    assert told["Uid"].split()[1] == str(os.geteuid())
    assert int(told["CapEff"], 16) == int(told["CapPrm"], 16) == 0
    assert told["NoNewPrivs"] == "1"
    assert world.record.user is None
    assert "LIMIT_SHARED_USER" in codes_of(world)


@grouped
async def test_its_limits_are_what_it_claims_as_the_kernel_itself_says(
    new_world: NewWorld,
) -> None:
    world = new_world(**STILL)
    worker = world.new_agent()
    await world.carry_on(worker, is_running)
    limits = worker._confinement.limits
    worker.let_go()
    assert limits.memory_bytes == (128 + 104) * 2**20
    missing = missing_limits(world.uid, limits)
    told = [one.message for one in world.record.trace if one.code == "LIMIT_RESOURCES_UNBOUNDED"]
    assert bool(missing) is bool(told)
    for one in missing:
        assert one in told[0]
    (pid,) = world.vms()
    mine = [line.split(":", 2)[2] for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()]
    assert {one.rpartition("/")[2] for one in mine} == {world.uid}


async def test_without_a_group_of_its_own_it_says_that_nothing_limits_it(
    new_world: NewWorld,
) -> None:
    world = new_world(**STILL)
    world._machine = replace(world._machine, contained=False)
    await world.agent(is_running)
    told = [one.message for one in world.record.trace if one.code == "LIMIT_RESOURCES_UNBOUNDED"]
    assert len(told) == 1
    assert "no control group" in told[0]


@grouped
async def test_a_vm_that_touches_more_than_it_claimed_is_told_as_out_of_memory(
    new_world: NewWorld,
) -> None:
    """A guest of 512Mi unpacks its initrd and touches its memory, and claims 96Mi in all."""
    world = new_world(
        memory="512Mi",
        restartPolicy="OnFailure",
        readiness={"level": "Backend", "timeoutSeconds": 60},
    )
    claim = world.placement.spec.claim.model_copy(
        update={"memory": "64Mi", "overhead_memory": "32Mi"}
    )
    spec = world.placement.spec.model_copy(update={"claim": claim})
    world.placement = world.placement.model_copy(update={"spec": spec})
    worker = world.new_agent()
    await world.carry_on(worker, lambda record: record.last_exit is not None)
    worker.let_go()
    record = world.record
    assert record.last_exit.reason == "OutOfMemory", record.trace
    assert record.last_exit.signal == 9
    told = next(one for one in record.trace if one.code == "ERR_EXEC_OUT_OF_MEMORY")
    assert "64Mi for the guest and 32Mi for its VMM" in told.message
    assert record.ended is None
    assert record.incarnation == 2


@grouped
async def test_an_end_for_want_of_memory_that_no_agent_saw_is_told_by_the_next_one(
    new_world: NewWorld,
) -> None:
    world = new_world(memory="512Mi", restartPolicy="Never")
    claim = world.placement.spec.claim.model_copy(
        update={"memory": "64Mi", "overhead_memory": "32Mi"}
    )
    spec = world.placement.spec.model_copy(update={"claim": claim})
    world.placement = world.placement.model_copy(update={"spec": spec})
    await world.agent(is_running)
    await world.carry_on_without(lambda: is_dead(world))
    for pid in world.vms():
        os.waitpid(pid, os.WNOHANG)  # noqa: ASYNC222 - it does not wait
    await world.agent(is_ended)
    assert world.record.ended.reason == "OutOfMemory", world.record.trace
    assert (world.vms(), world.remains()) == ([], [])


def is_dead(world: Any) -> bool:
    process = world.record.process
    return processes.read_identity(process.pid, process.boot_id) is None


async def test_what_a_broken_vmm_leaves_in_its_folder_leads_its_agent_nowhere(
    new_world: NewWorld, tmp_path: Path
) -> None:
    """Links and pipes in the place of what the agent makes there for the next incarnation."""
    world = new_world(**STILL)
    worker = world.new_agent()
    await world.carry_on(worker, is_running)
    secret = tmp_path / "secret"
    secret.write_bytes(b"untouched")
    for name in ("vmm.log", "q.sock.new", "seed"):
        (world.paths.run / name).symlink_to(secret)
    os.mkfifo(world.paths.run / "pipe")
    os.kill(world.record.process.pid, 9)
    await world.carry_on(worker, lambda record: record.incarnation == 2 and is_running(record))
    worker.let_go()
    await asyncio.sleep(0)
    assert secret.read_bytes() == b"untouched"
    assert not [one for one in world.paths.run.iterdir() if not one.is_socket()]
