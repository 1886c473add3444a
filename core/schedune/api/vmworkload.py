"""VMWorkload: what a user asks for, and what Schedune answers."""

from typing import Annotated, Literal

from pydantic import Field

from schedune.api.base import (
    UID,
    ApiModel,
    Code,
    Condition,
    Line,
    Metadata,
    NodeName,
    StatusModel,
    Time,  # fmt: skip
    exactly_one,
    rules,
)
from schedune.api.choices import (
    Acceleration,
    Architecture,
    Backend,
    DiskAccess,
    DiskFormat,
    LaunchMode,
    Probe,
    RestartPolicy,
    RunState,
    RuntimeClass,
)
from schedune.api.evaluation import Evaluation
from schedune.api.machine import (
    ArtifactRef,
    Boot,
    Disk,
    DiskSource,
    EmptySource,
    Guest,
    Network,
    PortForward,
    Resources,
    SecretKeyRef,
    SSHKeys,
    TapNetwork,
    UserData,
    UserNetwork,
)
from schedune.api.policy import (
    AntiAffinity,
    NodeAffinity,
    NodeSelectorTerm,
    PlacementPolicy,
    PreferredNodeTerm,
    RequiredNodeAffinity,
    SelectorRequirement,
    Toleration,
    TopologySpread,
    WorkloadSelector,
)

__all__ = [
    "Acceleration",
    "AntiAffinity",
    "Architecture",
    "ArtifactRef",
    "Attempt",
    "Backend",
    "BackendPolicy",
    "BackendVersion",
    "Boot",
    "Disk",
    "DiskAccess",
    "DiskFormat",
    "DiskSource",
    "EmptySource",
    "Guest",
    "LaunchMode",
    "Network",
    "NodeAffinity",
    "NodeSelectorTerm",
    "PersistentDiskHome",
    "PlacementPolicy",
    "PortForward",
    "PreferredNodeTerm",
    "Probe",
    "Readiness",
    "ReadinessProbe",
    "RequiredNodeAffinity",
    "Resources",
    "RestartPolicy",
    "RunState",
    "RuntimeClass",
    "SSHKeys",
    "SecretKeyRef",
    "SelectorRequirement",
    "TapNetwork",
    "Toleration",
    "TopologySpread",
    "UserData",
    "UserNetwork",
    "VMWorkload",
    "VMWorkloadSpec",
    "VMWorkloadStatus",
    "WorkloadSelector",
]


class BackendVersion(ApiModel):
    """Which versions of a backend are accepted."""

    model_config = rules(
        exactly_one("minimum", "exact"),
    )

    name: Backend
    """The backend."""
    minimum: Annotated[str, Field(max_length=32, pattern=r"^\d+\.\d+(\.\d+)?$")] | None = None
    """Lowest accepted version."""
    exact: Annotated[str, Field(max_length=32, pattern=r"^\d+\.\d+(\.\d+)?$")] | None = None
    """The only accepted version."""


class BackendPolicy(ApiModel):
    """Which VMMs may run the guest."""

    preference: Annotated[list[Backend], Field(min_length=1, max_length=3)] | None = None
    """Backends in order of preference; a list of one means no fallback."""
    versions: Annotated[list[BackendVersion], Field(max_length=3)] = Field(default_factory=list)
    """Demands on versions, per backend."""


class ReadinessProbe(ApiModel):
    """How the guest is asked."""

    model_config = rules(
        ("(self.type == 'TCP') == has(self.port)", "`port` is for type TCP, which needs it"),
        (
            "(self.type == 'Console') == has(self.marker)",
            "`marker` is for type Console, which needs it",
        ),
    )

    type: Probe
    """The way the question goes: for a nonce over a serial port (VirtioSerial, with QEMU) or over
    vsock (Vsock, with Cloud Hypervisor and Firecracker), to the QEMU guest agent, to a service that
    greets whoever connects (TCP), or by a text on the console, which proves nothing more."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """For TCP: a port of the guest that a port forward of a User network leads to. The service must
    send the first byte: QEMU itself takes every connection, whatever the guest does."""
    marker: (
        Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[ -~]*[!-~][ -~]*$")] | None
    ) = None
    """For Console: the text that the console shows once the guest is ready, such as 'login:'."""


class Readiness(ApiModel):
    """When the VM counts as ready."""

    level: Literal["Backend", "Guest"] = "Guest"
    """Whether the VMM's word is enough or the guest must have answered."""
    probe: ReadinessProbe | None = None
    """How the guest is asked; unset: for a nonce, over what the backend has for it."""
    timeout_seconds: Annotated[int, Field(ge=1, le=3600)] | None = None
    """How long a start may take before it counts as failed, in seconds."""


class VMWorkloadSpec(ApiModel):
    """What the user asks for."""

    model_config = rules(
        ("self.runtimeClass == oldSelf.runtimeClass", "`runtimeClass` is immutable"),
        (
            "oldSelf.launchMode != 'Execute' || self.launchMode == 'Execute'",
            "`launchMode` may not go back from 'Execute'",
        ),
    )

    runtime_class: RuntimeClass
    """VirtualMachine or MicroVM; cannot be changed."""
    architecture: Architecture
    """amd64, arm64 or Any; never guessed from where anything runs."""
    resources: Resources
    """What the guest gets."""
    acceleration: Acceleration = Acceleration.KVM
    """KVM, or Emulated: slow and no isolation boundary, for tests."""
    boot: Boot
    """What the guest starts from."""
    disks: Annotated[list[Disk], Field(max_length=16)] = Field(default_factory=list)
    """Disks of the guest."""
    networks: Annotated[list[Network], Field(max_length=8)] = Field(default_factory=list)
    """Network cards of the guest."""
    guest: Guest | None = None
    """What is told to the system inside."""
    backend: BackendPolicy | None = None
    """Which VMMs may run the guest; unset: resolved by runtimeClass."""
    placement: PlacementPolicy = Field(default_factory=PlacementPolicy)
    """Where the VM may run."""
    priority_class_name: Annotated[str, Field(max_length=253)] | None = None
    """A PriorityClass: who is decided first."""
    launch_mode: LaunchMode = LaunchMode.EXECUTE
    """How far the launch goes; never back from Execute."""
    run_state: RunState = RunState.RUNNING
    """Whether the VM shall run."""
    restart_policy: RestartPolicy = RestartPolicy.ALWAYS
    """What follows when the guest ends."""
    restart_token: Annotated[str, Field(max_length=128)] | None = None
    """Any new value restarts the VM."""
    update_strategy: Literal["OnRestart", "Recreate"] = "OnRestart"
    """When a changed spec reaches a running VM."""
    readiness: Readiness = Field(default_factory=Readiness)
    """When the VM counts as ready."""
    termination_grace_seconds: Annotated[int, Field(ge=0, le=3600)] = 30
    """How long the guest may take to power down, in seconds."""
    scheduling_deadline_seconds: Annotated[int, Field(ge=1, le=604800)] = 600
    """After how long without an eligible node the workload is Stalled, in seconds."""


class Attempt(StatusModel):
    """One placement of the past."""

    attempt: Annotated[int, Field(ge=1)]
    """Number of the attempt."""
    backend: Backend | None = None
    """The VMM that was used."""
    code: Code | None = None
    """Why it ended."""
    console_tail: Annotated[list[Line], Field(max_length=20)] = Field(default_factory=list)
    """Last lines of the guest's console, escaped."""
    end_time: Time | None = None
    """When it ended."""
    exit_reason: Annotated[str, Field(max_length=256)] | None = None
    """How the VM ended, in words."""
    generation: Annotated[int, Field(ge=0)] | None = None
    """The workload's ``metadata.generation`` that it was made for."""
    node_name: NodeName
    """Where it was."""
    placement_uid: UID = Field(alias="placementUID")
    """UID of the VMPlacement."""
    start_time: Time | None = None
    """When it was made."""
    truth_digest: Annotated[str, Field(max_length=80)] | None = None
    """Digest of the node's facts by which it was decided: a change is a cause to try again."""


class PersistentDiskHome(StatusModel):
    """Where a Persistent disk lies."""

    disk: Annotated[str, Field(max_length=20)]
    """Name of the disk."""
    node_name: NodeName
    """Name of the node that holds it."""
    node_uid: UID
    """UID of that Node."""


class VMWorkloadStatus(StatusModel):
    """What Schedune answers; written by the operator only."""

    conditions: Annotated[list[Condition], Field(max_length=16)] = Field(default_factory=list)
    """Ready, Scheduled, Validated, Launched, UpToDate, Reconciling, Stalled."""
    addresses: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=16)] = Field(
        default_factory=list
    )
    """Addresses of the guest."""
    evaluation: Evaluation | None = None
    """The last decision, explained."""
    history: Annotated[list[Attempt], Field(max_length=16)] = Field(default_factory=list)
    """Earlier placements, oldest first; the last 16."""
    node_name: Annotated[str, Field(max_length=253)] | None = None
    """Where the VM is placed."""
    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The ``metadata.generation`` this status was decided for."""
    persistent_disks: Annotated[list[PersistentDiskHome], Field(max_length=16)] = Field(
        default_factory=list
    )
    """Where the Persistent disks lie."""
    placement_uid: UID | None = None
    """UID of the current VMPlacement."""
    reason: Annotated[str, Field(max_length=128)] | None = None
    """Copy of Ready's reason, selectable."""
    why: Annotated[list[Line], Field(max_length=12)] = Field(default_factory=list)
    """The explanation as a table for people."""


class VMWorkload(ApiModel):
    """A VM that shall run somewhere."""

    model_config = rules(
        ("self.metadata.name.size() <= 63", "`metadata.name` must be at most 63 characters"),
    )

    api_version: Literal["schedune.io/v1alpha1"] = "schedune.io/v1alpha1"
    kind: Literal["VMWorkload"] = "VMWorkload"
    metadata: Metadata
    spec: VMWorkloadSpec
    status: VMWorkloadStatus = Field(default_factory=VMWorkloadStatus)
