"""Two recordings compared: what each workload was answered then and now, and what did it."""

from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import Field

from schedune.api.base import ApiModel, Time
from schedune.api.scheduling_policy import SchedulingPolicy
from schedune.decision.causes import Cause
from schedune.decision.decide import decide
from schedune.decision.diff import NodeDiff, Side, diff_nodes
from schedune.explaining import form
from schedune.fleet.fleet import Fleet
from schedune_cli.inputs import Inputs
from schedune_cli.judging.judge import problem_form
from schedune_cli.problems import Problem
from schedune_cli.reading.objects import Key
from schedune_cli.reading.workloads import Given
from schedune_cli.recording.claims import claim_uid


class CauseThen(ApiModel):
    """One cause against a node at one of the two times."""

    code: str
    """Code of the table of reasons."""
    message: str
    """The sentence."""


class NodeThen(ApiModel):
    """A node at one of the two times."""

    verdict: Literal["Eligible", "Rejected", "Absent"]
    """What became of it; Absent: there was no such node."""
    causes: list[CauseThen] = Field(default_factory=list)
    """Every cause against it."""


class FactDiff(ApiModel):
    """A fact that is not what it was, without which the verdict would be another."""

    name: str
    """What it is about."""
    then: str
    """What it was."""
    now: str
    """What it is."""


class NodeDifference(ApiModel):
    """A node whose verdict is another than it was."""

    node_name: str
    """The node."""
    then: NodeThen
    """At the earlier time."""
    now: NodeThen
    """At the later time."""
    facts: list[FactDiff] = Field(default_factory=list)
    """What did it: put back alone, or in a smallest set, each changes the verdict."""


class Difference(ApiModel):
    """One workload at two times."""

    metadata: form.WorkloadName
    """Which workload."""
    presence: Literal["Both", "OnlyThen", "OnlyNow"]
    """In which of the two it is."""
    chosen_then: str = ""
    """Node that it would have gone to; empty: none."""
    chosen_now: str = ""
    """Node that it would go to; empty: none."""
    unchanged: int = 0
    """Nodes that are answered as they were."""
    nodes: list[NodeDifference] = Field(default_factory=list)
    """The others, by name."""


class DifferenceList(ApiModel):
    """Two recordings compared."""

    api_version: Literal["schedune.io/v1alpha1"] = "schedune.io/v1alpha1"
    kind: Literal["DifferenceList"] = "DifferenceList"
    then: Time
    """The earlier time."""
    now: Time
    """The later time."""
    items: list[Difference] = Field(default_factory=list)
    """Workloads, by namespace and name."""
    problems: list[form.InputProblem] = Field(default_factory=list)
    """What could not be judged."""


def compare(then: Inputs, now: Inputs, policy: SchedulingPolicy) -> DifferenceList:
    """Return what is answered otherwise, for every workload of either."""
    before = {one.key: one for one in then.workloads}
    after = {one.key: one for one in now.workloads}
    problems: set[Problem] = {*then.problems, *now.problems}
    return DifferenceList(
        then=then.now,
        now=now.now,
        items=[
            _difference(key, _seen(then, before.get(key)), _seen(now, after.get(key)), policy)
            for key in sorted({*before, *after})
        ],
        problems=[problem_form(one) for one in sorted(problems)],
    )


def _seen(inputs: Inputs, given: Given | None) -> Side | None:
    """Return the fleet as a workload finds it: its own VM is none that keeps it away."""
    if given is None:
        return None
    placement = inputs.world.placements.get(given.key)
    own = claim_uid(placement) if placement else None
    claims = [one for one in inputs.world.claims if one.placement_uid != own]
    return Side(inputs.world.records, claims, given.intent, inputs.now, inputs.world.quotas)


def _difference(
    key: Key, then: Side | None, now: Side | None, policy: SchedulingPolicy
) -> Difference:
    name = form.WorkloadName(name=key[1], namespace=key[0])
    chosen = {"chosen_then": _chosen(then, policy), "chosen_now": _chosen(now, policy)}
    if then is None or now is None:
        presence = "OnlyNow" if then is None else "OnlyThen"
        return Difference(metadata=name, presence=presence, **chosen)
    nodes = diff_nodes(then, now, policy)
    known = len({*then.records, *now.records})
    return Difference(
        metadata=name,
        presence="Both",
        unchanged=known - len(nodes),
        nodes=[_node(one) for one in nodes],
        **chosen,
    )


def _chosen(side: Side | None, policy: SchedulingPolicy) -> str:
    if side is None:
        return ""
    fleet = Fleet.of(side.records.values(), side.claims, side.quotas)
    decision = decide(fleet, side.intent, now=side.time, policy=policy)
    return "" if decision.chosen is None else decision.node(decision.chosen).name


def _node(one: NodeDiff) -> NodeDifference:
    return NodeDifference(
        node_name=one.node_name,
        then=_then(one.then),
        now=_then(one.now),
        facts=[FactDiff(name=fact.name, then=fact.then, now=fact.now) for fact in one.facts],
    )


def _then(causes: Sequence[Cause] | None) -> NodeThen:
    if causes is None:
        return NodeThen(verdict="Absent")
    return NodeThen(verdict="Rejected" if causes else "Eligible", causes=[*_causes(causes)])


def _causes(causes: Iterable[Cause]) -> Iterable[CauseThen]:
    for cause in causes:
        yield CauseThen(code=cause.reason.row.code, message=cause.reason.message)
