"""A recorded fleet changed in thought: what would move, what would strand, and why."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from pydantic import Field

from schedune.api.base import ApiModel, Time
from schedune.api.nodetruth import Scheduling
from schedune.api.scheduling_policy import SchedulingPolicy
from schedune.decision.simulate import Fate, Mover, Outcome, settle
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import NodeRecord
from schedune_cli.problems import Problem
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
    outcome: Literal[
        "Stays", "Moves", "Stranded", "Placed", "Waits", "Ends", "Rests", "Refused", "Unknown"
    ]
    """In one word. Ends, Rests: it needs no node, and its VM is ended, or there is none.
    Refused: nothing is done about it until its spec is corrected. Unknown: it was not recorded,
    or its placement cannot be read."""
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


@dataclass(slots=True)
class _Concerned:
    """What a change concerns: what needs a node, and what is told without looking for one."""

    movers: list[Mover] = field(default_factory=list)
    told: list[SimulatedFate] = field(default_factory=list)


def simulate(world: World, plan: Plan, *, now: datetime, policy: SchedulingPolicy) -> Simulation:
    """Return what would become of every workload that the change may concern."""
    concerned = _concerned(world, plan)
    applied = {one.key for one in plan.applied}
    waiting = [_mover(world, one) for one in _waiting(world) if one.key not in applied]
    ends = {(one.namespace, one.name) for one in concerned.told if one.outcome == "Ends"}
    changed = _changed(world, plan, ends)
    fates = settle(changed, [*concerned.movers, *waiting], now=now, policy=policy)
    without = settle(world.fleet(), waiting, now=now, policy=policy)
    otherwise = {(one.namespace, one.name): one.after or NOWHERE for one in without}
    told = [_told(one, otherwise.get((one.namespace, one.name), "")) for one in fates]
    ordered = sorted([*told, *concerned.told], key=lambda one: (one.namespace, one.name))
    return Simulation(time=now, changes=plan.describe(world), fates=ordered)


def _changed(world: World, plan: Plan, ends: Collection[Key]) -> Fleet:
    """Return the fleet as it would be, without what those hold whose VM is ended."""
    records = {**world.records, **plan.added}
    for name in plan.remove:
        records.pop(name, None)
    for name in plan.cordon:
        records[name] = replace(records[name], unschedulable=True)
    for name in plan.drain:
        records[name] = _draining(records[name])
    claims = [one for one in world.claims if (one.namespace, one.workload) not in ends]
    return Fleet.of(records.values(), claims, world.quotas)


def _draining(record: NodeRecord) -> NodeRecord:
    if record.truth is None:
        return replace(record, unschedulable=True)
    spec = record.truth.spec.model_copy(update={"scheduling": Scheduling.DRAINING})
    return replace(record, truth=record.truth.model_copy(update={"spec": spec}))


def _concerned(world: World, plan: Plan) -> _Concerned:
    """Return what has to leave its node, and what is applied."""
    found, applied = _Concerned(), {one.key: one for one in plan.applied}
    for key in sorted({*_homeless(world, {*plan.drain, *plan.remove}), *applied}):
        given = applied.get(key) or _recorded(world, key)
        fate = _known_fate(world, plan, key, given)
        if fate is not None:
            found.told.append(fate)
        elif isinstance(given, Given):
            found.movers.append(_mover(world, given))
    return found


def _homeless(world: World, closed: Collection[str]) -> set[Key]:
    """Return those whose VM is, or may be, on a node that all have to leave."""
    known = {key for key, one in world.placements.items() if one.spec.node_name in closed}
    where = (*closed, "") if closed else ()
    return known | {key for key, node in world.unread_placements.items() if node in where}


def _known_fate(
    world: World, plan: Plan, key: Key, given: Given | list[Problem] | None
) -> SimulatedFate | None:
    """Tell what becomes of what no node is looked for; None: it wants one."""
    placement = world.placements.get(key)
    node = placement.spec.node_name if placement else world.unread_placements.get(key, "")
    fate = SimulatedFate(
        namespace=key[0], name=key[1], outcome="Unknown", before=node, message=_unknown(world, key)
    )
    if given is None or key in world.unread_placements:
        return fate
    needless = world.why_no_node(given) if isinstance(given, Given) else world.why_ended(key)
    if needless and placement:  # also of a refused one: its orders to the VM are carried out
        return fate.model_copy(update={"outcome": "Ends", "message": needless})
    refusal = _refusal(given)
    if refusal:
        told = f"{refusal}{_left_to(node, plan)}"
        return fate.model_copy(update={"outcome": "Refused", "message": told})
    return fate.model_copy(update={"outcome": "Rests", "message": needless}) if needless else None


def _refusal(given: Given | list[Problem]) -> str:
    """Say what the operator refuses of a spec, as an operator of this version does; "": nothing."""
    if isinstance(given, list):
        return given[0].said
    return given.refusals[0].message if given.refusals else ""


def _left_to(node: str, plan: Plan) -> str:
    """Say what becomes of the VM of a refused spec: it stays, if there is where."""
    if node in plan.remove:
        return f"; its VM is lost with {node}, and placed nowhere until the spec is corrected"
    return f"; its VM stays on {node} as it was placed" if node else ""


def _unknown(world: World, key: Key) -> str:
    if key not in world.unread_placements:
        return "its VMWorkload was not recorded"
    where = "" if world.unread_placements[key] else ", nor on which node it is"
    return f"its VMPlacement cannot be read{where}"


def _recorded(world: World, key: Key) -> Given | list[Problem] | None:
    """Return a recorded workload, or what is refused of it; None: it was not recorded."""
    item = world.workloads.get(key)
    if item is None:
        return None
    held = world.held(key)
    return read_given(item, key[0], held.status, held.uid, held.namespace_uid)


def _waiting(world: World) -> list[Given]:
    """Return the recorded workloads that want a node and have none."""
    found = [_recorded(world, key) for key in sorted(world.workloads)]
    return [one for one in found if isinstance(one, Given) and world.waits(one)]


def _mover(world: World, given: Given) -> Mover:
    """Return one that wants a node, with where it is."""
    placement = world.placements.get(given.key)
    if placement is None:
        return Mover(given.intent)
    return Mover(given.intent, placement.spec.node_name, claim_uid(placement))


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
