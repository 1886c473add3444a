"""VMWorkload: what a user asks for, and what Schedune answers."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from schedune.api.base import (
    UID,
    ApiModel,
    Code,
    Condition,
    Line,
    Metadata,
    Name,
    NodeName,
    Quantity,
    StatusModel,
    Time,  # fmt: skip
    exactly_one,
    rules,
)
from schedune.api.evaluation import Evaluation


class RuntimeClass(StrEnum):
    """How much machine a VM expects."""

    VIRTUAL_MACHINE = "VirtualMachine"
    MICRO_VM = "MicroVM"


class Architecture(StrEnum):
    """CPU architectures, spelt as in the label ``kubernetes.io/arch``."""

    AMD64 = "amd64"
    ARM64 = "arm64"
    ANY = "Any"


class Acceleration(StrEnum):
    """Whether the guest runs on the CPU (KVM) or is emulated: no isolation boundary."""

    KVM = "KVM"
    EMULATED = "Emulated"


class Backend(StrEnum):
    """The kinds of VMM that Schedune launches."""

    QEMU = "QEMU"
    CLOUD_HYPERVISOR = "CloudHypervisor"
    FIRECRACKER = "Firecracker"


class LaunchMode(StrEnum):
    """How far a launch goes."""

    EXECUTE = "Execute"
    DRY_RUN = "DryRun"
    VALIDATE = "Validate"


class RunState(StrEnum):
    """Whether the VM shall run."""

    RUNNING = "Running"
    STOPPED = "Stopped"


class RestartPolicy(StrEnum):
    """What follows when the guest ends."""

    ALWAYS = "Always"
    ON_FAILURE = "OnFailure"
    NEVER = "Never"


class DiskFormat(StrEnum):
    """How a disk's bytes are laid out; always given, never probed by the VMM."""

    RAW = "Raw"
    QCOW2 = "Qcow2"


class DiskAccess(StrEnum):
    """What becomes of the guest's writes."""

    READ_ONLY = "ReadOnly"
    EPHEMERAL = "Ephemeral"
    PERSISTENT = "Persistent"


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
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
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
        Annotated[str, Field(max_length=17, pattern=r"^([0-9a-f]{2}:){5}[0-9a-f]{2}$")] | None
    ) = None
    """Unset: derived from the workload's UID."""


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

    name: Annotated[str, Field(min_length=1, max_length=253)]
    """Name of the Secret."""
    key: Annotated[str, Field(min_length=1, max_length=253)]
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


class SelectorRequirement(ApiModel):
    """One demand on a label, as in a Pod's node affinity."""

    key: Annotated[str, Field(min_length=1, max_length=317)]
    """Label key."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]
    """How the value is compared."""
    values: Annotated[list[Annotated[str, Field(max_length=63)]], Field(max_length=64)] = Field(
        default_factory=list
    )
    """What it is compared with."""


class NodeSelectorTerm(ApiModel):
    """Demands that must all hold."""

    match_expressions: Annotated[list[SelectorRequirement], Field(max_length=32)] = Field(
        default_factory=list
    )
    """Demands on the node's labels."""


class RequiredNodeAffinity(ApiModel):
    """Terms of which one must hold."""

    node_selector_terms: Annotated[list[NodeSelectorTerm], Field(min_length=1, max_length=16)]
    """Alternatives."""


class PreferredNodeTerm(ApiModel):
    """A wish about the node's labels."""

    weight: Annotated[int, Field(ge=1, le=100)]
    """How much it counts."""
    preference: NodeSelectorTerm
    """The wish."""


class NodeAffinity(ApiModel):
    """Demands and wishes about the node's labels."""

    required: RequiredNodeAffinity | None = None
    """What must hold."""
    preferred: Annotated[list[PreferredNodeTerm], Field(max_length=16)] = Field(
        default_factory=list
    )
    """What counts in the score."""


class Toleration(ApiModel):
    """A taint that is accepted, as in a Pod."""

    key: Annotated[str, Field(max_length=317)] | None = None
    """Taint key; unset with Exists: every taint."""
    operator: Literal["Equal", "Exists"] = "Equal"
    """How the value is compared."""
    value: Annotated[str, Field(max_length=63)] | None = None
    """Taint value."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Taint effect; unset: every effect."""


class WorkloadSelector(ApiModel):
    """Which workloads of the namespace are meant."""

    match_labels: Annotated[
        dict[str, Annotated[str, Field(max_length=63)]], Field(max_length=16)
    ] = Field(default_factory=dict)
    """Labels that must all match."""


class AntiAffinity(ApiModel):
    """Workloads to keep away from."""

    topology_key: Annotated[str, Field(min_length=1, max_length=317)]
    """Node label that tells places apart."""
    workload_selector: WorkloadSelector
    """Which workloads."""


class TopologySpread(ApiModel):
    """How evenly workloads are spread."""

    topology_key: Annotated[str, Field(min_length=1, max_length=317)]
    """Node label that tells places apart."""
    max_skew: Annotated[int, Field(ge=1, le=1000)]
    """Greatest difference between two places."""
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"]
    """Whether this is a demand or a wish."""
    workload_selector: WorkloadSelector
    """Which workloads are counted."""


class PlacementPolicy(ApiModel):
    """Where the VM may run."""

    node_selector: Annotated[
        dict[str, Annotated[str, Field(max_length=63)]], Field(max_length=32)
    ] = Field(default_factory=dict)
    """Labels the node must have, as in a Pod."""
    node_affinity: NodeAffinity | None = None
    """Demands and wishes about the node's labels."""
    tolerations: Annotated[list[Toleration], Field(max_length=32)] = Field(default_factory=list)
    """Taints that are accepted."""
    compatibility_classes: Annotated[
        list[Annotated[str, Field(max_length=63)]], Field(max_length=16)
    ] = Field(default_factory=list)
    """Accepted compatibility classes; empty: any."""
    required_capabilities: Annotated[
        list[Annotated[str, Field(max_length=63)]], Field(max_length=32)
    ] = Field(default_factory=list)
    """Capabilities the node must have."""
    preferred_capabilities: Annotated[
        list[Annotated[str, Field(max_length=63)]], Field(max_length=32)
    ] = Field(default_factory=list)
    """Capabilities that count in the score."""
    forbidden_constraints: Annotated[list[Code], Field(max_length=32)] = Field(default_factory=list)
    """Constraints the node must not carry."""
    anti_affinity: Annotated[list[AntiAffinity], Field(max_length=8)] = Field(default_factory=list)
    """Workloads to keep away from."""
    topology_spread: Annotated[list[TopologySpread], Field(max_length=8)] = Field(
        default_factory=list
    )
    """How evenly workloads are spread."""
    max_truth_age_seconds: Annotated[int, Field(ge=2, le=86400)] = 300
    """How old the last proof of a node's facts may be, in seconds."""


class Readiness(ApiModel):
    """When the VM counts as ready."""

    level: Literal["Backend", "Guest"] = "Guest"
    """Whether the VMM's word is enough or the guest must have answered."""
    probe: "ReadinessProbe | None" = None
    """How the guest is asked."""
    timeout_seconds: Annotated[int, Field(ge=1, le=3600)] | None = None
    """How long a start may take before it counts as failed, in seconds."""


class ReadinessProbe(ApiModel):
    """How the guest is asked."""

    type: Literal["VirtioSerial", "Vsock", "GuestAgent", "TCP", "Console"]
    """The way the question goes."""


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
    node_name: NodeName
    """Where it was."""
    placement_uid: UID = Field(alias="placementUID")
    """UID of the VMPlacement."""
    start_time: Time | None = None
    """When it was made."""


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
