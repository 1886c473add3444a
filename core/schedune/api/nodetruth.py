"""NodeTruth: what is known of a node, by whom, since when."""

from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import Field, model_validator

from schedune.api.base import (
    UID,
    ApiModel,
    Code,
    Condition,
    Line,
    Message,
    Metadata,
    Quantity,
    StatusModel,
    Time,
)  # fmt: skip
from schedune.api.facts import (
    Artifact,
    ArtifactKind,
    BackendFact,
    Capability,
    CapabilityState,
    Constraint,
    NetworkFact,
    NodeCapacity,
    ShortText,
)
from schedune.api.host_facts import (
    AgentLimits,
    ClockFacts,
    CPUFacts,
    FilesystemFact,
    HugepageFact,
    MemoryFacts,
    NumaNodeFact,
    OSFacts,
    VulnerabilityFacts,
)
from schedune.api.vmworkload import Backend

__all__ = [
    "AgentLimits",
    "Alarm",
    "Artifact",
    "ArtifactKind",
    "BackendFact",
    "CPUFacts",
    "Capability",
    "CapabilityState",
    "ClassOverride",
    "ClockFacts",
    "Constraint",
    "DeclaredCapacity",
    "FilesystemFact",
    "Health",
    "HealthState",
    "HugepageFact",
    "Identity",
    "LiveVM",
    "MemoryFacts",
    "NetworkFact",
    "NodeCapacity",
    "NodeTruth",
    "NodeTruthSpec",
    "NodeTruthStatus",
    "NumaNodeFact",
    "OSFacts",
    "Orphan",
    "OrphanAction",
    "OrphanOrder",
    "PersistentDiskFact",
    "ProbeRun",
    "Scheduling",
    "VulnerabilityFacts",
]

MOST_LIVE_VMS: Final = 512
"""A node has no more VMs than its truth can list: an unlisted one could run twice."""
MOST_ORPHANS: Final = 64
"""As many orphans as a NodeTruth lists."""


class Scheduling(StrEnum):
    """Whether new VMs may come to the node."""

    ENABLED = "Enabled"
    CORDONED = "Cordoned"
    DRAINING = "Draining"


class HealthState(StrEnum):
    """How the node is."""

    HEALTHY = "Healthy"
    WARNING = "Warning"
    DEGRADED = "Degraded"
    UNSCHEDULABLE = "Unschedulable"
    QUARANTINED = "Quarantined"
    UNKNOWN = "Unknown"


class DeclaredCapacity(ApiModel):
    """What VMs may use of the node."""

    vcpus: Annotated[int, Field(ge=0, le=65536)]
    """Virtual CPUs."""
    memory: Quantity
    """Memory."""
    disk: Quantity = "0"
    """Disk."""


class ClassOverride(ApiModel):
    """A compatibility class set by an administrator."""

    name: Annotated[str, Field(min_length=1, max_length=63)]
    """The class."""
    reason: Annotated[str, Field(min_length=1, max_length=256)]
    """Why it is overridden."""


class OrphanAction(ApiModel):
    """An administrator's order about one process, bound to the proof shown."""

    pid: Annotated[int, Field(ge=1)]
    """Process id."""
    start_time: Annotated[int, Field(ge=0)]
    """Start time in clock ticks since boot."""
    boot_id: Annotated[str, Field(max_length=64)]
    """Boot id of the node."""
    action: Literal["Adopt", "Ignore", "Terminate"]
    """What to do."""
    placement_uid: UID | None = None
    """For Adopt: into which placement."""


class NodeTruthSpec(ApiModel):
    """What administrators say of the node."""

    scheduling: Scheduling = Scheduling.ENABLED
    """Whether new VMs may come to the node."""
    capacity: DeclaredCapacity | None = None
    """What VMs may use; unset: see status.capacity.basis."""
    compatibility_class: ClassOverride | None = None
    """Override of the derived class."""
    orphan_actions: Annotated[list[OrphanAction], Field(max_length=64)] = Field(
        default_factory=list
    )
    """Orders about orphans."""


class Alarm(StatusModel):
    """Something that is wrong right now."""

    code: Code
    """What."""
    severity: Literal["Info", "Warning", "Error", "Critical"]
    """How bad."""
    onset_time: Time
    """Since when."""
    message: Message
    """For people."""


class Health(StatusModel):
    """How the node is."""

    state: HealthState
    """In one word."""
    alarms: Annotated[list[Alarm], Field(max_length=32)] = Field(default_factory=list)
    """What is wrong."""


class Identity(StatusModel):
    """Who the node is."""

    node_uid: UID
    """UID of the Node object."""
    machine_id: Annotated[str, Field(max_length=64)]
    """The machine's own id."""
    boot_id: Annotated[str, Field(max_length=64)]
    """Id of the current boot."""
    agent_version: Annotated[str, Field(max_length=64)]
    """Version of the agent."""
    facts_version: Annotated[int, Field(ge=1)] = 1
    """Version of the form of the facts."""
    survival: Literal["OutlivesAgent", "DiesWithAgent"] = "OutlivesAgent"
    """What an end of the agent means for the VMs here."""
    containment: Literal["Cgroup", "Session", "None"] = "None"
    """Where VMs run: in a cgroup of their own, in a process session, or nowhere."""
    execution: Literal["Launches", "PreparesOnly"] = "Launches"
    """Whether the agent launches, or validates and prepares only (a recorded node, or an
    agent that was installed for facts only)."""


class OrphanOrder(StatusModel):
    """What became of one order of ``spec.orphanActions``."""

    pid: Annotated[int, Field(ge=1)]
    """Process id."""
    start_time: Annotated[int, Field(ge=0)]
    """Start time of the process in clock ticks since boot."""
    boot_id: Annotated[str, Field(max_length=64)]
    """Boot id of the node."""
    action: Literal["Adopt", "Ignore", "Terminate"]
    """What was ordered."""
    code: Code
    """What came of it, as a code of the table of reasons."""
    message: Message = ""
    """The same for people."""


class Orphan(StatusModel):
    """A VMM process that no placement accounts for, or what such a one left and still stands."""

    class_: Annotated[str, Field(alias="class", max_length=32)]
    """Which kind it is.

    split: it runs beside another VMM of the same placement. superseded: it is recorded,
    and its VMPlacement is gone or has ended. leaked: it carries our marker, and there is
    neither a record nor a VMPlacement, or no proof that it is that VMPlacement's VM.
    contested: several placements could account for it. unmanaged: a VMM that Schedune did
    not start. The first three are counted as reserved, as far as their size is known;
    none is acted on without an order.
    residue: no process, but files or control groups of a VM of which nothing is known any
    more, and which could not be removed; it is tried again at every sweep.
    """
    code: Code | None = None
    """Code of the table of reasons; unset by an agent from before it was there."""
    pid: Annotated[int, Field(ge=1)] | None = None
    """Process id; unset for residue, as are start time and boot id."""
    start_time: Annotated[int, Field(ge=0)] | None = None
    """Start time in clock ticks since boot."""
    boot_id: Annotated[str, Field(max_length=64)] | None = None
    """Boot id of the node."""
    backend: Backend | None = None
    """Which VMM."""
    placement_uid: UID | None = None
    """UID that its marker carries, or by which what is left is named."""
    claim: ShortText = ""
    """What it holds."""
    message: Message = ""
    """For people."""


class PersistentDiskFact(StatusModel):
    """A Persistent disk that the node holds."""

    namespace: Annotated[str, Field(max_length=63)]
    """Namespace of the workload."""
    namespace_uid: UID
    """UID of that namespace."""
    workload: Annotated[str, Field(max_length=63)]
    """Name of the workload."""
    disk: Annotated[str, Field(max_length=20)]
    """Name of the disk."""
    size_bytes: Annotated[int, Field(ge=0)]
    """Its size."""


class ProbeRun(StatusModel):
    """How one probe went."""

    name: Annotated[str, Field(max_length=63)]
    """Which probe."""
    outcome: Literal["Succeeded", "Failed", "TimedOut"]
    """How it went."""
    reason_code: Code | None = None
    """Why it failed."""
    duration_milliseconds: Annotated[int, Field(ge=0)]
    """How long it took; outside the digest."""
    unread: Annotated[list[ShortText], Field(max_length=4)] = Field(default_factory=list)
    """Files that were there and told nothing: what they would have said is unknown."""


class LiveVM(StatusModel):
    """A VM that runs on the node."""

    placement_uid: UID
    """UID of its VMPlacement."""
    workload_uid: UID
    """UID of its VMWorkload."""
    namespace: Annotated[str, Field(max_length=63)]
    """Namespace."""
    name: Annotated[str, Field(max_length=63)]
    """Name."""


class NodeTruthStatus(StatusModel):
    """What is known of the node: facts by its agent, Fresh and Ready by the operator."""

    conditions: Annotated[list[Condition], Field(max_length=16)] = Field(default_factory=list)
    """KVMUsable, AgentHealthy (agent); Fresh, Ready (operator)."""
    agent_limits: AgentLimits | None = None
    """What limits the agent's own cgroup."""
    artifacts: Annotated[list[Artifact], Field(max_length=64)] = Field(default_factory=list)
    """Files under the image roots."""
    artifacts_truncated: Annotated[int, Field(ge=0)] | None = None
    """How many more there are; then a missing one is Unknown."""
    backends: Annotated[list[BackendFact], Field(max_length=8)] = Field(default_factory=list)
    """VMM binaries."""
    capabilities: Annotated[list[Capability], Field(max_length=64)] = Field(default_factory=list)
    """What the node can do."""
    capacity: NodeCapacity | None = None
    """What VMs may use; unset: undeclared."""
    clock: ClockFacts | None = None
    """The clock."""
    compatibility_class: Annotated[str, Field(max_length=63)] | None = None
    """Class derived from the facts."""
    compatibility_reasons: Annotated[list[Code], Field(max_length=16)] = Field(default_factory=list)
    """Why that class."""
    constraints: Annotated[list[Constraint], Field(max_length=32)] = Field(default_factory=list)
    """What stands against some workloads."""
    cpu: CPUFacts | None = None
    """The processor."""
    digest: Annotated[str, Field(max_length=80)] | None = None
    """Digest over the facts; the Lease repeats it."""
    disks: Annotated[list[FilesystemFact], Field(max_length=16)] = Field(default_factory=list)
    """Room under our paths."""
    health: Health | None = None
    """How the node is."""
    identity: Identity | None = None
    """Who the node is."""
    live_vms: Annotated[list[LiveVM], Field(max_length=MOST_LIVE_VMS)] = Field(default_factory=list)
    """VMs that run here; outside the digest."""
    memory: MemoryFacts | None = None
    """The memory."""
    networks: Annotated[list[NetworkFact], Field(max_length=64)] = Field(default_factory=list)
    """Bridges."""
    observed_time: Time | None = None
    """When these facts were last put together."""
    orphan_orders: Annotated[list[OrphanOrder], Field(max_length=64)] = Field(default_factory=list)
    """What became of the orders in ``spec.orphanActions``; outside the digest."""
    orphans: Annotated[list[Orphan], Field(max_length=MOST_ORPHANS)] = Field(default_factory=list)
    """What no placement accounts for, the most urgent first; outside the digest."""
    orphans_truncated: Annotated[int, Field(ge=0)] | None = None
    """How many more there are; they are counted as reserved like those that are listed."""
    os: OSFacts | None = None
    """The operating system."""
    persistent_disks: Annotated[list[PersistentDiskFact], Field(max_length=256)] = Field(
        default_factory=list
    )
    """Persistent disks held here."""
    probes: Annotated[list[ProbeRun], Field(max_length=32)] = Field(default_factory=list)
    """Probes that did not succeed; outside the digest. `schedune doctor` tells of all."""
    why: Annotated[list[Line], Field(max_length=12)] = Field(default_factory=list)
    """The same for people."""

    @model_validator(mode="before")
    @classmethod
    def _tell_each_when(cls, content: Any) -> Any:
        """Give each capability the time of the whole, where it has none of its own."""
        if not isinstance(content, dict) or not content.get("observedTime"):
            return content
        told = content.get("capabilities")
        if not isinstance(told, list):
            return content
        when = {"observedTime": content["observedTime"]}
        filled = [{**when, **one} if isinstance(one, dict) else one for one in told]
        return {**content, "capabilities": filled}


class NodeTruth(ApiModel):
    """The truth about one node, named as its Node."""

    api_version: Literal["schedune.io/v1alpha1"] = "schedune.io/v1alpha1"
    kind: Literal["NodeTruth"] = "NodeTruth"
    metadata: Metadata
    spec: NodeTruthSpec = Field(default_factory=NodeTruthSpec)
    status: NodeTruthStatus = Field(default_factory=NodeTruthStatus)
