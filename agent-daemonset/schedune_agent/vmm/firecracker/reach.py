"""Which files a Firecracker can open: in place of its jailer's chroot, and without copies."""

from pathlib import Path
from typing import Final

from schedune.api.vmworkload import DiskAccess
from schedune_agent.system.launcher import Reach
from schedune_agent.vmm.firecracker.requests import file_of
from schedune_agent.vmm.port import LaunchInputs

_ABI: Final = 1
_OF_EVERYBODY: Final = tuple(
    Path(one)
    for one in (
        "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache",
        "/dev/urandom", "/sys/devices/system/cpu",
    )
)  # fmt: skip
"""Libraries in their usual places, for a build that is not static (``system.launcher.Reach``
gives it those that it names); on arm64 Firecracker reads of the caches."""
_KVM: Final = Path("/dev/kvm")
_TUN: Final = Path("/dev/net/tun")


def reach_of(inputs: LaunchInputs) -> Reach | None:
    """Return the VM's own files and devices; None: the kernel has no Landlock."""
    if inputs.landlock_abi < _ABI:
        return None
    files, read, written = inputs.files, list[Path](), list[Path]()
    for one in files.disks:
        (read if one.disk.access is DiskAccess.READ_ONLY else written).append(file_of(one))
    boots = [files.kernel, *([files.initrd] if files.initrd else [])]
    devices = [_KVM, *([_TUN] if inputs.taps else [])]
    return Reach(
        (Path(inputs.binary), *boots, *read, *_OF_EVERYBODY),
        (inputs.paths.run, *written, *devices),
    )
