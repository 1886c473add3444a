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
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from schedune.api.vmplacement import Claim, Launch, LaunchDisk
from schedune.codes import execution
from schedune.codes import firecracker as limits
from schedune_agent.system import processes
from schedune_agent.vmm.firecracker.adapter import Firecracker
from schedune_agent.vmm.firecracker.metrics import KEPT, faults_in
from schedune_agent.vmm.firecracker.requests import (
    api_socket,
    console_pipe,
    metrics_pipe,
    vsock_socket,
)
from schedune_agent.vmm.firecracker.vm import FirecrackerVm
from schedune_agent.vmm.markers import find_marked
from schedune_agent.vmm.port import (
    DiskFiles,
    LaunchFiles,
    LaunchInputs,
    LaunchPlan,
    Owner,
    Request,
    VmmError,
    VmmRefusalError,
    VmPaths,
)
from schedune_agent.vmm.process import Confinement, start
from schedune_lab.machine import ensure_kernel
from schedune_testing.bare_vms import LANDLOCK_ABI
from schedune_testing.given import FIRECRACKER, given_binary
from schedune_testing.vmlinux import unpack_vmlinux

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@pytest.fixture(scope="module")
def binary() -> str:
    """The binary that somebody gave."""
    return str(given_binary(FIRECRACKER))


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kernel as Firecracker boots it."""
    out = tmp_path_factory.mktemp("kernel") / "vmlinux"
    unpack_vmlinux(ensure_kernel().image, out)
    return out


class Bare:
    """One Firecracker, without a placement around it."""

    def __init__(self, binary: str, kernel: Path, folder: Path, **launch: object) -> None:
        self.uid, self.cluster = str(uuid.uuid4()), str(uuid.uuid4())
        self.paths = VmPaths(folder / "run", folder / "vms")
        said = {
            "runtimeClass": "MicroVM",
            "architecture": "amd64",
            "acceleration": "KVM",
            "vcpus": 1,
            "memory": "128Mi",
            "kernel": {"artifact": "vmlinux"},
            "commandLine": "console=ttyS0 reboot=k panic=-1",
            "restartPolicy": "Always",
            "readiness": {"level": "Guest", "probe": "Vsock", "timeoutSeconds": 60},
            "terminationGraceSeconds": 30,
            **launch,
        }
        self.inputs = LaunchInputs(
            binary,
            Launch.model_validate(said),
            Claim(vcpus=1, memory="128Mi", overhead_memory="65Mi"),
            LaunchFiles(kernel, None),
            self.paths,
            Owner(self.uid, "workload-uid", self.cluster),
            "127.0.0.1",
            landlock_abi=LANDLOCK_ABI,
        )
        self.vm: FirecrackerVm | None = None

    @property
    def plan(self) -> LaunchPlan:
        return Firecracker().plan(self.inputs)

    async def start(self) -> FirecrackerVm:
        """Start it, and wait until it is proved."""
        process = await start(self.plan, self.paths, BOOT_ID, Confinement())
        return await self.take(process.identity())

    async def take(self, identity: processes.ProcessIdentity) -> FirecrackerVm:
        """Take hold of a process as an agent does, a new one too."""
        handle = processes.prove(identity, BOOT_ID)
        assert handle is not None
        self.vm = Firecracker().attach(handle, self.paths, self.uid)
        await self.vm.await_control()
        await self.vm.verify()
        return self.vm

    def pids(self) -> list[int]:
        return list(find_marked(self.uid, self.cluster))

    def close(self) -> None:
        for pid in self.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.vm is not None:
            self.vm.handle.reap()
            with suppress(OSError):
                self.vm.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a path short enough for sockets."""
    made = Path(tempfile.mkdtemp(prefix="schedune-fc-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
async def bare(binary: str, kernel: Path, folder: Path) -> AsyncIterator[Bare]:
    """One that is not started yet, and is gone afterwards."""
    one = Bare(binary, kernel, folder)
    yield one
    one.close()
    await asyncio.sleep(0)


async def test_one_that_was_started_proves_whose_vm_it_is_and_runs_nothing_yet(bare: Bare) -> None:
    vm = await bare.start()
    assert bare.pids() == [vm.handle.identity.pid]
    assert vm.version.startswith("1.")
    assert not await vm.is_running()
    assert await vm.guest_end() is None


async def test_all_requests_are_taken_and_the_guest_is_started_once(bare: Bare) -> None:
    vm = await bare.start()
    await vm.begin(bare.plan.requests)
    assert await vm.is_running()
    await vm.begin(bare.plan.requests)
    assert await vm.is_running()


async def test_a_configuration_that_was_cut_off_is_done_again_from_the_start(bare: Bare) -> None:
    vm = await bare.start()
    *before, last = bare.plan.requests
    await vm.begin(before)
    assert not await vm.is_running()
    await vm.begin([*before, last])
    assert await vm.is_running()


async def test_three_vcpus_are_taken(binary: str, kernel: Path, folder: Path) -> None:
    one = Bare(binary, kernel, folder, vcpus=3)
    vm = await one.start()
    await vm.begin(one.plan.requests)
    assert await vm.is_running()
    one.close()


async def test_disks_are_taken_and_a_missing_one_is_named(bare: Bare, folder: Path) -> None:
    (folder / "data").write_bytes(bytes(2**20))
    said = LaunchDisk.model_validate({"name": "data-1", "format": "Raw", "access": "ReadOnly"})
    disk = DiskFiles(said, folder / "data", folder / "data-1.raw")
    missing = replace(disk, source=folder / "not-there")
    files = LaunchFiles(bare.inputs.files.kernel, None, (missing,))
    bare.inputs = replace(bare.inputs, files=files)
    vm = await bare.start()
    with pytest.raises(VmmRefusalError, match=r"/drives/disk0: .*not-there"):
        await vm.begin(bare.plan.requests)
    await vm.stop(0.0)
    # Anew: which files it can open is settled when it is started.
    bare.inputs = replace(bare.inputs, files=replace(files, disks=(disk,)))
    vm = await bare.start()
    await vm.begin(bare.plan.requests)
    assert await vm.is_running()


@pytest.mark.skipif(LANDLOCK_ABI < 1, reason="not given: a kernel with Landlock")
async def test_it_opens_no_file_that_is_not_its_vms_whatever_it_is_asked_for(
    bare: Bare, folder: Path
) -> None:
    """Asked over its API, as a guest that broke out of it would go about it."""
    (folder / "of-another").write_bytes(bytes(2**20))
    vm = await bare.start()
    drive = {"drive_id": "x", "path_on_host": str(folder / "of-another"), "is_root_device": False}
    with pytest.raises(VmmRefusalError, match=r"Permission denied"):
        await vm.begin([Request.of("PUT", "/drives/x", drive)])


async def test_what_firecracker_refuses_is_told_in_its_own_words(bare: Bare, folder: Path) -> None:
    (folder / "text").write_text("no kernel " * 100)
    bare.inputs = replace(bare.inputs, files=LaunchFiles(folder / "text", None))
    vm = await bare.start()
    with pytest.raises(VmmRefusalError, match=r"/actions: .*ELF"):
        await vm.begin(bare.plan.requests)
    assert not await vm.is_running()
    assert (await vm.stop(0.0)).row is execution.HOST_STOPPED


async def test_a_member_that_firecracker_does_not_know_is_refused_and_not_passed_over(
    bare: Bare,
) -> None:
    vm = await bare.start()
    wrong = Request.of("PUT", "/machine-config", {"vcpu_count": 1, "mem_sizee": 128})
    with pytest.raises(VmmRefusalError, match="unknown field"):
        await vm.begin([wrong])


async def test_an_agent_that_comes_after_finds_it_again_and_ends_it(bare: Bare) -> None:
    vm = await bare.start()
    await vm.begin(bare.plan.requests)
    identity = vm.handle.identity
    vm._output.close()  # of a dead agent the kernel closes what was open
    found = processes.read_identity(bare.pids()[0], BOOT_ID)
    assert found == identity
    again = await bare.take(identity)
    assert await again.is_running()
    assert (await again.stop(0.0)).row is execution.HOST_STOPPED
    assert bare.pids() == []


async def test_another_vms_socket_is_not_taken_for_this_ones(
    bare: Bare, binary: str, kernel: Path, folder: Path
) -> None:
    vm = await bare.start()
    (folder / "other").mkdir()
    other = Bare(binary, kernel, folder / "other")
    await other.start()
    api_socket(bare.paths).unlink()
    api_socket(bare.paths).symlink_to(api_socket(other.paths))
    with pytest.raises(VmmError, match="served by pid"):
        await vm.verify()
    other.close()


async def test_it_leaves_its_sockets_and_the_next_one_starts_all_the_same(bare: Bare) -> None:
    vm = await bare.start()
    await vm.begin(bare.plan.requests)
    await vm.stop(0.0)
    assert vm.handle.reap() == -signal.SIGTERM
    assert api_socket(bare.paths).is_socket()
    assert vsock_socket(bare.paths).is_socket()
    following = await bare.start()
    await following.begin(bare.plan.requests)
    assert await following.is_running()


async def test_one_that_is_frozen_and_answers_nothing_is_ended_all_the_same(bare: Bare) -> None:
    vm = await bare.start()
    await vm.begin(bare.plan.requests)
    os.kill(vm.handle.identity.pid, signal.SIGSTOP)
    with pytest.raises(VmmError, match="no answer within"):
        await vm.is_running()
    assert (await vm.stop(0.5)).row is execution.HOST_STOPPED
    assert bare.pids() == []


async def test_a_guest_that_hears_no_key_is_ended_after_its_grace(bare: Bare) -> None:
    vm = await bare.start()
    await vm.begin(bare.plan.requests)
    assert (await vm.stop(0.5)).row is execution.HOST_STOPPED


async def test_one_that_was_killed_is_no_reboot(bare: Bare) -> None:
    vm = await bare.start()
    await vm.begin(bare.plan.requests)
    vm.handle.send(signal.SIGKILL)
    assert await vm.handle.wait_gone(5)
    assert vm.exit_seen(vm.handle.reap()).row is execution.VMM_KILLED


async def test_console_and_log_go_into_pipes_and_never_into_files(bare: Bare) -> None:
    vm = await bare.start()
    await vm.begin(bare.plan.requests)
    assert stat.S_ISFIFO(console_pipe(bare.paths).stat().st_mode)
    pid = vm.handle.identity.pid
    targets = {str(one.readlink()) for one in Path(f"/proc/{pid}/fd").iterdir()}
    assert str(console_pipe(bare.paths)) in targets
    inside = {Path(one) for one in targets if one.startswith(str(bare.paths.run))}
    assert [one for one in inside if one.is_file()] == []
    assert str(bare.paths.log) in targets


async def test_it_flushes_what_it_counts_and_the_last_of_it_is_kept(bare: Bare) -> None:
    vm = await bare.start()
    await vm.begin(bare.plan.requests)
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


async def test_a_build_without_seccomp_says_so_and_one_with_it_does_not(bare: Bare) -> None:
    vm = await bare.start()
    await vm.begin(bare.plan.requests)
    status = Path(f"/proc/{vm.handle.identity.pid}/status").read_text()
    told = [one.row for one in vm.remarks()]
    assert limits.HALT_UNSEEN in told
    assert (limits.NO_SECCOMP in told) == ("Seccomp:\t0" in status)
