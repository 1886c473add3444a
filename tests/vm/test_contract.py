"""What every adapter must do, asked of a real VMM of each kind.

QEMU runs everywhere; the others where a binary of theirs is given. No guest need come up:
what is asked here holds also where KVM runs none.
"""

import asyncio
import itertools
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schedune.api.nodetruth import BackendFact, CapabilityState
from schedune.api.vmplacement import PlacementState
from schedune.api.vmworkload import Backend
from schedune.codes import execution as codes
from schedune.launch.capabilities import KVM
from schedune_agent import vm_users
from schedune_agent.record import LaunchRecord
from schedune_agent.system import processes
from schedune_agent.system.launcher import VmUser
from schedune_agent.system.locks import is_locked
from schedune_agent.system.ownership import first_denied
from schedune_agent.vmm.asking import grace_of, no_grace
from schedune_agent.vmm.markers import Mark, marks_on, names_path
from schedune_agent.vmm.port import DiskFiles, LaunchPlan, Request, VmmError
from schedune_agent.vmm.process import Confinement
from schedune_testing.bare_vms import GIVEN, BareVm, binary_of, short_folder
from schedune_testing.open_kvm import with_open_kvm

S = PlacementState
SOMEBODY = VmUser(64099, 64099)
FEWEST_MOMENTS = 12
PERSISTENT = {"name": "data", "emptySize": "1Mi", "format": "Raw", "access": "Persistent"}


@pytest.fixture(params=list(Backend))
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each VMM of which there is one here."""
    binary_of(request.param)
    kind: Backend = request.param
    return kind


@pytest.fixture
async def bare(backend: Backend) -> AsyncIterator[BareVm]:
    """One VM that is not started yet, and is gone afterwards."""
    with short_folder() as folder:
        one = BareVm(backend, folder)
        yield one
        one.close()
        await asyncio.sleep(0)


def test_a_plan_is_the_same_twice_and_reads_back_from_a_record(bare: BareVm) -> None:
    plan = bare.plan
    assert bare.plan == plan
    assert tuple(Request.parse(str(one)) for one in plan.requests) == plan.requests


def test_a_plan_names_whose_vm_it_is_and_where_its_sockets_are(bare: BareVm) -> None:
    argv = bare.plan.argv
    mark = Mark(bare.adapter.backend, bare.cluster, bare.uid, is_in_place=True)
    assert marks_on(argv) == [mark]
    assert names_path(argv, bare.adapter.control_socket(bare.paths))


async def test_one_that_was_started_is_proved_and_runs_nothing_yet(bare: BareVm) -> None:
    vm = await bare.start()
    assert bare.pids() == [vm.handle.identity.pid]
    assert vm.version[:1].isdigit()
    assert not await vm.is_running()
    assert await vm.guest_end() is None


async def test_a_guest_is_started_once_however_often_it_is_asked_for(bare: BareVm) -> None:
    vm = await bare.run()
    assert await vm.is_running()
    await vm.begin(bare.plan.requests)
    assert await vm.is_running()
    assert await vm.guest_end() is None


async def test_an_agent_that_was_killed_after_any_request_is_followed_by_one_that_goes_on(
    bare: BareVm,
) -> None:
    requests = bare.plan.requests
    for done in range(len(requests)):
        vm = await bare.start()
        await vm.begin(requests[:done])
        identity = vm.handle.identity
        await bare.forget()
        following = await bare.take(identity)
        await following.begin(requests)
        assert await following.is_running(), f"after {done} requests"
        await following.stop(no_grace)
        assert bare.pids() == []
        following.handle.reap()
        await bare.forget()


async def test_an_agent_that_comes_after_finds_a_running_vm_again_and_leaves_it_as_it_is(
    bare: BareVm,
) -> None:
    identity = (await bare.run()).handle.identity
    await bare.forget()
    assert processes.read_identity(bare.pids()[0], identity.boot_id) == identity
    again = await bare.take(identity)
    await again.begin(bare.plan.requests)
    assert await again.is_running()
    assert bare.pids() == [identity.pid]


async def test_one_that_is_stopped_is_gone_and_leaves_nobody(bare: BareVm) -> None:
    vm = await bare.run()
    assert (await vm.stop(no_grace)).row is codes.HOST_STOPPED
    assert not vm.handle.is_alive
    assert bare.pids() == []


async def test_one_that_never_ran_a_guest_is_stopped_at_once(bare: BareVm) -> None:
    vm = await bare.start()
    assert (await asyncio.wait_for(vm.stop(grace_of(60.0)), 10)).row is codes.HOST_STOPPED
    assert bare.pids() == []


async def test_what_an_ended_one_left_is_not_in_the_next_ones_way(bare: BareVm) -> None:
    vm = await bare.run()
    vm.handle.send(signal.SIGKILL)
    assert await vm.handle.wait_gone(5)
    vm.handle.reap()
    await bare.forget()
    assert await (await bare.run()).is_running()


async def test_the_end_of_one_that_is_left_alone_is_noticed_at_once(bare: BareVm) -> None:
    vm = await bare.run()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(vm.stirs(), 1)
    assert await vm.is_running()
    stirs = asyncio.create_task(vm.stirs())
    await asyncio.sleep(0.1)
    vm.handle.send(signal.SIGKILL)
    await asyncio.wait_for(stirs, 5)


async def test_a_disk_that_outlives_it_is_locked_against_a_second_writer_while_it_lives(
    backend: Backend,
) -> None:
    with short_folder() as folder:
        path = folder / "data.raw"
        path.write_bytes(bytes(2**20))
        one = BareVm(backend, folder, disks=[PERSISTENT])
        disk = DiskFiles(one.inputs.launch.disks[0], None, path)
        one.inputs = replace(one.inputs, files=replace(one.inputs.files, disks=(disk,)))
        try:
            vm = await one.run()
            assert is_locked(path)
            vm.handle.send(signal.SIGKILL)
            assert await vm.handle.wait_gone(5)
            assert not is_locked(path)
        finally:
            one.close()
            await asyncio.sleep(0)


async def test_one_that_was_killed_is_told_as_killed(bare: BareVm) -> None:
    vm = await bare.run()
    vm.handle.send(signal.SIGKILL)
    assert await vm.handle.wait_gone(5)
    with pytest.raises(VmmError):
        await vm.is_running()
    assert vm.exit_seen(vm.handle.reap()).row is codes.VMM_KILLED


async def test_one_that_is_frozen_does_not_answer_is_not_taken_for_dead_and_can_be_ended(
    bare: BareVm,
) -> None:
    vm = await bare.run()
    os.kill(vm.handle.identity.pid, signal.SIGSTOP)
    with pytest.raises(VmmError):
        await vm.is_running()
    assert vm.handle.is_alive
    assert (await vm.stop(no_grace)).row is codes.HOST_STOPPED
    assert bare.pids() == []


async def test_another_vms_socket_is_not_taken_for_this_ones(bare: BareVm) -> None:
    vm = await bare.start()
    with short_folder() as folder:
        other = BareVm(bare.adapter.backend, folder)
        await other.start()
        await other.forget()
        identity = vm.handle.identity
        await bare.forget()
        mine = bare.adapter.control_socket(bare.paths)
        mine.unlink()
        mine.symlink_to(other.adapter.control_socket(other.paths))
        handle = processes.prove(identity, identity.boot_id)
        assert handle is not None
        bare.vm = bare.adapter.attach(handle, bare.paths, bare.uid)
        with pytest.raises(VmmError, match=r"served by pid|belongs to"):
            await bare.vm.verify()
        other.close()
        await asyncio.sleep(0)


async def test_a_guest_that_does_not_answer_is_no_proof_in_time(bare: BareVm) -> None:
    vm = await bare.run()
    assert await asyncio.wait_for(vm.ask_guest(0.3), 2) is None


def status_of(pid: int) -> Mapping[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


async def test_one_that_runs_has_no_right_and_can_gain_none(bare: BareVm) -> None:
    vm = await bare.run()
    told = status_of(vm.handle.identity.pid)
    for one in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(told[one], 16) == 0 or os.geteuid() != 0, one
    assert told["NoNewPrivs"] == "1"


@pytest.mark.skipif(os.geteuid() != 0, reason="not given: root")
async def test_as_a_user_of_its_own_it_can_be_asked_found_again_and_ended_as_any(
    bare: BareVm,
) -> None:
    user = vm_users.user_of(SOMEBODY.uid, bare.inputs.launch, bare.adapter.backend)
    assert user is not None
    devices = vm_users.devices_of(bare.inputs.launch, bare.adapter.backend)
    if first_denied(user, [], devices):
        pytest.skip("not given: a /dev/kvm that is open to its group")
    bare.confinement = Confinement(user=user)
    identity = (await bare.run()).handle.identity
    told = status_of(identity.pid)
    assert told["Uid"].split() == told["Gid"].split() == [str(user.uid)] * 4
    assert told["Groups"].split() == [str(one) for one in user.groups]
    assert {one.stat().st_uid for one in bare.paths.run.iterdir()} == {user.uid}
    await bare.forget()
    again = await bare.take(identity)
    assert await again.is_running()
    await again.keep_console()
    assert (await again.stop(no_grace)).row is codes.HOST_STOPPED
    assert bare.pids() == []


async def test_a_binary_that_ends_at_once_is_told_with_its_words(bare: BareVm) -> None:
    plan = bare.plan
    wrong = LaunchPlan(plan.binary, (*plan.argv, "--no-such-option"))
    adapter = bare.adapter
    bare.adapter = _Planned(adapter, wrong)
    with pytest.raises(VmmError, match=r"no-such-option|ended"):
        await bare.start()
    bare.adapter = adapter


class _Planned:
    """An adapter that plans something else."""

    def __init__(self, adapter: Any, plan: LaunchPlan) -> None:
        self._adapter = adapter
        self._plan = plan

    def plan(self, _: object) -> LaunchPlan:
        return self._plan

    def __getattr__(self, name: str) -> Any:
        return getattr(self._adapter, name)


def with_kvm(machine: Any, backend: Backend) -> Any:
    """This machine as if its KVM ran guests, and with the given binary in its search path."""
    capabilities = [
        one.model_copy(update={"state": CapabilityState.SUPPORTED}) if one.name == KVM else one
        for one in machine.facts.capabilities
    ]
    given = BackendFact(
        name=backend,
        path=binary_of(backend),
        version="99.0.0",
        version_line="99.0.0",
        architecture=machine.facts.cpu.architecture,
        accelerations=["KVM"],
        features=["no-shutdown"],
    )
    changes = {"capabilities": capabilities, "backends": [given]}
    return with_open_kvm(replace(machine, facts=machine.facts.model_copy(update=changes)))


def is_settled(record: LaunchRecord) -> bool:
    return record.state in (S.RUNNING, S.FAILED)


@pytest.mark.parametrize("backend", list(GIVEN), indirect=True)
async def test_a_launch_with_an_agent_killed_anywhere_leaves_one_vm_and_its_end_leaves_none(
    backend: Backend, new_world: Callable[..., Any]
) -> None:
    options = {
        "backend": backend.value,
        "acceleration": "KVM",
        "runtimeClass": "MicroVM",
        "kernel": {"artifact": "vmlinux" if backend is Backend.FIRECRACKER else "kernel"},
    }
    for moment in itertools.count(1):
        world = new_world(**options)
        world._machine = with_kvm(world._machine, backend)
        was_killed = await world.agent(is_settled, kill_at=moment)
        await world.agent(is_settled)
        assert world.record.state is S.RUNNING, world.record.trace
        assert world.vms() == [world.record.process.pid]
        assert world.record.incarnation == 1
        world.delete()
        for later in itertools.count(1):
            if not await world.agent(lambda found: found.ended is not None, kill_at=later):
                break
        assert (world.vms(), world.remains()) == ([], [])
        if not was_killed:
            break
    assert moment > FEWEST_MOMENTS


def test_every_vmm_that_a_launch_may_name_is_asked_here() -> None:
    assert set(GIVEN) | {Backend.QEMU} == set(Backend)
