"""Facts of a node: what its parts are and can do."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field

from schedune.api.base import (
    Code,
    Message,
    Quantity,
    StatusModel,
    Time,
)
from schedune.api.quantity import MAX_BYTES
from schedune.api.vmworkload import Backend

UNTOLD: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""A time that nobody told: long ago, so that whatever grows old has grown old."""
ShortText = Annotated[str, Field(max_length=256)]


class CapabilityState(StrEnum):
    """What is known of a capability; Unknown is neither yes nor no."""

    SUPPORTED = "Supported"
    UNSUPPORTED = "Unsupported"
    UNKNOWN = "Unknown"
    UNAVAILABLE = "Unavailable"


class ArtifactKind(StrEnum):
    """What a file is for."""

    KERNEL = "Kernel"
    INITRD = "Initrd"
    FIRMWARE = "Firmware"
    DISK = "Disk"
    UNKNOWN = "Unknown"


class Artifact(StatusModel):
    """One file of the node's inventory."""

    name: Annotated[str, Field(max_length=128)]
    """Name by which workloads refer to it."""
    kind: ArtifactKind
    """What it is for."""
    format: Annotated[str, Field(max_length=32)]
    """Format found in its bytes: BzImage, Image, ELF, Gzip, Cpio, Raw, Qcow2 and others."""
    size_bytes: Annotated[int, Field(ge=0)]
    """Size of the file."""
    virtual_size_bytes: Annotated[int, Field(ge=0)] | None = None
    """Size as the guest sees it."""
    memory_bytes: Annotated[int, Field(ge=0, le=MAX_BYTES)] | None = None
    """Guest memory that a kernel is put into, by its own header; unset: that does not tell."""
    architecture: Annotated[str, Field(max_length=16)] = "Unknown"
    """amd64, arm64, another that is known, Unknown, or Conflict: what was found disagrees."""
    evidence: ShortText = ""
    """The bytes that prove format and architecture, and where they stand."""
    refusal: ShortText | None = None
    """Why nothing is launched from it: what it is cannot be told, or its header is refused."""
    sha256: Annotated[str, Field(max_length=64)] | None = None
    """Digest of the content, where it was computed."""
    sha256_missing: Literal["NotComputedYet", "TooLarge", "Unreadable"] | None = None
    """Why there is no digest."""


class BackendFact(StatusModel):
    """One VMM binary of the node."""

    name: Backend
    """Which VMM."""
    path: Annotated[str, Field(max_length=1024)]
    """Where it is."""
    version: Annotated[str, Field(max_length=32)] | None = None
    """Version it gave of itself; unset: it did not answer."""
    version_line: ShortText = ""
    """First line of its version output."""
    sha256: Annotated[str, Field(max_length=64)] | None = None
    """Digest of the binary."""
    architecture: Annotated[str, Field(max_length=16)] = "Unknown"
    """Architecture of the guests that it runs: amd64 or arm64."""
    accelerations: Annotated[list[Annotated[str, Field(max_length=16)]], Field(max_length=8)] = (
        Field(default_factory=list)
    )
    """KVM, Emulated: what this binary can do on this node, proved."""
    machine_types: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=32)] = (
        Field(default_factory=list)
    )
    """Machine types that we use and it has."""
    features: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=64)] = Field(
        default_factory=list
    )
    """Devices and options that we use and it has."""


class Capability(StatusModel):
    """One thing that the node can do, or not, or nobody knows."""

    name: Annotated[str, Field(max_length=63)]
    """Name, for example kvm_vm_launch."""
    state: CapabilityState
    """The answer."""
    reason_code: Code
    """Why."""
    value: ShortText | None = None
    """What was seen."""
    source: ShortText = ""
    """Where it was seen."""
    method: ShortText = ""
    """How."""
    observed_time: Time = UNTOLD
    """When; unset: with all the others, at the status's ``observedTime``."""
    stale_after_seconds: Annotated[int, Field(ge=1)] | None = None
    """After how long it says nothing any more, in seconds."""
    message: Message = ""
    """For people; the answer Supported needs no words."""


class NodeCapacity(StatusModel):
    """What VMs may use of the node."""

    vcpus: Annotated[int, Field(ge=0, le=65536)]
    """Virtual CPUs."""
    memory: Quantity
    """Memory."""
    disk: Quantity = "0"
    """Disk."""
    hugepages: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=8)] = Field(
        default_factory=list
    )
    """Free huge pages as SIZE=COUNT."""
    basis: Literal["Declared", "OutsideAllocatable", "Configured"]
    """Who says so."""


class Constraint(StatusModel):
    """Something that stands against some workloads."""

    code: Code
    """Which."""
    type: Annotated[str, Field(max_length=63)]
    """Kind of constraint."""
    observed: ShortText
    """What was seen."""
    expected: ShortText
    """What would be in order."""


class NetworkFact(StatusModel):
    """A bridge of the node."""

    name: Annotated[str, Field(max_length=15)]
    """Name of the bridge."""
