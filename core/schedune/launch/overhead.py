"""How much memory a VMM needs beside the guest's own."""

from typing import Final

from schedune.api.vmworkload import Acceleration

_MEBI: Final = 2**20
KVM_BASE: Final = 64 * _MEBI
"""QEMU under KVM, the largest of the three: planned (runtimes.md 2.5)."""
KVM_PER_VCPU: Final = 1 * _MEBI
TCG_BASE: Final = 96 * _MEBI
"""Under TCG 68 MiB were measured beyond guest memory, EMULATION_CACHE_MEBI of them translated
code, after six boots (QEMU 7.2.22, q35, 1 and 4 vCPUs)."""
TCG_PER_VCPU: Final = 8 * _MEBI
"""For the thread of each virtual CPU: 1 to 2 MiB were measured, and room for what they ask."""
EMULATION_CACHE_MEBI: Final = 32
"""How much translated code QEMU may keep. Its default is 1 GiB, of which every boot of a
guest fills 58 MiB more: beyond the limit of the VM's control group after the first reboot. The
boots took as long with 32 MiB as with 1 GiB."""


def vmm_overhead(vcpus: int, acceleration: Acceleration) -> int:
    """Return the bytes that the VMM may use beside guest memory, whichever backend it is."""
    return base_overhead(acceleration) + vcpus * overhead_per_vcpu(acceleration)


def base_overhead(acceleration: Acceleration) -> int:
    """Return the part of the overhead that every VM has."""
    return KVM_BASE if acceleration is Acceleration.KVM else TCG_BASE


def overhead_per_vcpu(acceleration: Acceleration) -> int:
    """Return the part of the overhead that every virtual CPU adds."""
    return KVM_PER_VCPU if acceleration is Acceleration.KVM else TCG_PER_VCPU
