"""One VMM process of each kind, without a placement around it: for what every adapter must do."""

import asyncio
import ctypes
import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from schedune.api.vmplacement import Claim, Launch
from schedune.api.vmworkload import Backend
from schedune_agent.system import processes
from schedune_agent.vmm.adapters import adapter_of
from schedune_agent.vmm.markers import find_marked
from schedune_agent.vmm.port import LaunchFiles, LaunchInputs, LaunchPlan, Owner, Tap, Vm, VmPaths
from schedune_agent.vmm.process import Confinement, start
from schedune_lab.bare_kernel import write_bare_kernel
from schedune_lab.machine import ensure_kernel, ensure_qemu
from schedune_testing.given import CLOUD_HYPERVISOR, FIRECRACKER, given_binary

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
GIVEN: Final[Mapping[Backend, str]] = {
    Backend.CLOUD_HYPERVISOR: CLOUD_HYPERVISOR,
    Backend.FIRECRACKER: FIRECRACKER,
}
"""Which variable names the binary of what no distribution has."""
LANDLOCK_ABI: Final = max(0, ctypes.CDLL(None).syscall(444, None, 0, 1))
"""What this machine's kernel says of itself; 0: it has no Landlock."""
NO_TAPS: Final[Mapping[str, Tap]] = {}


def binary_of(backend: Backend) -> str:
    """Return a real VMM of this kind; skips the test where none is given."""
    if backend in GIVEN:
        return str(given_binary(GIVEN[backend]))
    ensure_qemu()
    return shutil.which(f"qemu-system-{os.uname().machine}") or "qemu"


class BareVm:
    """One VM that is planned, and started when it is asked to."""

    def __init__(
        self, backend: Backend, folder: Path, taps: Mapping[str, Tap] = NO_TAPS, **launch: object
    ) -> None:
        self.uid, self.cluster = str(uuid.uuid4()), str(uuid.uuid4())
        self.paths = VmPaths(folder / "run", folder / "state" / "vms" / self.uid)
        self.confinement = Confinement()
        folder.chmod(0o711)  # for one that is a user of its own
        self.adapter = adapter_of(backend)
        said = {
            "runtimeClass": "MicroVM",
            "architecture": "amd64" if os.uname().machine == "x86_64" else "arm64",
            "acceleration": "KVM" if backend in GIVEN else "Emulated",
            "vcpus": 1,
            "memory": "128Mi",
            "kernel": {"artifact": "kernel"},
            "commandLine": "console=ttyS0 panic=-1",
            "restartPolicy": "Always",
            "readiness": {"level": "Backend", "timeoutSeconds": 60},
            "terminationGraceSeconds": 0,
            **launch,
        }
        kernel = folder / "kernel"
        if not kernel.exists() and backend is Backend.FIRECRACKER:
            write_bare_kernel(ensure_kernel().image, kernel)
        elif not kernel.exists():
            shutil.copyfile(ensure_kernel().image, kernel)
        self.inputs = LaunchInputs(
            binary_of(backend),
            Launch.model_validate(said),
            Claim(vcpus=1, memory="128Mi", overhead_memory="65Mi"),
            LaunchFiles(kernel, None),
            self.paths,
            Owner(self.uid, "workload-uid", self.cluster),
            "127.0.0.1",
            frozenset({"no-shutdown"}),
            LANDLOCK_ABI,
            taps=taps,
        )
        self.vm: Vm | None = None

    @property
    def plan(self) -> LaunchPlan:
        """What is run and asked."""
        return self.adapter.plan(self.inputs)

    async def start(self) -> Vm:
        """Start it, and wait until it is proved."""
        process = await start(self.plan, self.paths, BOOT_ID, self.confinement)
        return await self.take(process.identity())

    async def run(self) -> Vm:
        """Start it, and let its guest run."""
        vm = await self.start()
        await vm.begin(self.plan.requests)
        return vm

    async def take(self, identity: processes.ProcessIdentity) -> Vm:
        """Take hold of a process as an agent does, a new one too."""
        handle = processes.prove(identity, BOOT_ID)
        assert handle is not None
        self.vm = self.adapter.attach(handle, self.paths, self.uid)
        await self.vm.await_control()
        await self.vm.verify()
        return self.vm

    async def forget(self) -> None:
        """Let go as an agent that is killed does."""
        assert self.vm is not None
        self.vm.close()
        self.vm = None
        await asyncio.sleep(0)

    def pids(self) -> list[int]:
        """Return the processes that carry its marker."""
        return list(find_marked(self.uid, self.cluster))

    def close(self) -> None:
        """End what a test left."""
        for pid in self.pids():
            with suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
        if self.vm is not None:
            self.vm.handle.reap()
            with suppress(OSError):
                self.vm.close()


@contextmanager
def short_folder() -> Iterator[Path]:
    """Give a folder with a path short enough for sockets."""
    made = Path(tempfile.mkdtemp(prefix="schedune-vmm-"))
    try:
        yield made
    finally:
        shutil.rmtree(made)
