"""Where a VM may run."""

from typing import Annotated, Literal

from pydantic import Field

from schedune.api.base import ApiModel, Code


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
