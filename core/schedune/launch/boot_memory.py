"""How much memory a guest needs for its kernel to start at all: what is below cannot boot.

Only what a kernel's own header says is counted, and its initrd as the file that it is: an
initrd unpacks itself to more, and a kernel goes on to take more, but how much nobody can
say beforehand. So what passes here may still be too little; what is refused always is.

Measured with Debian's kernel 6.12.117 for clouds (its bzImage unpacks itself below
71.86 MiB, the ELF inside is loaded below 66 MiB) and an initrd of 1.35 MiB:

- QEMU 7.2, bzImage: with 71 MiB not one line of the kernel is seen, with 72 MiB it starts.
  With the initrd it panics up to 73 MiB, for both are in one place; with 74 it is up.
- Cloud Hypervisor 53 and Firecracker 1.16, ELF: refused with 65 MiB, taken with 66 MiB, and
  with the initrd no later.
- QEMU 7.2, ELF: with 64 MiB it starts. What lies beyond is left out, and this kernel has
  only zeros there.
"""

from typing import Final

from schedune.api.nodetruth import ArtifactKind
from schedune.api.quantity import render_bytes, render_needed
from schedune.codes import launch as codes
from schedune.codes.row import Reason
from schedune.fleet.profile import ArtifactProfile
from schedune.launch.artifacts import Found
from schedune.launch.needs import BackendNeeds
from schedune.launch.traits import TRAITS

MEBI: Final = 2**20
_ELF: Final = "ELF"
"""The form that does not unpack itself: whoever loads it puts every part in its place."""


def judge_memory(needs: BackendNeeds, kernel: Found, initrd: Found | None) -> Reason | None:
    """Return what stands against so little memory, where kernel and initrd are these files."""
    launch, least = needs.launch, memory_of_kernel(needs, kernel)
    if least and needs_initrd_apart(kernel) and initrd is not None:
        least += memory_of_initrd(initrd)
    if not 0 < launch.memory_bytes < least:
        return None
    files = " with ".join(str(one) for one in (launch.kernel, launch.initrd) if one is not None)
    # Rounded up, so that what is told suffices.
    asked, wanted = render_needed(launch.memory_bytes), render_bytes(-(-least // MEBI) * MEBI)
    return Reason(codes.KERNEL_EXCEEDS_MEMORY, asked, wanted, files)


def memory_of_kernel(needs: BackendNeeds, found: Found | None) -> int:
    """Return the bytes that this kernel takes under this backend; 0: nobody knows."""
    if not isinstance(found, ArtifactProfile) or found.kind != ArtifactKind.KERNEL:
        return 0
    if found.format == _ELF and not TRAITS[needs.backend].loads_kernels_whole:
        return 0
    return found.memory_bytes


def needs_initrd_apart(kernel: Found | None) -> bool:
    """Say whether the room of a kernel is its own: an initrd in it would be overwritten."""
    return isinstance(kernel, ArtifactProfile) and kernel.format != _ELF


def memory_of_initrd(found: Found | None) -> int:
    """Return the bytes that an initrd takes; 0: nobody knows."""
    if not isinstance(found, ArtifactProfile) or found.kind != ArtifactKind.INITRD:
        return 0
    return found.size_bytes
