"""Where a workload stands: what its conditions say, derived and never stored."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from schedune.api.base import Condition
from schedune.api.text import shorten
from schedune.codes import summary as codes
from schedune.codes.row import Row

Status = Literal["True", "False", "Unknown"]


@dataclass(frozen=True, slots=True)
class Claim:
    """What one condition says."""

    status: Status
    row: Row
    message: str = ""


_UNDECIDED = Claim("Unknown", codes.NOT_YET_DECIDED, "not decided yet")


@dataclass(frozen=True, slots=True)
class Situation:
    """The answer to every condition; what is not known is Unknown."""

    ready: Claim = _UNDECIDED
    scheduled: Claim = _UNDECIDED
    validated: Claim = _UNDECIDED
    launched: Claim = _UNDECIDED
    up_to_date: Claim = _UNDECIDED
    stalled: bool = False
    """Nothing happens any more until somebody changes something (kstatus: Failed)."""
    settled: bool = False
    """Nothing is under way. Neither settled nor stalled is Reconciling."""
    why: Sequence[str] = field(default_factory=tuple)


def conditions_of(
    situation: Situation, known: Iterable[Condition], *, generation: int, now: datetime
) -> list[Condition]:
    """Return all conditions of a VMWorkload; transition times move with the status only."""
    held = {one.type: one for one in known}
    ready = situation.ready
    under_way = not situation.stalled and not situation.settled
    quiet = Claim("False", codes.SETTLED, codes.SETTLED.sentence)
    claims = {
        "Ready": ready,
        "Scheduled": situation.scheduled,
        "Validated": situation.validated,
        "Launched": situation.launched,
        "UpToDate": situation.up_to_date,
        "Reconciling": Claim("True", ready.row, ready.message) if under_way else quiet,
        "Stalled": Claim("True", ready.row, ready.message) if situation.stalled else quiet,
    }
    return [
        Condition(
            type=kind,
            status=claim.status,
            reason=claim.row.reason,
            message=shorten(claim.message, 1024),
            observed_generation=generation,
            last_transition_time=_transition(held.get(kind), claim.status, now),
        )
        for kind, claim in claims.items()
    ]


def is_overdue(known: Iterable[Condition], generation: int, limit_s: int, *, now: datetime) -> bool:
    """Say whether a workload without a node has waited longer than its deadline."""
    held = {one.type: one for one in known}
    stalled = held.get("Stalled")
    said = ("True", codes.NO_ELIGIBLE_NODE.reason, generation)
    if stalled and (stalled.status, stalled.reason, stalled.observed_generation) == said:
        return True
    end = deadline_of(held.values(), limit_s)
    return end is not None and now > end


def deadline_of(known: Iterable[Condition], limit_s: int) -> datetime | None:
    """Return when a workload without a node has waited long enough; None: it does not wait yet.

    The wait begins when it became unplaced, or anew when a stalled one was changed; both
    times are read from the conditions, so that a restart forgets nothing.
    """
    held = {one.type: one for one in known}
    starts = [
        condition.last_transition_time
        for kind, status in (("Scheduled", "False"), ("Reconciling", "True"))
        if (condition := held.get(kind)) is not None and condition.status == status
    ]
    return max(starts) + timedelta(seconds=limit_s) if len(starts) == 2 else None


def _transition(held: Condition | None, status: str, now: datetime) -> datetime:
    return held.last_transition_time if held is not None and held.status == status else now
