"""Why a node's verdict is another than it was: found by replaying with facts put back.

A fact is told only if putting it back alone changes the verdict, or if those that do need
it to restore the former one.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np

from schedune.api.quantity import render_bytes
from schedune.api.scheduling_policy import DEFAULT_POLICY, SchedulingPolicy
from schedune.decision.causes import Cause, causes_of
from schedune.decision.decide import Decision, launchable_of, run_checks
from schedune.decision.matrix import Matrix
from schedune.decision.units import Moment, Unit, units_of
from schedune.eligibility import CHECKS
from schedune.eligibility.finding import Question
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import ClaimRecord, NodeRecord
from schedune.fleet.quota import Quota
from schedune.fleet.view import View
from schedune.launch.intent import Intent
from schedune.telling.page import counted

Verdict = frozenset[tuple[str, str]]
"""Code and atom of every cause; empty: the node is eligible."""


@dataclass(frozen=True, slots=True)
class Side:
    """A fleet at a time, and the workload as it was then."""

    records: Mapping[str, NodeRecord]
    claims: Sequence[ClaimRecord]
    intent: Intent
    time: datetime
    quotas: Mapping[str, Quota] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that is not what it was."""

    name: str
    then: str
    now: str


@dataclass(frozen=True, slots=True)
class NodeDiff:
    """One node whose verdict is another."""

    node_name: str
    then: tuple[Cause, ...] | None
    """None: there was no such node."""
    now: tuple[Cause, ...] | None
    facts: tuple[Fact, ...]


def diff_nodes(
    then: Side, now: Side, policy: SchedulingPolicy = DEFAULT_POLICY
) -> tuple[NodeDiff, ...]:
    """Return the nodes whose causes are others than they were, by name."""
    replay = _Replay(then, now, policy)
    found = (replay.compare(name) for name in sorted({*then.records, *now.records}))
    return tuple(one for one in found if one is not None)


@dataclass(frozen=True, slots=True)
class _World:
    """One node in a fleet, some of whose facts may be put back."""

    record: NodeRecord
    claims: tuple[ClaimRecord, ...]
    """Those on the node."""
    elsewhere: Side
    """Where all other nodes and claims come from."""
    intent: Intent
    quota: Quota | None
    """What limits the VMs of its namespace; None: nothing does."""


_PutBack = Callable[[_World], _World]


@dataclass(frozen=True, slots=True)
class _Step:
    """One fact, and how it is put back."""

    fact: Fact
    put_back: _PutBack


def _back(**parts: object) -> _PutBack:
    return lambda world: replace(world, **parts)  # type: ignore[arg-type]


def _record_back(unit: Unit) -> _PutBack:
    return lambda world: replace(world, record=unit.put_back(world.record))


class _Replay:
    """Asks again and again what the verdict would be."""

    def __init__(self, then: Side, now: Side, policy: SchedulingPolicy) -> None:
        self._then, self._now, self._policy = then, now, policy
        self._fleets: dict[int, Fleet] = {}

    def compare(self, name: str) -> NodeDiff | None:
        """Return how a node's verdict differs, and why; None: it does not."""
        before, after = self._causes_at(self._then, name), self._causes_at(self._now, name)
        if before is None or after is None:
            fact = Fact("node", _there(before), _there(after))
            return NodeDiff(name, before, after, (fact,))
        if _verdict(before) == _verdict(after):
            return None
        return NodeDiff(name, before, after, self._facts(name, _verdict(before), _verdict(after)))

    def _causes_at(self, side: Side, name: str) -> tuple[Cause, ...] | None:
        record = side.records.get(name)
        if record is None:
            return None
        return self._causes(_world_of(side, record), side.time)

    def _facts(self, name: str, then: Verdict, now: Verdict) -> tuple[Fact, ...]:
        world = _world_of(self._now, self._now.records[name])
        steps = self._steps(name)
        alone = [one for one in steps if self._verdict_of(one.put_back(world)) != now]
        others = [one for one in steps if one not in alone]
        told = [*alone, *self._needed(world, alone, others, then)]
        return tuple(one.fact for one in told)

    def _needed(
        self, world: _World, told: Sequence[_Step], others: Sequence[_Step], wanted: Verdict
    ) -> list[_Step]:
        """Return a smallest set of others that restores the former verdict with those told."""
        if self._verdict_of(_all_back(world, told)) == wanted:
            return []
        before, kept = None, list(others)
        while kept != before:  # what was needed beside another may be needed no more without it
            before = kept
            for one in before:
                fewer = [step for step in kept if step is not one]
                if self._verdict_of(_all_back(world, [*told, *fewer])) == wanted:
                    kept = fewer
        return kept

    def _steps(self, name: str) -> list[_Step]:
        then, now = self._then, self._now
        moments = Moment(then.records[name], then.time), Moment(now.records[name], now.time)
        steps = [
            _Step(Fact(one.name, one.then, one.now), _record_back(one))
            for one in units_of(*moments)
        ]
        before, after = _on(then.claims, name), _on(now.claims, name)
        if before != after:
            fact = Fact("placements on the node", *_say_change(before, after))
            steps.append(_Step(fact, _back(claims=before)))
        if _quota_of(then) != _quota_of(now):
            told = _say_quota(_quota_of(then)), _say_quota(_quota_of(now))
            fact = Fact(f"quota of namespace {now.intent.namespace}", *told)
            steps.append(_Step(fact, _back(quota=_quota_of(then))))
        shift = now.time - then.time
        intent = _shifted(then.intent, shift)
        if _asked(intent) != _asked(now.intent):
            fact = Fact("the workload itself", "as it was", "changed")
            steps.append(_Step(fact, _back(intent=intent)))
        fact = Fact("other nodes and placements", "as they were", "changed")
        return [*steps, _Step(fact, _back(elsewhere=then))]

    def _verdict_of(self, world: _World) -> Verdict:
        return _verdict(self._causes(world, self._now.time))

    def _causes(self, world: _World, time: datetime) -> tuple[Cause, ...]:
        """Judge one row of a fleet whose other rows are some side's."""
        name, side = world.record.name, world.elsewhere
        fleet = self._fleets.get(id(side))
        if fleet is None:
            fleet = self._fleets[id(side)] = Fleet.of(
                side.records.values(), side.claims, side.quotas
            )
        fleet.quotas = _limits(world)
        own, held = side.records.get(name), _on(side.claims, name)
        _put(fleet, world.record, held, world.claims)
        try:
            return _judge(fleet, name, world.intent, time, self._policy)
        finally:
            if own is None:
                fleet.remove(name)
            else:
                _put(fleet, own, world.claims, held)


def _world_of(side: Side, record: NodeRecord) -> _World:
    return _World(record, _on(side.claims, record.name), side, side.intent, _quota_of(side))


def _quota_of(side: Side) -> Quota | None:
    return side.quotas.get(side.intent.namespace)


def _limits(world: _World) -> dict[str, Quota]:
    """Return the quotas of all namespaces: of this one that which may be put back."""
    others = dict(world.elsewhere.quotas)
    others.pop(world.intent.namespace, None)
    return others if world.quota is None else {**others, world.intent.namespace: world.quota}


def _put(
    fleet: Fleet, record: NodeRecord, old: Iterable[ClaimRecord], new: Iterable[ClaimRecord]
) -> None:
    fleet.update(record)
    for claim in old:
        fleet.release(claim.placement_uid)
    for claim in new:
        fleet.reserve(claim)


def _judge(
    fleet: Fleet, name: str, intent: Intent, time: datetime, policy: SchedulingPolicy
) -> tuple[Cause, ...]:
    row = np.array([fleet.row[name]], np.intp)
    question = Question(View(fleet, row), intent, policy, time)
    findings = run_checks(question, CHECKS)
    decision = Decision(question, findings, launchable_of(question, findings), (), fleet.version)
    return () if decision.eligible[0] else causes_of(Matrix(decision), 0)


def _verdict(causes: tuple[Cause, ...]) -> Verdict:
    return frozenset((cause.reason.row.code, cause.atom) for cause in causes)


def _all_back(world: _World, steps: Iterable[_Step]) -> _World:
    for step in steps:
        world = step.put_back(world)
    return world


def _asked(intent: Intent) -> tuple[object, ...]:
    return intent.demands, intent.labels, intent.history, intent.homes


def _on(claims: Sequence[ClaimRecord], name: str) -> tuple[ClaimRecord, ...]:
    held = [one for one in claims if one.node_name == name]
    return tuple(sorted(held, key=lambda one: one.placement_uid))


def _say_change(before: Sequence[ClaimRecord], after: Sequence[ClaimRecord]) -> tuple[str, str]:
    """Say how much was held and is held, or else whose claims are others, or else in what."""
    told = _say_claims(before), _say_claims(after)
    gone = [one for one in before if one not in after]
    come = [one for one in after if one not in before]
    for say in (_say_owner, _say_rest, _say_placement):
        if told[0] == told[1]:
            told = ", ".join(map(say, gone)) or "none", ", ".join(map(say, come)) or "none"
    return told


def _say_claims(claims: Sequence[ClaimRecord]) -> str:
    vcpus, memory = sum(one.vcpus for one in claims), sum(one.memory_bytes for one in claims)
    held = f"{counted(vcpus, 'vCPU')} and {memory // 2**20}Mi"
    return f"{counted(len(claims), 'VM')} with {held}" if claims else "none"


def _say_owner(claim: ClaimRecord) -> str:
    return f"{claim.namespace}/{claim.workload}"


def _say_rest(claim: ClaimRecord) -> str:
    """Say what a claim is beside vCPUs and memory."""
    rules = claim.peer.keeps_away
    away = [
        f"{one.topology_key} {_say_labels(one.workload_selector.match_labels)}" for one in rules
    ]
    rest = {
        "disk": render_bytes(claim.disk_bytes),
        "hugepages": render_bytes(claim.hugepage_bytes),
        "disks": ", ".join(sorted(claim.persistent_disks)),
        "ports": ", ".join(sorted(claim.node_ports)),
        "labels": _say_labels(claim.peer.labels),
        "antiAffinity": ", ".join(away),
    }
    told = "; ".join(f"{name} {value or 'none'}" for name, value in rest.items())
    return f"{_say_owner(claim)} ({told})"


def _say_labels(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(labels.items()))


def _say_placement(claim: ClaimRecord) -> str:
    return f"{_say_owner(claim)} (placement {claim.placement_uid})"


def _say_quota(quota: Quota | None) -> str:
    """Say what limits a namespace, and what of that cannot be read."""
    if quota is None:
        return "none"
    told = [] if quota.vcpus is None else [counted(quota.vcpus, "vCPU")]
    told += [] if quota.memory_bytes is None else [render_bytes(quota.memory_bytes)]
    told += [f"unreadable {quota.unreadable}"] if quota.unreadable else []
    return ", ".join(told)


def _shifted(intent: Intent, shift: timedelta) -> Intent:
    """Keep how long ago attempts failed, not when."""
    history = tuple(
        one.model_copy(update={"end_time": one.end_time + shift}) if one.end_time else one
        for one in intent.history
    )
    return replace(intent, history=history)


def _there(causes: tuple[Cause, ...] | None) -> str:
    return "absent" if causes is None else "present"
