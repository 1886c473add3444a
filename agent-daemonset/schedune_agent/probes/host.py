"""Processor, memory, operating system, room on disk."""

import os
import platform
import shutil
from pathlib import Path
from typing import Final, Literal

import psutil

from schedune.api.nodetruth import CPUFacts, FilesystemFact, MemoryFacts, OSFacts
from schedune_agent.probes.family import Part
from schedune_agent.system.host_files import HostFiles

_ARCHITECTURES: Final = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "riscv64": "riscv64",
    "ppc64le": "ppc64le",
}
_FLAGS: Final = frozenset({"vmx", "svm", "hypervisor", "tsc_deadline_timer", "constant_tsc", "sve"})
_STEP: Final = 2**30
"""Room is told in steps: noise must not change the digest."""

Purpose = Literal["Images", "Run", "State"]


def architecture() -> str:
    """Return what this machine is, as kubernetes.io/arch names it."""
    return _ARCHITECTURES.get(platform.machine(), platform.machine())


class ProcessorFamily:
    """The processor."""

    name = "cpu"
    deadline_s = 1.0
    answers_for = ()

    def __init__(self, files: HostFiles) -> None:
        self._files = files

    async def __call__(self) -> Part:
        """Read the processor."""
        first = _first_block(self._files.read("proc/cpuinfo"))
        flags = (first.get("flags") or first.get("Features") or "").split()
        facts = CPUFacts(
            architecture=architecture(),
            cores=psutil.cpu_count(logical=True) or 1,
            model=(first.get("model name") or first.get("CPU part") or "")[:256],
            vendor=(first.get("vendor_id") or first.get("CPU implementer") or "")[:256],
            flags=sorted(_FLAGS.intersection(flags)),
        )
        return Part(facts={"cpu": facts})


def _first_block(text: str) -> dict[str, str]:
    lines = text.partition("\n\n")[0].splitlines()
    pairs = (line.partition(":") for line in lines)
    return {key.strip(): value.strip() for key, _, value in pairs}


class MemoryFamily:
    """The memory."""

    name = "memory"
    deadline_s = 1.0
    answers_for = ()

    async def __call__(self) -> Part:
        """Read the size of memory."""
        return Part(facts={"memory": MemoryFacts(total_bytes=psutil.virtual_memory().total)})


class SystemFamily:
    """The operating system."""

    name = "os"
    deadline_s = 1.0
    answers_for = ()

    def __init__(self, files: HostFiles) -> None:
        self._files = files

    async def __call__(self) -> Part:
        """Read names of host, kernel and distribution."""
        known = self._files.exists("etc/os-release")
        release = platform.freedesktop_os_release() if known else {}
        facts = OSFacts(
            hostname=platform.node()[:256],
            kernel=platform.release()[:256],
            name=release.get("PRETTY_NAME", platform.system())[:256],
        )
        return Part(facts={"os": facts})


class DiskFamily:
    """Measures the room under our paths; a change within one step is noise, also at its edge."""

    name = "disks"
    deadline_s = 3.0
    answers_for = ()

    def __init__(self, paths: list[tuple[Purpose, Path]]) -> None:
        self._paths = paths
        self._told: dict[Path, int] = {}

    async def __call__(self) -> Part:
        """Return the file system of each path that exists."""
        found = [self._measure(purpose, path) for purpose, path in self._paths if path.is_dir()]
        return Part(facts={"disks": found})

    def _measure(self, purpose: Purpose, path: Path) -> FilesystemFact:
        usage = shutil.disk_usage(path)
        told = self._told.get(path)
        if told is None or abs(usage.free - told) > _STEP:
            self._told[path] = told = usage.free // _STEP * _STEP
        return FilesystemFact(
            path=str(path),
            purpose=purpose,
            total_bytes=usage.total,
            available_bytes=told,
            access="ReadWrite" if os.access(path, os.W_OK) else "ReadOnly",
        )
