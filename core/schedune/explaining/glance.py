"""The fleet at a glance: what each node is, what is left of it, and which repair helps most."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from schedune.api.base import ApiModel, Time
from schedune.api.nodetruth import HealthState
from schedune.api.quantity import render_exact
from schedune.api.scheduling_policy import SchedulingPolicy
from schedune.decision.unblocking import Unblocking
from schedune.eligibility.demand import free_memory, free_vcpus
from schedune.fleet.fleet import UNDECLARED, Fleet
from schedune.fleet.profile import NEVER, Facts, NodeProfile, microseconds
from schedune.fleet.view import View
from schedune.launch.capabilities import KVM, YES, answer_of

Count = Annotated[int, Field(ge=0)]
_SECOND = 1_000_000
_SOUND = (HealthState.HEALTHY.value, HealthState.WARNING.value)


class NodeGlance(ApiModel):
    """One node."""

    node_name: str
    """The node."""
    architecture: str
    """amd64, arm64, another, or Unknown."""
    kvm: str
    """Yes, or the way of no: Unsupported, Unavailable, Denied, Unknown."""
    compatibility_class: str
    """Its class, or Unknown."""
    proof_age_seconds: int | None = None
    """How long ago its facts were proved; absent: nobody knows."""
    freshness: Literal["Fresh", "Stale", "Unknown"]
    """Whether that is within the Lease."""
    vcpus: Count | None = None
    """vCPUs that VMs may use, by the policy; absent: undeclared."""
    vcpus_free: Count | None = None
    """How many are left."""
    memory: str = ""
    """Memory that VMs may use; empty: undeclared."""
    memory_free: str = ""
    """How much is left."""
    vms: Count
    """VMs that claim something here."""
    backends: list[str] = Field(default_factory=list)
    """VMMs with their versions."""
    state: list[str]
    """Ready, or everything that keeps new VMs away."""


class RepairGlance(ApiModel):
    """One repair, and what it would give."""

    demand: str
    """The state of nodes that it is about."""
    change: str
    """What would be put right, in the words of the first node."""
    workloads: list[str] = Field(default_factory=list)
    """Workloads that have no node now and would have one."""
    pairs: Count
    """How many pairs of workload and node would become eligible."""
    nodes: list[str] = Field(default_factory=list)
    """Nodes that it would free for any of them."""


class FleetGlance(ApiModel):
    """All nodes."""

    api_version: Literal["schedune.io/v1alpha1"] = "schedune.io/v1alpha1"
    kind: Literal["FleetGlance"] = "FleetGlance"
    time: Time
    """For which moment it is told."""
    nodes: list[NodeGlance] = Field(default_factory=list)
    """By name."""
    workloads: Count
    """Workloads over which repairs are counted."""
    repairs: list[RepairGlance] = Field(default_factory=list)
    """Those that give most workloads a node first."""


def glance(
    fleet: Fleet,
    repairs: Iterable[Unblocking],
    workloads: int,
    *,
    now: datetime,
    policy: SchedulingPolicy,
) -> FleetGlance:
    """Return the fleet in the form in which it is told."""
    return FleetGlance(
        time=now,
        nodes=[*node_glances(fleet, range(len(fleet)), now=now, policy=policy)],
        workloads=workloads,
        repairs=[
            RepairGlance(
                demand=one.atom,
                change=one.change,
                workloads=list(one.workloads),
                pairs=one.pairs,
                nodes=list(one.nodes),
            )
            for one in repairs
        ],
    )


def node_glances(
    fleet: Fleet, rows: Sequence[int], *, now: datetime, policy: SchedulingPolicy
) -> Iterator[NodeGlance]:
    """Give these rows of the fleet in the form in which they are told."""
    view = View(fleet)
    vcpus_free, memory_free = free_vcpus(view, policy), free_memory(view)
    for row in rows:
        node = fleet.nodes[row]
        facts = node.facts or Facts()
        offered = int(fleet.numbers["vcpus"][row])
        is_declared = offered != UNDECLARED
        age = (
            None
            if node.last_proof == NEVER
            else -(-(microseconds(now) - node.last_proof) // _SECOND)
        )
        kvm = facts.capabilities.get(KVM)
        answer = answer_of((kvm.state, kvm.reason_code) if kvm else None)
        yield NodeGlance(
            node_name=node.name,
            architecture=facts.architecture or "Unknown",
            kvm="Yes" if answer == YES else answer,
            compatibility_class=facts.node_class or "Unknown",
            proof_age_seconds=age,
            freshness=_freshness(age, node.lease_seconds),
            vcpus=offered * policy.vcpu_overcommit_percent // 100 if is_declared else None,
            vcpus_free=int(vcpus_free[row]) if is_declared else None,
            memory=render_exact(int(fleet.numbers["memory"][row])) if is_declared else "",
            memory_free=render_exact(int(memory_free[row])) if is_declared else "",
            vms=int(fleet.claims.sums["vms"][row]),
            backends=[f"{one.name.value} {one.version or '?'}" for one in facts.backends],
            state=[*_state(node)] or ["Ready"],
        )


def _freshness(age: int | None, limit: int) -> Literal["Fresh", "Stale", "Unknown"]:
    if age is None:
        return "Unknown"
    return "Fresh" if age <= limit else "Stale"


def _state(node: NodeProfile) -> Iterator[str]:
    if node.facts is None:
        yield "NoFacts"
    if node.node_ready is not True:
        yield "NotReady" if node.node_ready is False else "ReadyUnknown"
    if node.unschedulable:
        yield "Cordoned"
    if node.scheduling != "Enabled":
        yield f"VMs{node.scheduling}"
    if node.facts is not None and node.facts.health not in _SOUND:
        yield f"Health{node.facts.health}"
