"""The operating system, and the machine below it."""

import re
from typing import Final

from schedune.api.nodetruth import OSFacts
from schedune_agent.probes.family import Part
from schedune_agent.probes.partial import PartialReader, printable
from schedune_agent.system.host_files import HostFiles

_IO_URING: Final = {"0": "Enabled", "1": "Restricted", "2": "Disabled"}
_NAME: Final = re.compile(r"^PRETTY_NAME=[\"']?([^\"'\n]*)", re.MULTILINE)
_DMI: Final = "sys/class/dmi/id"
_VIRTUAL: Final = (
    "qemu", "kvm", "amazon ec2", "google", "microsoft corporation virtual", "vmware", "innotek",
    "xen", "openstack", "bochs", "parallels", "digitalocean", "hetzner vserver", "dummy-virt",
)  # fmt: skip
"""Words in the name of a machine, in small letters, that only virtual ones have."""
_METAL: Final = re.compile(r"\bmetal\b")


class SystemFamily:
    """The operating system and its machine."""

    name = "os"
    deadline_s = 1.0
    answers_for = ()

    def __init__(self, files: HostFiles) -> None:
        self._files = files

    async def __call__(self) -> Part:
        """Read names of host, kernel, distribution and machine, and what of it matters to VMs."""
        reader = PartialReader(self._files)
        release = _NAME.search(reader.text("etc/os-release") or "")
        vendor = reader.line(f"{_DMI}/sys_vendor")
        product = reader.line(f"{_DMI}/product_name")
        pid_max = reader.number("proc/sys/kernel/pid_max")
        facts = OSFacts.model_validate({
            "hostname": reader.line("proc/sys/kernel/hostname") or "",
            "kernel": reader.line("proc/sys/kernel/osrelease") or "",
            "name": printable(release[1]) if release else "Linux",
            "machine": _machine(reader, f"{vendor or ''} {product or ''}"),
            "machine_vendor": vendor,
            "machine_product": product,
            "io_uring": reader.choice("proc/sys/kernel/io_uring_disabled", _IO_URING),
            "pid_max": pid_max if pid_max is not None and pid_max >= 0 else None,
        })  # fmt: skip
        return Part(facts={"os": facts}, unread=reader.unread)


def _machine(reader: PartialReader, name: str) -> str | None:
    """Say whether the machine is a virtual one; None: nothing tells.

    A processor's flag is proof, where there is one (amd64). A name is proof of a virtual
    machine; only a name that is there and no such one speaks for a physical machine.
    """
    cpuinfo = reader.text("proc/cpuinfo") or ""
    flags = next((one for one in cpuinfo.splitlines() if one.startswith("flags")), "").split()
    if flags:
        return "Virtual" if "hypervisor" in flags else "Physical"
    tree = reader.line("proc/device-tree/compatible") or ""
    told = f"{name} {tree}".lower().strip()
    if reader.text("sys/hypervisor/type") or _is_virtual(told):
        return "Virtual"
    return "Physical" if told else None


def _is_virtual(told: str) -> bool:
    return not _METAL.search(told) and any(word in told for word in _VIRTUAL)
