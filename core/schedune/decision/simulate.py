"""What would become of VMs on a fleet that is not yet: moved one by one, or stranded, and why.

Pure, and only as good as its order: the fleet's own loop may take workloads in another one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from schedune.api.scheduling_policy import DEFAULT_POLICY, SchedulingPolicy
from schedune.decision.decide import decide
from schedune.decision.explanation import Explanation
from schedune.decision.reservation import record_for
from schedune.decision.sentence import CLOSED, headline, nearest_open
from schedune.fleet.fleet import Fleet
from schedune.launch.intent import Intent


class Outcome(StrEnum):
    """What becomes of one workload."""

    STAYS = "Stays"
    MOVES = "Moves"
    STRANDED = "Stranded"
    PLACED = "Placed"
    WAITS = "Waits"


@dataclass(frozen=True, slots=True)
class Mover:
    """A workload that needs a node."""

    intent: Intent
    node_name: str = ""
    """Where its VM is now; "": nowhere."""
    placement_uid: str = ""
    """Whose claim is given back before it is placed anew; "": none."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one workload, and why."""

    namespace: str
    name: str
    outcome: Outcome
    before: str
    after: str
    """The node it goes to; "": none."""
    backend: str
    score: int
    message: str
    """How many nodes could run it, and what stops the others."""
    nearest: str
    """For one without a node: the nearest node, and what would have to change there."""
    changes: tuple[str, ...]
    """For one without a node: the smallest change that would free one."""


def settle(
    fleet: Fleet,
    movers: Iterable[Mover],
    *,
    now: datetime,
    policy: SchedulingPolicy = DEFAULT_POLICY,
) -> tuple[Fate, ...]:
    """Place one after another, each with what the earlier ones hold; changes the fleet.

    Those that have a VM come before those that have none yet; then by name. A VM whose node
    can still run it stays: preferences alone move none.
    """
    ordered = sorted(
        movers, key=lambda one: (not one.node_name, one.intent.namespace, one.intent.name)
    )
    return tuple(_settle(fleet, mover, now, policy) for mover in ordered)


def _settle(fleet: Fleet, mover: Mover, now: datetime, policy: SchedulingPolicy) -> Fate:
    held = fleet.claims.held.get(mover.placement_uid)
    fleet.release(mover.placement_uid)
    explanation = Explanation(decide(fleet, mover.intent, now=now, policy=policy))
    row = _row(mover, explanation)
    fate = _fate(mover, explanation, row)
    if row is not None:
        _hold(fleet, mover, explanation, row)
    elif held is not None:
        fleet.reserve(held)
    return fate


def _hold(fleet: Fleet, mover: Mover, explanation: Explanation, row: int) -> None:
    """Count what it holds there; dry runs reserve nothing."""
    intent = mover.intent
    if intent.reserves:
        uid = mover.placement_uid or f"{intent.namespace}/{intent.name}"
        fleet.reserve(record_for(explanation.decision, row, uid))


def _row(mover: Mover, explanation: Explanation) -> int | None:
    decision = explanation.decision
    own = decision.fleet.row.get(mover.node_name)
    return own if own is not None and decision.eligible[own] else decision.chosen


def _fate(mover: Mover, explanation: Explanation, row: int | None) -> Fate:
    decision, intent = explanation.decision, mover.intent
    after = "" if row is None else decision.node(row).name
    return Fate(
        namespace=intent.namespace,
        name=intent.name,
        outcome=_outcome(mover.node_name, after),
        before=mover.node_name,
        after=after,
        backend="" if row is None else decision.backend_on(row).value,
        score=0 if row is None else int(decision.scores[row]),
        message=headline(explanation),
        nearest=nearest_open(explanation) if row is None else "",
        changes=_changes(explanation) if row is None else (),
    )


def _outcome(before: str, after: str) -> Outcome:
    if not before:
        return Outcome.PLACED if after else Outcome.WAITS
    if not after:
        return Outcome.STRANDED
    return Outcome.STAYS if before == after else Outcome.MOVES


def _changes(explanation: Explanation) -> tuple[str, ...]:
    """Return the smallest change that opens no closed node; (): there is none."""
    for way in explanation.relaxations.ways:
        if not any(atom.name in CLOSED for atom in way.atoms):
            return way.changes
    return ()
