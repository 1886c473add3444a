"""The processor: what it is, how many of it, what it can do, what it is weak to."""

import platform
from typing import Final

from schedune.api.nodetruth import CPUFacts
from schedune_agent.probes.family import Part
from schedune_agent.probes.partial import MOST_CPUS, PartialReader, parse_pairs, printable
from schedune_agent.probes.vulnerabilities import read_vulnerabilities
from schedune_agent.system.host_files import HostFiles

_CPUS: Final = "sys/devices/system/cpu"
UNKNOWN: Final = "Unknown"
"""An architecture of which nothing is told."""
_ARCHITECTURES: Final = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "i686": "386",
    "i386": "386",
    "armv7l": "arm",
    "s390x": "s390x",
    "riscv64": "riscv64",
    "ppc64le": "ppc64le",
}
_FLAGS: Final = frozenset({
    "vmx", "svm", "ept", "npt", "hypervisor", "tsc_deadline_timer", "constant_tsc", "nonstop_tsc",
    "pdpe1gb", "x2apic", "la57", "aes", "avx2", "avx512f", "amx_tile", "sev", "sev_es", "sev_snp",
    "tdx_host_platform", "sve", "sve2", "atomics",
})  # fmt: skip
_IMPLEMENTERS: Final = {
    0x41: "ARM", 0x42: "Broadcom", 0x43: "Cavium", 0x46: "Fujitsu", 0x48: "HiSilicon",
    0x4E: "NVIDIA", 0x50: "APM", 0x51: "Qualcomm", 0x61: "Apple", 0x6D: "Microsoft",
    0xC0: "Ampere",
}  # fmt: skip
_ARM_PARTS: Final = {
    0xD03: "Cortex-A53", 0xD05: "Cortex-A55", 0xD07: "Cortex-A57", 0xD08: "Cortex-A72",
    0xD0B: "Cortex-A76", 0xD0C: "Neoverse-N1", 0xD40: "Neoverse-V1", 0xD49: "Neoverse-N2",
    0xD4F: "Neoverse-V2", 0xD84: "Neoverse-V3", 0xD8E: "Neoverse-N3",
}  # fmt: skip


def architecture(files: HostFiles) -> str:
    """Return what a machine is, as kubernetes.io/arch names it; Unknown where nothing says so."""
    return _architecture(PartialReader(files), live=files.is_live)


def _architecture(reader: PartialReader, *, live: bool) -> str:
    """Ask the kernel (from 6.1 on), else see it by the form of cpuinfo, else ask this process."""
    told = reader.line("proc/sys/kernel/arch", 16)
    if told in _ARCHITECTURES:
        return _ARCHITECTURES[told]
    first = _first_block(reader.text("proc/cpuinfo") or "")
    if "CPU implementer" in first and "CPU architecture" in first:
        return "arm64" if first["CPU architecture"] == "8" else "arm"
    if "lm" in first.get("flags", "").split():
        return "amd64"
    if live:
        return _ARCHITECTURES.get(platform.machine(), platform.machine()[:16])
    return told or UNKNOWN


class ProcessorFamily:
    """The processor."""

    name = "cpu"
    deadline_s = 1.0
    answers_for = ()

    def __init__(self, files: HostFiles) -> None:
        self._files = files
        self._counted: tuple[list[int], tuple[int | None, int | None]] | None = None

    async def __call__(self) -> Part:
        """Read the processor.

        Raises:
            ValueError: nothing tells how many CPUs there are.
        """
        reader = PartialReader(self._files)
        first = _first_block(reader.text("proc/cpuinfo") or "")
        online = _online(reader)
        sockets, cores = self._count(reader, online)
        facts = CPUFacts(
            architecture=_architecture(reader, live=self._files.is_live),
            cores=len(online),
            model=_model(first),
            vendor=_vendor(first),
            midr=reader.line(f"{_CPUS}/cpu0/regs/identification/midr_el1", 64),
            sockets=sockets,
            physical_cores=cores,
            flags=sorted(_FLAGS.intersection(_flags(first))),
            vulnerabilities=read_vulnerabilities(reader),
        )
        return Part(facts={"cpu": facts}, unread=reader.unread)

    def _count(self, reader: PartialReader, online: list[int]) -> tuple[int | None, int | None]:
        """Count packages and cores, again only when other CPUs are online: two files for each."""
        if self._counted is None or self._counted[0] != online:
            self._counted = (online, _topology(reader, online))
        return self._counted[1]


def _online(reader: PartialReader) -> list[int]:
    """Return the CPUs that are online: /proc/cpuinfo of a large machine is longer than we read."""
    found = reader.cpus(f"{_CPUS}/online")
    if found:
        return found
    lines = (reader.text("proc/stat") or "").splitlines()
    names = [line.split(" ")[0] for line in lines]
    numbers = [name[3:] for name in names if name.startswith("cpu") and name[3:].isdecimal()]
    if not numbers:
        raise ValueError("neither /sys nor /proc tells which CPUs are online")
    return sorted({int(one) for one in numbers if len(one) <= len(str(MOST_CPUS))})


def _topology(reader: PartialReader, online: list[int]) -> tuple[int | None, int | None]:
    """Return packages and cores; None where one CPU does not say where it belongs."""
    folders = [f"{_CPUS}/cpu{number}/topology" for number in online]
    packages = {reader.number(f"{folder}/physical_package_id") for folder in folders}
    cores = {
        reader.line(f"{folder}/core_cpus_list") or reader.line(f"{folder}/thread_siblings_list")
        for folder in folders
    }
    return (
        None if None in packages else len(packages),
        None if None in cores else len(cores),
    )


def _first_block(text: str) -> dict[str, str]:
    return dict(parse_pairs(text.partition("\n\n")[0]))


def _flags(first: dict[str, str]) -> list[str]:
    return (first.get("flags") or first.get("Features") or "").split()


def _vendor(first: dict[str, str]) -> str:
    told = first.get("CPU implementer")
    if told is None:
        return printable(first.get("vendor_id", ""))
    return _IMPLEMENTERS.get(_hexadecimal(told), printable(told))


def _model(first: dict[str, str]) -> str:
    part = first.get("CPU part")
    if "model name" in first or part is None:
        return printable(first.get("model name", ""))
    is_arm = _hexadecimal(first.get("CPU implementer", "")) == 0x41
    name = _ARM_PARTS.get(_hexadecimal(part)) if is_arm else None
    return name or f"part {printable(part)}"


def _hexadecimal(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        return -1
