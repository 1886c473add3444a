"""VMPlacement: the binding of a VM to a node, and what became of it there."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from schedune.api.base import (
    UID,
    ApiModel,
    Code,
    Condition,
    Line,
    Message,
    Metadata,
    NodeName,
    Quantity,
    StatusModel,
    Time,  # fmt: skip
    rules,
)
from schedune.api.machine import Guest
from schedune.api.scheduling_policy import Version, VersionFloor
from schedune.api.vmworkload import (
    Acceleration,
    Architecture,
    Backend,
    DiskAccess,
    DiskFormat,
    LaunchMode,
    Network,
    Probe,
    RestartPolicy,
    RuntimeClass,
)  # fmt: skip

FINALIZER = "schedune.io/vm"
"""Held by the node's agent until the VM is proved ended and cleaned away."""


BINDING = (
    "attempt", "backend", "claim", "evidence", "launch", "mode", "nodeName", "nodeUID", "workload",
)  # fmt: skip
"""Fields of the spec that never change."""


class PlacementState(StrEnum):
    """The twelve states of one incarnation (design.md, upstream.md 12.1)."""

    PENDING = "Pending"
    PREPARING = "Preparing"
    VALIDATED = "Validated"
    LAUNCHING = "Launching"
    STARTING = "Starting"
    RUNNING = "Running"
    DEGRADED = "Degraded"
    TERMINATING = "Terminating"
    EXITED = "Exited"
    FAILED = "Failed"
    TERMINATED = "Terminated"
    UNKNOWN = "Unknown"


class Claim(ApiModel):
    """What is reserved on the node."""

    vcpus: Annotated[int, Field(ge=0, le=65536)]
    """Virtual CPUs."""
    memory: Quantity
    """Guest memory."""
    overhead_memory: Quantity
    """What the VMM itself needs."""
    disk: Quantity = "0"
    """Room for overlays and new disks."""
    hugepages: Quantity | None = None
    """Size of the huge pages that back the memory."""
    vcpu_overcommit_percent: Annotated[int, Field(ge=100, le=3200)] | None = None
    """How many vCPUs the policy lets be placed for each 100 of the node; unset: 100."""


class Evidence(ApiModel):
    """On what the decision stood."""

    truth_digest: Annotated[str, Field(max_length=80)]
    """Digest of the node's facts."""
    decision_digest: Annotated[str, Field(max_length=80)]
    """Digest of the whole decision."""
    score: Annotated[int, Field(ge=0, le=100)]
    """Score of the node."""
    decision_time: Time
    """When it was decided."""
    machine_id: Annotated[str, Field(max_length=64)] | None = None
    """The machine behind the Node: whose heartbeat it is that speaks for the VM."""
    placement_digest: Annotated[str, Field(max_length=80)] | None = None
    """Digest of what ``spec.placement`` of the workload demanded; unset: an operator that kept none
    decided."""
    operator_epoch: Annotated[int, Field(ge=0)]
    """Which term of leadership decided; evidence, never a guard."""


class LaunchArtifact(ApiModel):
    """A file of the node's inventory that the launch uses."""

    artifact: Annotated[str, Field(max_length=128)]
    """Name of the artefact."""
    sha256: Annotated[str, Field(max_length=64)] | None = None
    """Required digest."""


class LaunchDisk(ApiModel):
    """One disk, resolved."""

    name: Annotated[str, Field(max_length=20)]
    """Name and serial number."""
    artifact: Annotated[str, Field(max_length=128)] | None = None
    """Artefact it comes from."""
    host_path: Annotated[str, Field(max_length=1024)] | None = None
    """Path below the allowed roots."""
    empty_size: Quantity | None = None
    """Size of a new disk."""
    format: DiskFormat
    """Layout of the source."""
    access: DiskAccess
    """What becomes of writes."""
    retention: Literal["Retain", "Delete"] = "Retain"
    """What becomes of a Persistent disk."""
    boot_order: Annotated[int, Field(ge=1, le=16)] | None = None
    """Rank among the disks that firmware tries."""


class LaunchReadiness(ApiModel):
    """When the VM counts as ready."""

    level: Literal["Backend", "Guest"]
    """Whose word is enough."""
    probe: Probe = Probe.VIRTIO_SERIAL
    """How the guest is asked."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Port of the guest that is asked."""
    marker: Annotated[str, Field(max_length=128)] | None = None
    """Text on the console by which the guest is ready."""
    timeout_seconds: Annotated[int, Field(ge=1)]
    """How long a start may take, in seconds."""


class Launch(ApiModel):
    """All that the agent needs: resolved for one backend, no look-up elsewhere."""

    runtime_class: RuntimeClass
    """VirtualMachine or MicroVM."""
    architecture: Architecture
    """The node's architecture: amd64 or arm64."""
    acceleration: Acceleration
    """KVM or Emulated."""
    vcpus: Annotated[int, Field(ge=1)]
    """Virtual CPUs."""
    memory: Quantity
    """Guest memory."""
    hugepages: Quantity | None = None
    """Size of huge pages."""
    kernel: LaunchArtifact | None = None
    """Kernel image."""
    initrd: LaunchArtifact | None = None
    """Initial RAM disk."""
    command_line: Annotated[str, Field(max_length=2048)] | None = None
    """Kernel command line."""
    firmware: LaunchArtifact | None = None
    """Firmware image."""
    disks: Annotated[list[LaunchDisk], Field(max_length=16)] = Field(default_factory=list)
    """Disks."""
    networks: Annotated[list[Network], Field(max_length=8)] = Field(default_factory=list)
    """Network cards."""
    guest: Guest | None = None
    """What is told to the system inside; a Secret's content is never copied here."""
    restart_policy: RestartPolicy
    """What follows when the guest ends."""
    readiness: LaunchReadiness
    """When the VM counts as ready."""
    termination_grace_seconds: Annotated[int, Field(ge=0)]
    """How long the guest may take to power down, in seconds."""


class AcceptedVersions(ApiModel):
    """Which versions of the backend are launched: judged at placement, and again on the node."""

    minimum: Version | None = None
    """Lowest version that the workload accepts."""
    exact: Version | None = None
    """The only one that it accepts."""
    floors: Annotated[
        list[VersionFloor],
        Field(max_length=16, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = Field(default_factory=list)
    """Versions below which the scheduling policy launches none."""


class WorkloadRef(ApiModel):
    """The VMWorkload that is placed."""

    generation: Annotated[int, Field(ge=0)]
    """Its generation when it was decided."""
    namespace_uid: UID | None = None
    """UID of its namespace, by which Persistent disks are kept; only set where it has any."""
    uid: UID
    """Its UID."""
    restart_token: Annotated[str, Field(max_length=128)] | None = None
    """Its ``restartToken`` when it was decided: another one restarts the VM."""


class Stop(ApiModel):
    """An order to end the VM; may be added and shortened, never removed."""

    reason: Annotated[str, Field(max_length=64)]
    """Why, as a reason of the table of codes."""
    grace_seconds: Annotated[int, Field(ge=0, le=3600)]
    """How long the guest may take, in seconds."""


class VMPlacementSpec(ApiModel):
    """The binding; immutable but for ``stop``. Written by the operator only."""

    model_config = rules(
        (
            " && ".join(f"self.{field} == oldSelf.{field}" for field in BINDING),
            "a placement is immutable but for `stop`",
        ),
        (
            "has(self.versions) == has(oldSelf.versions)"
            " && (!has(self.versions) || self.versions == oldSelf.versions)",
            "`versions` is immutable",
        ),
        ("!has(oldSelf.stop) || has(self.stop)", "`stop` may not be removed"),
        (
            "!has(oldSelf.stop) || !has(self.stop)"
            " || self.stop.graceSeconds <= oldSelf.stop.graceSeconds",
            "`stop.graceSeconds` may only be shortened",
        ),
    )

    attempt: Annotated[int, Field(ge=1)]
    """Number of the attempt; evidence, never a guard."""
    backend: Backend
    """Which VMM runs the VM."""
    claim: Claim
    """What is reserved on the node."""
    evidence: Evidence
    """On what the decision stood."""
    launch: Launch
    """All that the agent needs."""
    mode: LaunchMode
    """Execute, DryRun or Validate."""
    node_name: NodeName
    """Where."""
    node_uid: UID
    """UID of that Node: another of the same name is another node."""
    workload: WorkloadRef
    """For whom."""
    versions: AcceptedVersions | None = None
    """Which versions of the backend are launched; unset: all."""
    stop: Stop | None = None
    """Order to end the VM."""


class Exit(StatusModel):
    """How an incarnation ended."""

    console_tail: Annotated[list[Line], Field(max_length=20)] = Field(default_factory=list)
    """Last lines of the guest's console, escaped."""
    exit_code: int | None = None
    """Exit code of the VMM, where it was seen."""
    reason: Annotated[str, Field(max_length=64)]
    """GuestPoweredOff, GuestPanicked, GuestReset, GuestRebootLoop, HostStopped, VMMKilled,
    OutOfMemory, ExitUnknown, or why it could not be started."""
    signal: int | None = None
    """Signal that ended the VMM, where it was seen."""
    time: Time
    """When it was seen."""


class Ended(StatusModel):
    """The end of the placement; nothing else ends it."""

    time: Time
    """When."""
    reason: Annotated[str, Field(max_length=64)]
    """Why, as a reason of the table of codes."""


class Prepared(StatusModel):
    """What a dry run would have run."""

    argv: Annotated[list[Annotated[str, Field(max_length=4096)]], Field(max_length=256)] = Field(
        default_factory=list
    )
    """The command line. Its first word is a name by which the process is found again."""
    binary: Annotated[str, Field(max_length=4096)] = ""
    """The program that is executed; empty: an agent that did not tell it yet wrote this."""
    requests: Annotated[list[Annotated[str, Field(max_length=8192)]], Field(max_length=64)] = Field(
        default_factory=list
    )
    """Requests to the VMM's API, in order."""


class ReadinessStatus(StatusModel):
    """How far the guest has proved itself (runtimes.md 2.6)."""

    rung: Annotated[str, Field(max_length=2, pattern=r"^R[0-5]$")]
    """R0 process proved, R1 socket answered, R2 running, R3 kernel, R4 guest answered."""
    since: Time
    """Since when."""
    guest_boot_id: Annotated[str, Field(max_length=64)] | None = None
    """The boot id that the guest gave with its answer."""


class Refusal(StatusModel):
    """Why the agent did not take the placement."""

    code: Code
    """The cause."""
    observed: Annotated[str, Field(max_length=256)]
    """What the node has."""
    required: Annotated[str, Field(max_length=256)]
    """What was asked."""


class TraceEntry(StatusModel):
    """One move of the state machine."""

    time: Time
    """When."""
    from_: Annotated[PlacementState | None, Field(alias="from")] = None
    """State before; absent for the first."""
    to: PlacementState
    """State after; equal to ``from`` for a note (an adoption, a rung reached)."""
    code: Code
    """Why."""
    message: Message = ""
    """Evidence."""


class VMMProcess(StatusModel):
    """The VMM's identity, as proved last."""

    pid: Annotated[int, Field(ge=1)]
    """Process id."""
    start_time: Annotated[int, Field(ge=0)]
    """Start time of the process in clock ticks since boot."""
    boot_id: Annotated[str, Field(max_length=64)]
    """Boot id of the node."""
    version: Annotated[str, Field(max_length=128)] | None = None
    """Version the VMM gave of itself."""
    control_socket: Annotated[str, Field(max_length=107)]
    """Path of the control socket."""
    survival: Literal["OutlivesAgent", "DiesWithAgent"]
    """What an end of the agent means for it."""


class VMPlacementStatus(StatusModel):
    """What became of it; written by the agent of ``spec.nodeName`` only."""

    conditions: Annotated[list[Condition], Field(max_length=16)] = Field(default_factory=list)
    """Admitted, Launched, Ready."""
    addresses: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=16)] = Field(
        default_factory=list
    )
    """Addresses of the guest."""
    ended: Ended | None = None
    """Set once the placement is over."""
    incarnation: Annotated[int, Field(ge=0)] = 0
    """How often the VM was started under this placement."""
    last_exit: Exit | None = None
    """How the last incarnation ended."""
    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The ``metadata.generation`` this status answers."""
    prepared: Prepared | None = None
    """What a dry run would have run."""
    readiness: ReadinessStatus | None = None
    """How far the guest has proved itself."""
    refusal: Refusal | None = None
    """Why the agent did not take the placement."""
    state: PlacementState | None = None
    """State of the current incarnation."""
    trace: Annotated[list[TraceEntry], Field(max_length=64)] = Field(default_factory=list)
    """Moves of the state machine, the last 64."""
    vmm: VMMProcess | None = None
    """The VMM's identity."""
    why: Annotated[list[Line], Field(max_length=12)] = Field(default_factory=list)
    """The same for people."""


class VMPlacement(ApiModel):
    """The binding of one VM to one node, and its reservation there."""

    api_version: Literal["schedune.io/v1alpha1"] = "schedune.io/v1alpha1"
    kind: Literal["VMPlacement"] = "VMPlacement"
    metadata: Metadata
    spec: VMPlacementSpec
    status: VMPlacementStatus = Field(default_factory=VMPlacementStatus)
