"""What is told of one node, as a document: the page, the JSON and the YAML forms."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from schedune.api.base import ApiModel, Time
from schedune.api.choices import Acceleration, Backend
from schedune.api.nodetruth import NodeTruthSpec, NodeTruthStatus

Count = Annotated[int, Field(ge=0)]


class Seen(StrEnum):
    """From where the node was looked at."""

    THIS_MACHINE = "ThisMachine"
    CLUSTER = "Cluster"
    RECORDING = "Recording"


class Reach(StrEnum):
    """Whom a problem concerns; those that concern most come first."""

    EVERY_VM = "EveryVM"
    SOME_VMS = "SomeVMs"
    NOTICE = "Notice"


class Answer(StrEnum):
    """Whether a VM can be launched as asked."""

    CAN_LAUNCH = "CanLaunch"
    CANNOT_LAUNCH = "CannotLaunch"
    TOO_OLD = "TooOld"


class NodeProblem(ApiModel):
    """Something that is missing, broken or not known."""

    subject: str
    """The capability, backend, probe or state that it is about."""
    code: str
    """Code of the table of reasons."""
    reach: Reach
    """EveryVM: it stands against every launch as asked; SomeVMs: against some, or facts are not
    known; Notice: against none but of workloads that ask for exactly this."""
    state: str = ""
    """State of the capability, or outcome of the probe."""
    message: str
    """What was seen."""
    source: str = ""
    """Where it was seen."""
    method: str = ""
    """How."""
    remedy: str = ""
    """What a person can do."""


class LaunchObjection(ApiModel):
    """One cause against launching with a backend."""

    code: str
    """Code of the table of reasons."""
    message: str
    """The sentence."""


class LaunchAnswer(ApiModel):
    """One backend with one acceleration."""

    backend: Backend
    """The backend."""
    version: str = ""
    """Version of the binary here; empty: there is none, or it did not tell."""
    acceleration: Acceleration
    """KVM or Emulated."""
    answer: Literal["Can", "Cannot"]
    """Whether the smallest VM could be launched, were its files here."""
    policy: Literal["Used", "NotUsed"]
    """Whether the scheduling policy uses this backend at all."""
    objections: list[LaunchObjection] = Field(default_factory=list)
    """Every cause against it."""


class LaunchVerdict(ApiModel):
    """Whether a VM can be launched as asked."""

    answer: Answer
    """The answer; TooOld: only the age of the facts stands against it."""
    acceleration: Acceleration
    """What was asked for."""
    backends: list[Backend] = Field(default_factory=list)
    """Backends that can, of those that were asked for."""
    message: str
    """The same for people."""


class NodeState(ApiModel):
    """What Kubernetes says of the Node."""

    ready: Literal["True", "False", "Unknown"]
    """Its condition Ready."""
    scheduling: Literal["Open", "Cordoned"]
    """Whether the Node takes new pods."""
    taints: list[str] = Field(default_factory=list)
    """Its taints."""


class Heartbeat(ApiModel):
    """Who vouches for the facts, and since when."""

    state: Literal["Fresh", "Stale", "Unknown"]
    """Whether the last proof is within the Lease."""
    proof_age_seconds: int | None = None
    """How long ago exactly these facts were proved; absent: nobody knows."""
    lease_age_seconds: int | None = None
    """How long ago the agent renewed its Lease, whatever facts that vouches for; absent: there is
    no Lease."""
    lease_duration_seconds: Count
    """How long a heartbeat counts."""
    digest: Literal["Vouched", "Other", "NoLease"]
    """Whether the Lease repeats the digest of these facts, another one, or there is none."""


class NodeExamination(ApiModel):
    """One node: what stands against it, what it can do, and every fact."""

    api_version: Literal["schedune.io/v1alpha1"] = "schedune.io/v1alpha1"
    kind: Literal["NodeExamination"] = "NodeExamination"
    node_name: str
    """The node."""
    seen: Seen
    """From where it was looked at."""
    time: Time
    """For which moment it is told."""
    verdict: LaunchVerdict
    """Whether a VM can be launched as asked."""
    compatibility_class: str = ""
    """Its class, an administrator's override included; empty: unknown."""
    problems: list[NodeProblem] = Field(default_factory=list)
    """Those that concern every VM first."""
    launches: list[LaunchAnswer] = Field(default_factory=list)
    """Every backend with every acceleration that it has."""
    heartbeat: Heartbeat | None = None
    """Of a node in a cluster or a recording."""
    node: NodeState | None = None
    """Of a node in a cluster or a recording."""
    spec: NodeTruthSpec = Field(default_factory=NodeTruthSpec)
    """What administrators say of it."""
    status: NodeTruthStatus = Field(default_factory=NodeTruthStatus)
    """Every fact."""
