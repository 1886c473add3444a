"""``status.evaluation``: a decision folded until it fits into an object."""

from typing import Annotated, Literal

from pydantic import Field

from schedune.api.base import Code, Message, NodeName, StatusModel, Time

Count = Annotated[int, Field(ge=0)]


class CodeCount(StatusModel):
    """On how many nodes one cause stands in the way."""

    code: Code
    """The cause."""
    count: Count
    """Nodes that it rejects; a node counts under each of its causes."""
    message: Message
    """The cause on the first sample node, with observed and required value."""
    reason: Annotated[str, Field(max_length=64)]
    """The cause as Events and conditions name it."""
    remedy: Message | None = None
    """What a person can do."""
    sample_nodes: Annotated[list[NodeName], Field(max_length=3)] = Field(default_factory=list)
    """Examples, by name."""


class Signature(StatusModel):
    """A set of causes that some nodes share."""

    codes: Annotated[list[Code], Field(max_length=32)]
    """The causes, sorted."""
    count: Count
    """Nodes rejected by exactly these; the counts add up to all rejected nodes."""
    sample_nodes: Annotated[list[NodeName], Field(max_length=3)] = Field(default_factory=list)
    """Examples, by name."""


class Objection(StatusModel):
    """One cause against one node, with the value that would pass."""

    code: Code
    """The cause."""
    actor: Literal["User", "Administrator"]
    """Who can do something about it."""
    message: Message
    """The sentence."""
    observed: Annotated[str, Field(max_length=256)]
    """What the node has."""
    required: Annotated[str, Field(max_length=256)]
    """What is needed."""
    change: Message = ""
    """What would have to change on this node, with the exact bound where it is a number."""
    consequences: Annotated[list[Code], Field(max_length=16)] = Field(default_factory=list)
    """Further objections that follow from this cause alone."""


class NearMiss(StatusModel):
    """A rejected node and everything that would have to change."""

    node_name: NodeName
    """The node."""
    message: Message
    """What would have to change, in one sentence."""
    objections: Annotated[list[Objection], Field(max_length=16)]
    """All causes on this node."""


class ScorePart(StatusModel):
    """One part of a score."""

    name: Annotated[str, Field(max_length=63)]
    """Which score."""
    score: Annotated[int, Field(ge=0, le=100)]
    """0 to 100."""
    weight: Annotated[int, Field(ge=0, le=100)]
    """By how much it counts."""


class Candidate(StatusModel):
    """An eligible node."""

    node_name: NodeName
    """The node."""
    backend: Annotated[str, Field(max_length=63)]
    """The backend that would run the VM there."""
    parts: Annotated[list[ScorePart], Field(max_length=16)] = Field(default_factory=list)
    """Of what the score is made."""
    score: Annotated[int, Field(ge=0, le=100)]
    """Weighted mean of the parts, 0 to 100."""


class Relaxation(StatusModel):
    """A smallest set of changes that makes a node eligible."""

    changes: Annotated[list[Message], Field(max_length=16)]
    """What would change, each with its bound."""
    actor: Literal["User", "Administrator"]
    """Whether the user can do it alone."""
    nodes: Count
    """How many nodes it would free."""
    sample_nodes: Annotated[list[NodeName], Field(max_length=3)] = Field(default_factory=list)
    """Examples, by name."""


class Core(StatusModel):
    """A smallest set of demands that together exclude every node."""

    demands: Annotated[list[Message], Field(max_length=16)]
    """The demands."""
    scope: Literal["Now", "EvenRepaired"] = "Now"
    """Whether repairs could end the contradiction, or only a change of the demands."""


class Repair(StatusModel):
    """A state of nodes which, put right, would free some of them."""

    change: Message
    """What would be put right."""
    nodes: Count
    """How many nodes it would free."""
    sample_nodes: Annotated[list[NodeName], Field(max_length=3)] = Field(default_factory=list)
    """Examples, by name."""


class Evaluation(StatusModel):
    """A decision: what was looked at, what came out, what would have to change."""

    candidates: Annotated[list[Candidate], Field(max_length=5)] = Field(default_factory=list)
    """Best eligible nodes."""
    codes: Annotated[list[CodeCount], Field(max_length=32)] = Field(default_factory=list)
    """Causes by how many nodes they reject."""
    cores: Annotated[list[Core], Field(max_length=8)] = Field(default_factory=list)
    """Demands that contradict each other."""
    nearest: Annotated[list[NearMiss], Field(max_length=5)] = Field(default_factory=list)
    """Rejected nodes with the fewest causes."""
    nodes_eligible: Count
    """How many nodes can run the VM."""
    nodes_evaluated: Count
    """How many nodes were looked at: all there are."""
    relaxations: Annotated[list[Relaxation], Field(max_length=8)] = Field(default_factory=list)
    """Smallest changes that free nodes."""
    repairs: Annotated[list[Repair], Field(max_length=3)] = Field(default_factory=list)
    """The single repairs that would free most nodes."""
    signatures: Annotated[list[Signature], Field(max_length=32)] = Field(default_factory=list)
    """Sets of causes."""
    time: Time
    """When the result last changed."""
    truncated: Annotated[list[Annotated[str, Field(max_length=63)]], Field(max_length=16)] = Field(
        default_factory=list
    )
    """Lists above that were cut."""
    truth_digest: Annotated[str, Field(max_length=80)]
    """Digest of all that was decided from; makes the decision replayable."""
