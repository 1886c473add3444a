"""What each backend can do: questions are asked of this table, never of a backend's name.

The figures are those of runtimes.md 2 to 4 and vmm-measured.md 2 and 3.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from schedune.api.vmworkload import Acceleration, Backend, DiskFormat, Probe, RuntimeClass
from schedune.codes import launch as codes
from schedune.codes.row import Row
from schedune.launch.needs import LaunchNeeds

_MEBI: Final = 2**20
_BOTH: Final = frozenset(RuntimeClass)
TUN: Final = "firecracker_tun_ready"
CGROUPS: Final = "firecracker_cgroups_ready"
MICROVM: Final = "microvm"
"""QEMU's machine without PCI: quick to boot, a kernel only, and few devices."""
NETDEV: Final = "netdev-"
"""Prefix of the features that are QEMU's network drivers: they are no devices."""
"""Capabilities, by the names of the original."""

LEAN_DEVICES: Final = frozenset({
    "virtio-serial-device", "virtio-blk-device", "virtio-net-device",
})  # fmt: skip
"""Devices of microvm; a binary that lacks one starts the usual machine."""
MOST_LEAN_DEVICES: Final = 8
"""Devices that its documentation promises (runtimes.md 2.2)."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What one backend can do."""

    label: str
    capability: str
    """The capability by which a node says whether the binary is there."""
    missing: Row
    emulates: bool
    classes: frozenset[RuntimeClass]
    """Runtime classes that it runs."""
    disk_formats: frozenset[DiskFormat]
    """Formats that it reads."""
    networks: frozenset[str]
    probes: tuple[Probe, ...]
    """How a guest in it can be asked whether it is ready; the first, unless the intent says."""
    boots_firmware: bool
    kernel_formats: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By architecture; none named: every format that our detectors know."""
    machines: Mapping[str, str] = field(default_factory=dict)
    """The machine type that we start, by architecture."""
    lean_machine: str = ""
    """The machine type of MicroVMs under KVM on amd64, where the binary has it; "": none."""
    devices: tuple[str, ...] = ()
    """Devices of every launch."""
    disk_devices: tuple[str, ...] = ()
    """Devices of a launch with disks."""
    network_devices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Devices and drivers of a launch with networks, by their type."""
    needs: Mapping[str, Row] = field(default_factory=dict)
    """Capabilities of the node without which nothing is launched."""
    most_vcpus: int | None = None
    """Of QEMU what its q35 of 7.2 takes; newer ones take more, and nobody publishes it."""
    least_memory: int = 0
    """Bytes with which it was seen to load a kernel; with less it fails (vmm-measured.md)."""
    loads_kernels_whole: bool = True
    """Whether it refuses an ELF kernel of which a part lies beyond the guest's memory."""
    page_sizes: frozenset[int] | None = None
    """Sizes of huge pages; None: all that the node has."""
    locks_disks: bool = True
    """Whether it locks what it writes, so that a second writer is seen."""
    takes_open_taps: bool = False
    """Whether it can be given a tap that is open; else it opens one by its name."""
    has_overlays: bool = True
    """Whether it keeps writes apart from a disk that it only reads; else the disk is copied."""
    needs_root: bool = False
    """Whether a kernel alone is no launch: it needs an initrd or a disk."""

    def devices_for(self, needs: LaunchNeeds) -> tuple[str, ...]:
        """Return what a binary must have for a launch."""
        disks = self.disk_devices if needs.disk_formats else ()
        cards = [one for kind in needs.network_types for one in self.network_devices.get(kind, ())]
        return tuple(dict.fromkeys((*self.devices, *disks, *cards)))

    def machine_for(
        self, needs: LaunchNeeds, architecture: str, offered: frozenset[str]
    ) -> str | None:
        """Return the machine type that we start; None: the backend knows none.

        ``offered`` is what the binary has: machine types, and devices.
        """
        if self.lean_machine and {self.lean_machine, *LEAN_DEVICES} <= offered:
            is_lean = needs.runtime_class is RuntimeClass.MICRO_VM and needs.kernel is not None
            is_lean = is_lean and needs.acceleration is Acceleration.KVM
            count = 1 + len(needs.disk_formats) + len(needs.network_types)
            if is_lean and architecture == "amd64" and count <= MOST_LEAN_DEVICES:
                return self.lean_machine
        return self.machines.get(architecture)

    @property
    def all_devices(self) -> frozenset[str]:
        """Everything that some launch needs: what a node asks its binary for."""
        cards = (one for kind in self.network_devices.values() for one in kind)
        return frozenset((*self.devices, *self.disk_devices, *cards))


TRAITS: Final[Mapping[Backend, Traits]] = MappingProxyType({
    Backend.QEMU: Traits(
        label="QEMU",
        capability="qemu_binary_present",
        missing=codes.BACKEND_MISSING,
        emulates=True,
        classes=_BOTH,
        disk_formats=frozenset(DiskFormat),
        networks=frozenset({"User", "Tap"}),
        probes=(Probe.VIRTIO_SERIAL, Probe.GUEST_AGENT, Probe.TCP, Probe.CONSOLE),
        boots_firmware=True,
        kernel_formats={
            "amd64": frozenset({"BzImage", "ELF"}),
            "arm64": frozenset({"Image", "Gzip", "EfiZboot"}),
        },
        machines={"amd64": "q35", "arm64": "virt"},
        lean_machine=MICROVM,
        devices=("virtio-serial-pci", "virtserialport", "pvpanic-pci"),
        disk_devices=("virtio-blk-pci",),
        network_devices={
            "User": ("virtio-net-pci", f"{NETDEV}user"),
            "Tap": ("virtio-net-pci", f"{NETDEV}tap"),
        },
        most_vcpus=288,
        loads_kernels_whole=False,
        takes_open_taps=True,
    ),
    Backend.CLOUD_HYPERVISOR: Traits(
        label="Cloud Hypervisor",
        capability="cloud_hypervisor_binary_present",
        missing=codes.CLOUD_HYPERVISOR_MISSING,
        emulates=False,
        classes=_BOTH,
        disk_formats=frozenset(DiskFormat),
        networks=frozenset({"Tap"}),
        probes=(Probe.VSOCK, Probe.CONSOLE),
        boots_firmware=True,
        kernel_formats={"amd64": frozenset({"ELF", "BzImage"}), "arm64": frozenset({"Image"})},
        least_memory=64 * _MEBI,
        has_overlays=False,
    ),
    Backend.FIRECRACKER: Traits(
        label="Firecracker",
        capability="firecracker_binary_present",
        missing=codes.FIRECRACKER_MISSING,
        emulates=False,
        classes=frozenset({RuntimeClass.MICRO_VM}),
        disk_formats=frozenset({DiskFormat.RAW}),
        networks=frozenset({"Tap"}),
        probes=(Probe.VSOCK, Probe.CONSOLE),
        boots_firmware=False,
        kernel_formats={"amd64": frozenset({"ELF"}), "arm64": frozenset({"Image"})},
        needs={TUN: codes.FIRECRACKER_TUN_MISSING, CGROUPS: codes.FIRECRACKER_CGROUPS_MISSING},
        most_vcpus=32,
        least_memory=64 * _MEBI,
        page_sizes=frozenset({2 * _MEBI}),
        has_overlays=False,
        locks_disks=False,
        needs_root=True,
    ),
})  # fmt: skip
