"""The real Firecracker, where its binary is given: what it does of what the adapter counts on.

KVM need not run guests for it: these tests ask, configure, end and find again. In a
machine whose KVM works ``check_firecracker`` boots guests.
"""

import asyncio
import json
import os
import shutil
import signal
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from schedune.api.vmplacement import LaunchDisk
from schedune.api.vmworkload import Backend
from schedune.codes import execution
from schedune.codes import firecracker as limits
from schedune_agent.system import processes
from schedune_agent.vmm.asking import grace_of, no_grace
from schedune_agent.vmm.firecracker.metrics import KEPT, faults_in
from schedune_agent.vmm.firecracker.requests import (
    api_socket,
    console_pipe,
    metrics_pipe,
    vsock_socket,
)
from schedune_agent.vmm.port import DiskFiles, LaunchFiles, Request, VmmError, VmmRefusalError
from schedune_lab.bare_kernel import write_bare_kernel
from schedune_lab.machine import ensure_kernel
from schedune_testing.bare_vms import BOOT_ID, LANDLOCK_ABI, BareVm, binary_of, short_folder

NewBare = Callable[..., BareVm]
LAUNCH: Final = {
    "commandLine": "console=ttyS0 reboot=k panic=-1",
    "readiness": {"level": "Guest", "probe": "Vsock", "timeoutSeconds": 60},
    "terminationGraceSeconds": 30,
}


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kernel as Firecracker boots it, unpacked once."""
    binary_of(Backend.FIRECRACKER)
    out = tmp_path_factory.mktemp("kernel") / "vmlinux"
    write_bare_kernel(ensure_kernel().image, out)
    return out


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as made:
        yield made


@pytest.fixture
async def new_bare(kernel: Path, folder: Path) -> AsyncIterator[NewBare]:
    """Plan VMs, and leave nothing of them."""
    made: list[BareVm] = []

    def make(within: Path = folder, **launch: object) -> BareVm:
        within.mkdir(exist_ok=True)
        shutil.copyfile(kernel, within / "kernel")
        made.append(BareVm(Backend.FIRECRACKER, within, **{**LAUNCH, **launch}))
        return made[-1]

    yield make
    for one in made:
        one.close()
    await asyncio.sleep(0)


@pytest.fixture
def bare(new_bare: NewBare) -> BareVm:
    """One that is not started yet."""
    return new_bare()


async def test_one_that_was_started_proves_whose_vm_it_is_and_runs_nothing_yet(
    bare: BareVm,
) -> None:
    vm = await bare.start()
    assert bare.pids() == [vm.handle.identity.pid]
    assert vm.version.startswith("1.")
    assert not await vm.is_running()
    assert await vm.guest_end() is None


async def test_all_requests_are_taken_and_the_guest_is_started_once(bare: BareVm) -> None:
    vm = await bare.run()
    assert await vm.is_running()
    await vm.begin(bare.plan.requests)
    assert await vm.is_running()


async def test_a_configuration_that_was_cut_off_is_done_again_from_the_start(bare: BareVm) -> None:
    vm = await bare.start()
    *before, last = bare.plan.requests
    await vm.begin(before)
    assert not await vm.is_running()
    await vm.begin([*before, last])
    assert await vm.is_running()


async def test_three_vcpus_are_taken(new_bare: NewBare) -> None:
    vm = await new_bare(vcpus=3).run()
    assert await vm.is_running()


async def test_disks_are_taken_and_a_missing_one_is_named(bare: BareVm, folder: Path) -> None:
    (folder / "data").write_bytes(bytes(2**20))
    said = LaunchDisk.model_validate({"name": "data-1", "format": "Raw", "access": "ReadOnly"})
    disk = DiskFiles(said, folder / "data", folder / "data-1.raw")
    missing = replace(disk, source=folder / "not-there")
    files = LaunchFiles(bare.inputs.files.kernel, None, (missing,))
    bare.inputs = replace(bare.inputs, files=files)
    vm = await bare.start()
    with pytest.raises(VmmRefusalError, match=r"/drives/disk0: .*not-there"):
        await vm.begin(bare.plan.requests)
    await vm.stop(no_grace)
    # Anew: which files it can open is settled when it is started.
    bare.inputs = replace(bare.inputs, files=replace(files, disks=(disk,)))
    vm = await bare.run()
    assert await vm.is_running()


@pytest.mark.skipif(LANDLOCK_ABI < 1, reason="not given: a kernel with Landlock")
async def test_it_opens_no_file_that_is_not_its_vms_whatever_it_is_asked_for(
    bare: BareVm, folder: Path
) -> None:
    """Asked over its API, as a guest that broke out of it would go about it."""
    (folder / "of-another").write_bytes(bytes(2**20))
    vm = await bare.start()
    drive = {"drive_id": "x", "path_on_host": str(folder / "of-another"), "is_root_device": False}
    with pytest.raises(VmmRefusalError, match=r"Permission denied"):
        await vm.begin([Request.of("PUT", "/drives/x", drive)])


async def test_what_firecracker_refuses_is_told_in_its_own_words(
    bare: BareVm, folder: Path
) -> None:
    (folder / "text").write_text("no kernel " * 100)
    bare.inputs = replace(bare.inputs, files=LaunchFiles(folder / "text", None))
    vm = await bare.start()
    with pytest.raises(VmmRefusalError, match=r"/actions: .*ELF"):
        await vm.begin(bare.plan.requests)
    assert not await vm.is_running()
    assert (await vm.stop(no_grace)).row is execution.HOST_STOPPED


async def test_a_member_that_firecracker_does_not_know_is_refused_and_not_passed_over(
    bare: BareVm,
) -> None:
    vm = await bare.start()
    wrong = Request.of("PUT", "/machine-config", {"vcpu_count": 1, "mem_sizee": 128})
    with pytest.raises(VmmRefusalError, match="unknown field"):
        await vm.begin([wrong])


async def test_an_agent_that_comes_after_finds_it_again_and_ends_it(bare: BareVm) -> None:
    vm = await bare.run()
    identity = vm.handle.identity
    vm._output.close()  # of a dead agent the kernel closes what was open
    found = processes.read_identity(bare.pids()[0], BOOT_ID)
    assert found == identity
    again = await bare.take(identity)
    assert await again.is_running()
    assert (await again.stop(no_grace)).row is execution.HOST_STOPPED
    assert bare.pids() == []


async def test_another_vms_socket_is_not_taken_for_this_ones(
    bare: BareVm, new_bare: NewBare, folder: Path
) -> None:
    vm = await bare.start()
    other = new_bare(folder / "other")
    await other.start()
    api_socket(bare.paths).unlink()
    api_socket(bare.paths).symlink_to(api_socket(other.paths))
    with pytest.raises(VmmError, match="served by pid"):
        await vm.verify()


async def test_it_leaves_its_sockets_and_the_next_one_starts_all_the_same(bare: BareVm) -> None:
    vm = await bare.run()
    await vm.stop(no_grace)
    assert vm.handle.reap() == -signal.SIGTERM
    assert api_socket(bare.paths).is_socket()
    assert vsock_socket(bare.paths).is_socket()
    following = await bare.run()
    assert await following.is_running()


async def test_one_that_is_frozen_and_answers_nothing_is_ended_all_the_same(bare: BareVm) -> None:
    vm = await bare.run()
    os.kill(vm.handle.identity.pid, signal.SIGSTOP)
    with pytest.raises(VmmError, match="no answer within"):
        await vm.is_running()
    assert (await vm.stop(grace_of(0.5))).row is execution.HOST_STOPPED
    assert bare.pids() == []


async def test_a_guest_that_hears_no_key_is_ended_after_its_grace(bare: BareVm) -> None:
    vm = await bare.run()
    assert (await vm.stop(grace_of(0.5))).row is execution.HOST_STOPPED


async def test_one_that_was_killed_is_no_reboot(bare: BareVm) -> None:
    vm = await bare.run()
    vm.handle.send(signal.SIGKILL)
    assert await vm.handle.wait_gone(5)
    assert vm.exit_seen(vm.handle.reap()).row is execution.VMM_KILLED


async def test_console_and_log_go_into_pipes_and_never_into_files(bare: BareVm) -> None:
    vm = await bare.run()
    assert stat.S_ISFIFO(console_pipe(bare.paths).stat().st_mode)
    pid = vm.handle.identity.pid
    targets = {str(one.readlink()) for one in Path(f"/proc/{pid}/fd").iterdir()}
    assert str(console_pipe(bare.paths)) in targets
    inside = {Path(one) for one in targets if one.startswith(str(bare.paths.run))}
    assert [one for one in inside if one.is_file()] == []
    assert str(bare.paths.log) in targets


async def test_it_flushes_what_it_counts_and_the_last_of_it_is_kept(bare: BareVm) -> None:
    vm = await bare.run()
    flush = Request.of("PUT", "/actions", {"action_type": "FlushMetrics"})
    for _ in range(2):
        await vm._ask(flush)
        await vm.keep_console()
    told = json.loads((bare.paths.kept / KEPT).read_bytes())
    assert told["seccomp"]["num_faults"] == told["vcpu"]["failures"] == 0
    assert told["api_server"]
    assert set(faults_in(json.dumps(told).encode())) == set()
    assert not bare.paths.log.read_bytes().count(b"metrics:")
    assert stat.S_ISFIFO(metrics_pipe(bare.paths).stat().st_mode)


async def test_a_build_without_seccomp_says_so_and_one_with_it_does_not(bare: BareVm) -> None:
    vm = await bare.run()
    status = Path(f"/proc/{vm.handle.identity.pid}/status").read_text()
    told = [one.row for one in vm.remarks()]
    assert limits.HALT_UNSEEN in told
    assert (limits.NO_SECCOMP in told) == ("Seccomp:\t0" in status)
