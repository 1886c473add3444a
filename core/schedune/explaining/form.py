"""What ``schedune explain`` says, as a document: the JSON and YAML forms, and their schema.

Whole where the status of a VMWorkload is bounded: every node, every objection.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from schedune.api.base import ApiModel, Time

Count = Annotated[int, Field(ge=0)]
Score = Annotated[int, Field(ge=0, le=100)]
Who = Literal["User", "Administrator"]


class Verdict(StrEnum):
    """What became of one workload."""

    ELIGIBLE = "Eligible"
    NO_ELIGIBLE_NODE = "NoEligibleNode"
    REFUSED = "Refused"
    TRUTH_TOO_OLD = "TruthTooOld"


class NodeAnswer(StrEnum):
    """What became of one workload on one node."""

    CHOSEN = "Chosen"
    ELIGIBLE = "Eligible"
    REJECTED = "Rejected"


class Position(ApiModel):
    """Where something stands in the input."""

    file: str
    """File as it was named; `stdin`, or the object of a cluster."""
    line: Count = 0
    """Line, from 1; 0 is the file as a whole."""


class InputProblem(ApiModel):
    """Something in the input that cannot be used; the rest was judged without it."""

    position: Position
    """Where."""
    code: str
    """Code of the table of reasons."""
    field: str = ""
    """Field as it was written; empty where it is about no field."""
    value: str = ""
    """What was given."""
    message: str
    """What is wrong."""
    remedy: str
    """What to do about it."""


class Refusal(ApiModel):
    """Why the operator would refuse a workload, whatever the nodes are."""

    code: str
    """Code of the table of reasons."""
    position: Position
    """Where the field stands."""
    field: str
    """The field."""
    message: str
    """The sentence."""
    remedy: str
    """What to do about it."""


class Consequence(ApiModel):
    """An objection that follows from a cause alone."""

    code: str
    """Code of the table of reasons."""
    message: str
    """The sentence."""


class Objection(ApiModel):
    """One cause against one node."""

    code: str
    """Code of the table of reasons."""
    actor: Who
    """Who can do something about it."""
    demand: str
    """The demand of the workload, or the state of the node, that it is about."""
    message: str
    """The sentence."""
    observed: str
    """What the node has."""
    required: str
    """What is needed."""
    change: str
    """What would have to change on this node, with the exact bound where it is a number."""
    remedy: str = ""
    """What a person can do."""
    consequences: list[Consequence] = Field(default_factory=list)
    """What follows from it alone."""


class ScorePart(ApiModel):
    """One part of a score."""

    name: str
    """Which score."""
    score: Score
    """0 to 100."""
    weight: Score
    """By how much it counts."""


class NodeVerdict(ApiModel):
    """One node."""

    node_name: str
    """The node."""
    verdict: NodeAnswer
    """What became of it."""
    backend: str = ""
    """The backend that would run the VM there; of a rejected node the one that came nearest."""
    score: Score | None = None
    """Weighted mean of the parts; of eligible nodes only."""
    parts: list[ScorePart] = Field(default_factory=list)
    """Of what the score is made."""
    objections: list[Objection] = Field(default_factory=list)
    """Every cause against it."""


class CodeCount(ApiModel):
    """On how many nodes one cause stands in the way."""

    code: str
    """Code of the table of reasons."""
    reason: str
    """The cause as Events and conditions name it."""
    count: Count
    """Nodes that it rejects; a node counts under each of its causes."""
    message: str
    """The cause on the first node, with observed and required value."""
    remedy: str = ""
    """What a person can do."""
    position: Position
    """Where the demand stands, or the workload where it is about no field."""
    sample_nodes: list[str] = Field(default_factory=list)
    """Examples, by name."""


class Relaxation(ApiModel):
    """A smallest set of changes that makes a node eligible."""

    changes: list[str]
    """What would change, each with its bound."""
    actor: Who
    """Whether the user can do it alone."""
    nodes: Count
    """How many nodes it would free."""
    sample_nodes: list[str] = Field(default_factory=list)
    """Examples, by name."""


class Core(ApiModel):
    """A smallest set of demands that together exclude every node."""

    demands: list[str]
    """The demands."""
    scope: Literal["Now", "EvenRepaired"]
    """Whether repairs could end the contradiction, or only a change of the demands."""


class Repair(ApiModel):
    """A state of nodes which, put right, would free some of them."""

    change: str
    """What would be put right."""
    nodes: Count
    """How many nodes it would free."""
    sample_nodes: list[str] = Field(default_factory=list)
    """Examples, by name."""


class WorkloadName(ApiModel):
    """What a workload is known by."""

    name: str
    """Name."""
    namespace: str
    """Namespace."""


class Explanation(ApiModel):
    """One workload, judged against every node."""

    api_version: Literal["schedune.io/v1alpha1"] = "schedune.io/v1alpha1"
    kind: Literal["Explanation"] = "Explanation"
    metadata: WorkloadName
    """Which workload."""
    position: Position
    """Where it stands."""
    verdict: Verdict
    """What became of it."""
    code: str
    """PLACED, or the cause that a reader is told first."""
    message: str
    """The same in a sentence."""
    placed_on: str = ""
    """Node on which a VM of it is now; it is judged as if it were placed anew."""
    chosen: str = ""
    """Node that it would go to."""
    nodes_evaluated: Count
    """How many nodes were looked at: all there are."""
    nodes_eligible: Count
    """How many of them can run the VM."""
    time: Time
    """For which moment it was judged."""
    truth_digest: str
    """Digest of all that was decided from; makes the decision replayable."""
    refusals: list[Refusal] = Field(default_factory=list)
    """Why the operator would refuse it, whatever the nodes are."""
    nodes: list[NodeVerdict] = Field(default_factory=list)
    """Every node: eligible ones best first, then rejected ones, those that come nearest first."""
    codes: list[CodeCount] = Field(default_factory=list)
    """Causes by how many nodes they reject."""
    relaxations: list[Relaxation] = Field(default_factory=list)
    """Where no node is eligible: the smallest changes that free nodes."""
    cores: list[Core] = Field(default_factory=list)
    """Where no node is eligible: demands that contradict each other."""
    repairs: list[Repair] = Field(default_factory=list)
    """Where no node is eligible: the single repairs that would free most nodes."""
    complete: Literal["Complete", "Capped"] = "Complete"
    """Whether the three lists above hold all there is."""


class ExplanationList(ApiModel):
    """Everything that one call was asked."""

    api_version: Literal["schedune.io/v1alpha1"] = "schedune.io/v1alpha1"
    kind: Literal["ExplanationList"] = "ExplanationList"
    items: list[Explanation] = Field(default_factory=list)
    """Workloads, by namespace and name."""
    problems: list[InputProblem] = Field(default_factory=list)
    """What could not be judged."""


class BackendAnswer(ApiModel):
    """What stands against one backend on one node, of its own."""

    backend: str
    """The backend."""
    verdict: Literal["CanLaunch", "CannotLaunch"]
    """Whether it could launch the VM there if nothing else stood against the node."""
    objections: list[Objection] = Field(default_factory=list)
    """Every cause against this backend there."""


class WhyNot(ApiModel):
    """One workload on one node: everything that stands against it."""

    api_version: Literal["schedune.io/v1alpha1"] = "schedune.io/v1alpha1"
    kind: Literal["WhyNot"] = "WhyNot"
    metadata: WorkloadName
    """Which workload."""
    position: Position
    """Where it stands."""
    node_name: str
    """Which node."""
    verdict: NodeAnswer
    """What became of it."""
    chosen: str = ""
    """Node that the workload would go to."""
    backend: str = ""
    """The backend that would run the VM here; empty where none can."""
    score: Score | None = None
    """Weighted mean of the parts; of an eligible node only."""
    time: Time
    """For which moment it was judged."""
    refusals: list[Refusal] = Field(default_factory=list)
    """Why the operator would refuse the workload, whatever the nodes are."""
    objections: list[Objection] = Field(default_factory=list)
    """Every cause against the node, whatever runs the VM."""
    backends: list[BackendAnswer] = Field(default_factory=list)
    """Every backend that the workload accepts, in its order."""
