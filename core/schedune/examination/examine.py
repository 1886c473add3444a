"""Look at one node whole: what stands against it, what it can launch, and every fact."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from schedune.api.choices import Acceleration, Backend
from schedune.api.nodetruth import NodeTruth, NodeTruthSpec, NodeTruthStatus
from schedune.api.scheduling_policy import DEFAULT_POLICY, SchedulingPolicy
from schedune.codes import eligibility as codes
from schedune.codes.row import Actor
from schedune.decision.causes import Cause
from schedune.examination.form import (
    Answer,
    Heartbeat,
    LaunchAnswer,
    LaunchObjection,
    LaunchVerdict,
    NodeExamination,
    NodeState,
    Reach,
    Seen,
)
from schedune.examination.problems import problems_of
from schedune.examination.question import Stands, ask
from schedune.fleet.node import ClaimRecord, NodeRecord
from schedune.launch.traits import TRAITS

_OF_AGE: Final = (codes.TELEMETRY_STALE, codes.CLOCK_SKEW)
_SAID_ELSEWHERE: Final = (codes.CAPACITY_UNDECLARED,)
"""What a machine alone cannot know: an administrator says it in the cluster."""

_Unasked = tuple[tuple[Cause, Reach], ...]
_Held = tuple[Stands, _Unasked]
"""What stands against a launch, and what is told without being held against the node."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """How VMs are to be launched."""

    acceleration: Acceleration = Acceleration.KVM
    backends: tuple[Backend, ...] = ()
    """One of these; empty: one of those that the policy uses."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A node, from where it is looked at, and when."""

    record: NodeRecord
    seen: Seen
    time: datetime
    claims: Sequence[ClaimRecord] = ()
    """What placements hold of it."""
    lease_renewed: datetime | None = None
    """When its agent last renewed the Lease; None: there is none."""
    lease_digest: str = ""
    """The digest that the Lease vouches for."""


def examine(
    sighting: Sighting, wanted: Wanted, policy: SchedulingPolicy = DEFAULT_POLICY
) -> NodeExamination:
    """Return everything that can be told of one node."""
    record, truth = sighting.record, sighting.record.truth
    asked = wanted.backends or tuple(policy.backends)
    answers = {one: _held_against(sighting, one, policy) for one in Acceleration}
    stands, unasked = answers[wanted.acceleration]
    status = truth.status if truth else NodeTruthStatus()
    here = sighting.seen is Seen.THIS_MACHINE
    return NodeExamination(
        node_name=record.name,
        seen=sighting.seen,
        time=sighting.time,
        verdict=_verdict({one: held for one, (held, _) in answers.items()}, wanted, asked),
        compatibility_class=_class_of(truth),
        problems=problems_of(status, stands, asked, unasked),
        launches=[*_launches(status, answers, policy)],
        heartbeat=None if here else _heartbeat(sighting),
        node=None if here else _state(record),
        spec=truth.spec if truth else NodeTruthSpec(),
        status=status,
    )


def _held_against(
    sighting: Sighting, acceleration: Acceleration, policy: SchedulingPolicy
) -> _Held:
    """Tell what is wrong with the node from what a workload could do something about."""
    found = ask(sighting.record, sighting.claims, acceleration, now=sighting.time, policy=policy)
    unasked = {one: _excused(one, sighting.seen) for one in found.common}
    kept = tuple(one for one, reach in unasked.items() if reach is None)
    told = tuple((one, reach) for one, reach in unasked.items() if reach is not None)
    return Stands(kept, found.backends), told


def _excused(cause: Cause, seen: Seen) -> Reach | None:
    if seen is Seen.THIS_MACHINE and cause.reason.row in _SAID_ELSEWHERE:
        return Reach.NOTICE
    return Reach.SOME_VMS if cause.who is Actor.USER else None


# --- the answers -------------------------------------------------------------------------


def _launches(
    status: NodeTruthStatus,
    answers: Mapping[Acceleration, _Held],
    policy: SchedulingPolicy,
) -> Iterator[LaunchAnswer]:
    versions = {one.name: one.version or "" for one in status.backends}
    for backend in Backend:
        for acceleration, (stands, _) in answers.items():
            if acceleration is Acceleration.EMULATED and not TRAITS[backend].emulates:
                continue
            causes = (*stands.common, *stands.backends[backend])
            yield LaunchAnswer(
                backend=backend,
                version=versions.get(backend, ""),
                acceleration=acceleration,
                answer="Cannot" if causes else "Can",
                policy="Used" if backend in policy.backends else "NotUsed",
                objections=[
                    LaunchObjection(code=one.reason.row.code, message=one.reason.message)
                    for one in causes
                ],
            )


def _verdict(
    answers: Mapping[Acceleration, Stands], wanted: Wanted, asked: Sequence[Backend]
) -> LaunchVerdict:
    able = {one: _able(stands, asked) for one, stands in answers.items()}
    can = able[wanted.acceleration]
    stands = answers[wanted.acceleration]
    answer, message = Answer.CAN_LAUNCH, f"VMs can be launched {_by(wanted.acceleration, can)}"
    if not can:
        answer, message = _refusal(stands, wanted, asked)
        others = [one for one in able if able[one]]
        message += "".join(f"; {_EVEN_SO[one]} {_by(one, able[one])}" for one in others)
    return LaunchVerdict(
        answer=answer, acceleration=wanted.acceleration, backends=can, message=message
    )


_EVEN_SO: Final = {
    Acceleration.KVM: "they can be launched",
    Acceleration.EMULATED: "VMs that ask for acceleration Emulated, which is no isolation boundary,"
    " can be launched",
}
_HOW: Final = {Acceleration.KVM: "under KVM", Acceleration.EMULATED: "emulated"}


def _able(stands: Stands, asked: Sequence[Backend]) -> list[Backend]:
    return [] if stands.common else [one for one in asked if not stands.backends[one]]


def _by(acceleration: Acceleration, backends: Sequence[Backend]) -> str:
    return f"{_HOW[acceleration]} by {_listed(backends)}"


def _listed(backends: Sequence[Backend]) -> str:
    return ", ".join(TRAITS[one].label for one in backends)


def _refusal(stands: Stands, wanted: Wanted, asked: Sequence[Backend]) -> tuple[Answer, str]:
    """Say what stands in the way of all, else of each; age alone is no word about the node."""
    causes = stands.common or tuple(one for each in asked for one in stands.backends[each])
    aged = [one for one in causes if one.reason.row in _OF_AGE]
    told = "; ".join(one.reason.message for one in causes)
    if len(aged) == len(causes) and any(not stands.backends[one] for one in asked):
        return Answer.TOO_OLD, f"the facts are too old to answer: {told}"
    return (
        Answer.CANNOT_LAUNCH,
        f"no VM can be launched {_by(wanted.acceleration, asked)}: {told}",
    )


# --- the node in its cluster -------------------------------------------------------------


def _class_of(truth: NodeTruth | None) -> str:
    if truth is None:
        return ""
    override = truth.spec.compatibility_class
    return (override.name if override else truth.status.compatibility_class) or ""


def _heartbeat(sighting: Sighting) -> Heartbeat:
    record, now = sighting.record, sighting.time
    proof = _seconds(now, record.last_proof)
    state = "Unknown" if proof is None else "Fresh" if proof <= record.lease_seconds else "Stale"
    held = record.truth.status.digest if record.truth else None
    digest = "Other"
    if sighting.lease_renewed is None:
        digest = "NoLease"
    elif held and held == sighting.lease_digest:
        digest = "Vouched"
    return Heartbeat.model_validate({
        "state": state,
        "proofAgeSeconds": proof,
        "leaseAgeSeconds": _seconds(now, sighting.lease_renewed),
        "leaseDurationSeconds": record.lease_seconds,
        "digest": digest,
    })  # fmt: skip


def _seconds(now: datetime, then: datetime | None) -> int | None:
    """Return whole seconds, rounded up as the decision does."""
    return None if then is None else -int((then - now).total_seconds() // 1)


def _state(record: NodeRecord) -> NodeState:
    ready = {True: "True", False: "False", None: "Unknown"}[record.node_ready]
    return NodeState.model_validate({
        "ready": ready,
        "scheduling": "Cordoned" if record.unschedulable else "Open",
        "taints": [str(one) for one in record.taints],
    })  # fmt: skip
