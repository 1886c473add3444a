"""What a VM is made of: resources, boot, disks, networks, guest."""

from typing import Annotated, Literal

from pydantic import Field

from schedune.api.base import ApiModel, Name, Quantity, exactly_one, rules
from schedune.api.choices import DiskAccess, DiskFormat


class Resources(ApiModel):
    """What the guest gets."""

    vcpus: Annotated[int, Field(ge=1, le=1024)]
    """Number of virtual CPUs."""
    memory: Quantity
    """Guest memory, for example 8Gi; the VMM's overhead is added to the claim."""
    hugepages: Quantity | None = None
    """Size of the huge pages that back the guest's memory; unset means ordinary pages."""


class ArtifactRef(ApiModel):
    """A file of the node's inventory, by name."""

    artifact: Annotated[
        str,
        Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$"),
    ]
    """Name of the artefact as NodeTruth lists it."""
    sha256: Annotated[str, Field(max_length=64, pattern=r"^[0-9a-f]{64}$")] | None = None
    """Pin: the artefact's content must have this digest."""


class Boot(ApiModel):
    """What the guest starts from: exactly one of kernel and firmware."""

    model_config = rules(
        exactly_one("kernel", "firmware"),
        ("!has(self.initrd) || has(self.kernel)", "`initrd` needs `kernel`"),
        ("!has(self.commandLine) || has(self.kernel)", "`commandLine` needs `kernel`"),
    )

    kernel: ArtifactRef | None = None
    """Kernel image for direct boot."""
    initrd: ArtifactRef | None = None
    """Initial RAM disk; only with a kernel."""
    command_line: Annotated[str, Field(max_length=2048, pattern=r"^[ -~]*$")] | None = None
    """Kernel command line; only with a kernel."""
    firmware: ArtifactRef | None = None
    """UEFI firmware image, for booting from a disk."""


class EmptySource(ApiModel):
    """A new, empty disk."""

    size: Quantity
    """Size of the disk."""


class DiskSource(ApiModel):
    """Where a disk's content comes from: exactly one of the members."""

    model_config = rules(
        exactly_one("artifact", "hostPath", "empty"),
    )

    artifact: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """Name of an artefact of the node's inventory."""
    host_path: Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^/[ -~]*$")] | None = (
        None
    )
    """Path below the node's allowed image roots; for imported intents."""
    empty: EmptySource | None = None
    """A new, empty disk."""


class Disk(ApiModel):
    """One disk of the guest."""

    model_config = rules(
        (
            "self.retention != 'Delete' || self.access == 'Persistent'",
            "`retention` 'Delete' is for Persistent disks only",
        ),
        (
            "self.access != 'ReadOnly' || !has(self.source.empty)",
            "an `empty` disk must not be 'ReadOnly': there is nothing to read",
        ),
    )

    name: Annotated[
        str, Field(min_length=1, max_length=20, pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$")
    ]
    """Name of the disk, also its serial number in the guest."""
    source: DiskSource
    """Where the content comes from."""
    format: DiskFormat
    """Layout of the source; never probed."""
    access: DiskAccess
    """What becomes of the guest's writes."""
    retention: Literal["Retain", "Delete"] = "Retain"
    """What becomes of a Persistent disk when its workload is deleted."""
    boot_order: Annotated[int, Field(ge=1, le=16)] | None = None
    """Rank among the disks that firmware tries."""


class PortForward(ApiModel):
    """A port of the node that leads into the guest."""

    name: Name
    """Name of the forward."""
    protocol: Literal["TCP", "UDP"] = "TCP"
    """Transport protocol."""
    node_port: Annotated[int, Field(ge=1024, le=65535)]
    """Port on the node."""
    guest_port: Annotated[int, Field(ge=1, le=65535)]
    """Port in the guest."""


class TapNetwork(ApiModel):
    """A tap device on a bridge of the node."""

    bridge: Annotated[
        str, Field(min_length=1, max_length=15, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    ]
    """Name of the bridge."""
    mac_address: (
        Annotated[str, Field(max_length=17, pattern=r"^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$")]
        | None
    ) = None
    """Address of the card, of one station (its first byte is even); unset: derived from the
    workload's UID."""


class UserNetwork(ApiModel):
    """A network in user space, without privileges (QEMU only)."""

    port_forwards: Annotated[list[PortForward], Field(max_length=32)] = Field(default_factory=list)
    """Ports of the node that lead into the guest."""


class Network(ApiModel):
    """One network card of the guest."""

    model_config = rules(
        ("(self.type == 'Tap') == has(self.tap)", "`tap` goes with type 'Tap', and only with it"),
        ("self.type == 'User' || !has(self.user)", "`user` goes with type 'User'"),
    )

    name: Name
    """Name of the network card."""
    type: Literal["User", "Tap"]
    """Which of the members applies."""
    tap: TapNetwork | None = None
    """For type Tap."""
    user: UserNetwork | None = None
    """For type User."""


class SecretKeyRef(ApiModel):
    """A key of a Secret in the workload's namespace."""

    name: Annotated[
        str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    ]
    """Name of the Secret."""
    key: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
    """Key in its data."""


class UserData(ApiModel):
    """NoCloud user data: exactly one of the members."""

    model_config = rules(
        exactly_one("inline", "secretRef"),
    )

    inline: Annotated[str, Field(max_length=65536)] | None = None
    """The text itself."""
    secret_ref: SecretKeyRef | None = None
    """A Secret that holds it."""


class SSHKeys(ApiModel):
    """SSH public keys: exactly one of the members."""

    model_config = rules(
        exactly_one("inline", "secretRef"),
    )

    inline: Annotated[list[Annotated[str, Field(max_length=4096)]], Field(max_length=32)] | None = (
        None
    )
    """The keys themselves."""
    secret_ref: SecretKeyRef | None = None
    """A Secret that holds them, one a line."""


class Guest(ApiModel):
    """What is told to the system inside."""

    hostname: Name | None = None
    """Host name of the guest."""
    user_data: UserData | None = None
    """NoCloud user data."""
    ssh_authorized_keys: SSHKeys | None = None
    """Keys that may log in."""
