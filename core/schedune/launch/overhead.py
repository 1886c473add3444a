"""How much memory a VMM needs beside the guest's own."""

from typing import Final

from schedune.api.vmworkload import Acceleration

_MEBI: Final = 2**20
QEMU_BASE: Final = 64 * _MEBI
"""QEMU under KVM: planned, until measured on real fleets (runtimes.md 2.5)."""
QEMU_PER_VCPU: Final = 1 * _MEBI
TCG_BASE: Final = 96 * _MEBI
"""Under TCG about 86 MiB were measured beyond guest memory (runtimes.md 2.5)."""
TCG_PER_VCPU: Final = 8 * _MEBI
"""Translation buffers of each virtual CPU's thread."""


def qemu_overhead(vcpus: int, acceleration: Acceleration) -> int:
    """Return the bytes that QEMU may use beside guest memory."""
    if acceleration is Acceleration.KVM:
        return QEMU_BASE + vcpus * QEMU_PER_VCPU
    return TCG_BASE + vcpus * TCG_PER_VCPU
