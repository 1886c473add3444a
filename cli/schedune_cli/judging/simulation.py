"""A recorded fleet changed in thought: what would move, what would strand, and why."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from pydantic import Field

from schedune.api.base import ApiModel, Time
from schedune.api.nodetruth import Scheduling
from schedune.api.scheduling_policy import SchedulingPolicy
from schedune.api.vmworkload import RunState
from schedune.decision.simulate import Fate, Mover, Outcome, settle
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import NodeRecord
from schedune_cli.reading.objects import Key
from schedune_cli.reading.workloads import Given, read_given
from schedune_cli.recording.claims import claim_uid
from schedune_cli.recording.world import World


class SimulatedFate(ApiModel):
    """What becomes of one workload."""

    name: str
    """Name."""
    namespace: str
    """Namespace."""
    outcome: Literal["Stays", "Moves", "Stranded", "Placed", "Waits", "Refused", "Unknown"]
    """In one word; Unknown: its VMWorkload was not recorded, or cannot be read."""
    before: str = ""
    """Node on which its VM is; empty: none."""
    after: str = ""
    """Node it would go to; empty: none."""
    otherwise: str = ""
    """For one that waits for a node: where it would go without the change."""
    backend: str = ""
    """Backend that would run it."""
    message: str
    """How many nodes could run it, and what stops the others."""
    nearest: str = ""
    """The nearest node, and what would have to change there."""
    changes: list[str] = Field(default_factory=list)
    """The smallest change that would free a node."""


class Simulation(ApiModel):
    """What a change would do."""

    api_version: Literal["schedune.io/v1alpha1"] = "schedune.io/v1alpha1"
    kind: Literal["Simulation"] = "Simulation"
    time: Time
    """For which moment it is told."""
    changes: list[str] = Field(default_factory=list)
    """What is changed in thought."""
    fates: list[SimulatedFate] = Field(default_factory=list)
    """Workloads that lose their node, are applied, or wait for one."""

    @property
    def is_harmless(self) -> bool:
        """Whether nothing strands, and what is applied finds a node."""
        bad = {"Stranded", "Refused", "Unknown"}
        return not any(
            one.outcome in bad or (one.outcome == "Waits" and one.otherwise != NOWHERE)
            for one in self.fates
        )


NOWHERE = "-"
"""In ``otherwise``: it waits without the change too."""


@dataclass(slots=True)
class Plan:
    """What is changed in thought."""

    cordon: Sequence[str] = ()
    drain: Sequence[str] = ()
    remove: Sequence[str] = ()
    added: dict[str, NodeRecord] = field(default_factory=dict)
    applied: list[Given] = field(default_factory=list)

    def describe(self, world: World) -> list[str]:
        """Say what is changed, in the order in which it is done."""
        told = [
            f"{'replace' if name in world.records else 'add'} node {name}"
            for name in sorted(self.added)
        ]
        told += [f"remove node {name}" for name in sorted(self.remove)]
        told += [f"cordon node {name}" for name in sorted(self.cordon)]
        told += [f"drain node {name}" for name in sorted(self.drain)]
        applied = sorted(one.key for one in self.applied)
        return [*told, *(f"apply {namespace}/{name}" for namespace, name in applied)]


def simulate(world: World, plan: Plan, *, now: datetime, policy: SchedulingPolicy) -> Simulation:
    """Return what would become of every workload that the change may concern."""
    homeless, unknown = _homeless(world, plan)
    applied = {one.key: one for one in plan.applied}
    refused = [_refused(one) for one in plan.applied if one.refusals]
    waiting = [one for one in _waiting(world) if one.key not in applied]
    movers = [*homeless, *_movers(world, plan.applied, {m.placement_uid for m in homeless})]
    fates = settle(
        _changed(world, plan), [*movers, *_movers(world, waiting)], now=now, policy=policy
    )
    without = settle(world.fleet(), _movers(world, waiting), now=now, policy=policy)
    otherwise = {(one.namespace, one.name): one.after or NOWHERE for one in without}
    told = [_told(one, otherwise.get((one.namespace, one.name), "")) for one in fates]
    ordered = sorted([*told, *refused, *unknown], key=lambda one: (one.namespace, one.name))
    return Simulation(time=now, changes=plan.describe(world), fates=ordered)


def _changed(world: World, plan: Plan) -> Fleet:
    records = {**world.records, **plan.added}
    for name in plan.remove:
        records.pop(name, None)
    for name in plan.cordon:
        records[name] = replace(records[name], unschedulable=True)
    for name in plan.drain:
        records[name] = _draining(records[name])
    return Fleet.of(records.values(), world.claims, world.quotas)


def _draining(record: NodeRecord) -> NodeRecord:
    if record.truth is None:
        return replace(record, unschedulable=True)
    spec = record.truth.spec.model_copy(update={"scheduling": Scheduling.DRAINING})
    return replace(record, truth=record.truth.model_copy(update={"spec": spec}))


def _homeless(world: World, plan: Plan) -> tuple[list[Mover], list[SimulatedFate]]:
    """Return what has to leave its node; a VM whose VMWorkload is not known cannot be judged."""
    applied = {one.key: one for one in plan.applied}
    movers, unknown = [], []
    for key, placement in sorted(world.placements.items()):
        node = placement.spec.node_name
        if node not in (*plan.drain, *plan.remove):
            continue
        given = applied.get(key) or _recorded(world, key)
        if given is None:
            told = "its VMWorkload was not recorded, or cannot be read"
            unknown.append(
                SimulatedFate(
                    namespace=key[0], name=key[1], outcome="Unknown", before=node, message=told
                )
            )
        else:
            movers.append(Mover(given.intent, node, claim_uid(placement)))
    return movers, unknown


def _recorded(world: World, key: Key) -> Given | None:
    item = world.workloads.get(key)
    held = world.held(key)
    found = read_given(item, key[0], held.status, held.uid) if item else None
    return found if isinstance(found, Given) else None


def _waiting(world: World) -> list[Given]:
    """Return the recorded workloads that want a node and have none."""
    keys = [key for key in sorted(world.workloads) if key not in world.placements]
    found = [_recorded(world, key) for key in keys]
    wanted = [one for one in found if one is not None and not one.refusals]
    return [one for one in wanted if one.workload.spec.run_state is RunState.RUNNING]


def _movers(world: World, workloads: Iterable[Given], but: Iterable[str] = ()) -> list[Mover]:
    """Return those that can be judged, with where they are; some are moved anyhow."""
    movers = []
    for given in workloads:
        placement = world.placements.get(given.key)
        uid = claim_uid(placement) if placement else ""
        if given.refusals or (uid and uid in but):
            continue
        movers.append(Mover(given.intent, placement.spec.node_name if placement else "", uid))
    return movers


def _refused(given: Given) -> SimulatedFate:
    namespace, name = given.key
    told = given.refusals[0].message
    return SimulatedFate(namespace=namespace, name=name, outcome="Refused", message=told)


def _told(fate: Fate, otherwise: str) -> SimulatedFate:
    outcome: Outcome = fate.outcome
    return SimulatedFate(
        namespace=fate.namespace,
        name=fate.name,
        outcome=outcome.value,
        before=fate.before,
        after=fate.after,
        otherwise=otherwise,
        backend=fate.backend,
        message=fate.message,
        nearest=fate.nearest,
        changes=list(fate.changes),
    )
