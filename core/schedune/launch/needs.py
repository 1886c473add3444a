"""What a launch needs of a node, whoever asks: the decision, or the agent right before it."""

from collections.abc import Collection
from dataclasses import dataclass

from schedune.api.nodetruth import ArtifactKind
from schedune.api.quantity import parse_bytes
from schedune.api.scheduling_policy import VersionFloor
from schedune.api.vmplacement import Launch
from schedune.api.vmworkload import (
    Acceleration,
    Backend,
    DiskAccess,
    DiskFormat,
    Probe,
    RuntimeClass,
)


@dataclass(frozen=True, slots=True)
class ArtifactNeed:
    """One file that a launch uses."""

    name: str
    kind: ArtifactKind
    sha256: str | None = None
    format: DiskFormat | None = None
    """For a disk: what the intent says that its bytes are."""
    is_path: bool = False
    """A path of an imported intent: the inventory lists names."""
    made: str = ""
    """The Persistent disk that is made of it, and needs it no more where it is; "": none."""

    def __str__(self) -> str:
        return f"{self.kind.value.lower()} '{self.name}'"


@dataclass(frozen=True, slots=True)
class VersionNeed:
    """Demands on the version of one backend."""

    minimum: str | None = None
    exact: str | None = None


@dataclass(frozen=True, slots=True)
class LaunchNeeds:
    """One launch, without where and with which backend."""

    runtime_class: RuntimeClass
    acceleration: Acceleration
    vcpus: int
    artifacts: tuple[ArtifactNeed, ...]
    disk_formats: tuple[DiskFormat, ...]
    network_types: tuple[str, ...]
    probe: Probe | None = None
    """How the guest is to be asked whether it is ready; None: by whatever the backend has."""
    page_size: int = 0
    """Bytes of a huge page; 0: ordinary pages."""
    memory_bytes: int = 0
    """Guest memory; 0: not asked about."""

    @property
    def kernel(self) -> ArtifactNeed | None:
        """The kernel of a direct boot; None: firmware boots."""
        return next((one for one in self.artifacts if one.kind is ArtifactKind.KERNEL), None)

    @property
    def initrd(self) -> ArtifactNeed | None:
        """The initial RAM disk, if one is given."""
        return next((one for one in self.artifacts if one.kind is ArtifactKind.INITRD), None)

    @property
    def has_initrd(self) -> bool:
        """Whether an initial RAM disk is given."""
        return self.initrd is not None


@dataclass(frozen=True, slots=True)
class BackendNeeds:
    """What is asked of one backend for a launch."""

    backend: Backend
    launch: LaunchNeeds
    version: VersionNeed = VersionNeed()
    floors: tuple[VersionFloor, ...] = ()
    usable: tuple[Backend, ...] = tuple(Backend)
    """Backends that may be used at all."""


def needs_of_launch(launch: Launch, held: Collection[str] = ()) -> LaunchNeeds:
    """Return the needs of a launch that was resolved already.

    ``held`` are the Persistent disks that are there already: they are made of no artefact.
    """
    boot = (
        (launch.kernel, ArtifactKind.KERNEL),
        (launch.initrd, ArtifactKind.INITRD),
        (launch.firmware, ArtifactKind.FIRMWARE),
    )
    files = [ArtifactNeed(one.artifact, kind, one.sha256) for one, kind in boot if one is not None]
    for disk in launch.disks:
        name = disk.artifact or disk.host_path
        made = disk.name if disk.access is DiskAccess.PERSISTENT else ""
        if name is not None and made not in held:
            is_path = disk.artifact is None
            files.append(ArtifactNeed(name, ArtifactKind.DISK, None, disk.format, is_path, made))
    return LaunchNeeds(
        runtime_class=launch.runtime_class,
        acceleration=launch.acceleration,
        vcpus=launch.vcpus,
        artifacts=tuple(files),
        disk_formats=tuple(disk.format for disk in launch.disks),
        network_types=tuple(network.type for network in launch.networks),
        probe=launch.readiness.probe if launch.readiness.level == "Guest" else None,
        page_size=parse_bytes(launch.hugepages) if launch.hugepages else 0,
        memory_bytes=parse_bytes(launch.memory),
    )
