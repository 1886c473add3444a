"""Processor, memory, operating system, room on disk."""

import os
import platform
import shutil
from pathlib import Path
from typing import Final, Literal

import psutil

from schedune.api.nodetruth import CPUFacts, FilesystemFact, MemoryFacts, OSFacts

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


async def probe_cpu() -> CPUFacts:
    """Read the processor."""
    first = _first_block(Path("/proc/cpuinfo").read_text())
    flags = (first.get("flags") or first.get("Features") or "").split()
    return CPUFacts(
        architecture=_ARCHITECTURES.get(platform.machine(), platform.machine()),
        cores=psutil.cpu_count(logical=True) or 1,
        model=(first.get("model name") or first.get("CPU part") or "")[:256],
        vendor=(first.get("vendor_id") or first.get("CPU implementer") or "")[:256],
        flags=sorted(_FLAGS.intersection(flags)),
    )


def _first_block(text: str) -> dict[str, str]:
    lines = text.partition("\n\n")[0].splitlines()
    pairs = (line.partition(":") for line in lines)
    return {key.strip(): value.strip() for key, _, value in pairs}


async def probe_memory() -> MemoryFacts:
    """Read the size of memory."""
    return MemoryFacts(total_bytes=psutil.virtual_memory().total)


async def probe_os() -> OSFacts:
    """Read names of host, kernel and distribution."""
    release = platform.freedesktop_os_release() if Path("/etc/os-release").exists() else {}
    return OSFacts(
        hostname=platform.node()[:256],
        kernel=platform.release()[:256],
        name=release.get("PRETTY_NAME", platform.system())[:256],
    )


class DiskProbe:
    """Measures the room under our paths; a change within one step is noise, also at its edge."""

    def __init__(self, paths: list[tuple[Purpose, Path]]) -> None:
        self._paths = paths
        self._told: dict[Path, int] = {}

    async def __call__(self) -> list[FilesystemFact]:
        """Return the file system of each path that exists."""
        return [self._measure(purpose, path) for purpose, path in self._paths if path.is_dir()]

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
