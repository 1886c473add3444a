"""What a check says: on which nodes it objects, why on each, and what would pass there."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np

from schedune.api.scheduling_policy import SchedulingPolicy
from schedune.api.vmworkload import Backend
from schedune.codes.row import Actor, Reason, Row
from schedune.fleet.column import Coded, Column, Mask
from schedune.fleet.view import View
from schedune.launch.intent import Intent


@dataclass(frozen=True, eq=False, slots=True)
class Bound:
    """For a demand that is a number: the extreme value that passes on each node."""

    quantity: str
    """Name of the number as a user knows it: memory, vcpus."""
    sense: Literal["AtMost", "AtLeast"]
    values: Column
    render: Callable[[int], str]
    asked: str
    asked_value: int | None = None
    """The same as a number, where what is missing is worth telling."""

    def tell_shortfall(self, position: int) -> str:
        """Say how much is missing: ``memory short by 2Gi``; "": that cannot be told."""
        if self.asked_value is None or self.sense != "AtMost":
            return ""
        missing = self.asked_value - int(self.values[position])
        return f"{self.quantity} short by {self.render(missing)}"

    def tell(self, position: int) -> str:
        """Say what would pass, beside what is asked: ``memory <= 6Gi (asked 8Gi)``."""
        return self.tell_value(int(self.values[position]))

    def tell_value(self, value: int) -> str:
        """Say that a value would pass."""
        sign = "<=" if self.sense == "AtMost" else ">="
        return f"{self.quantity} {sign} {self.render(value)} (asked {self.asked})"


@dataclass(frozen=True, eq=False, slots=True)
class Finding:
    """One way in which one atom stands in the way of some nodes.

    An atom is one demand of the intent, or one state of nodes. Findings of the same atom
    are different codes for different nodes; they never object to the same node twice.
    """

    atom: str
    row: Row
    objects: Mask
    testify: Callable[[int], Reason]
    """Renders the evidence for one position; asked only for nodes that somebody is told of."""
    change: Callable[[int], str] | None = None
    """What would have to change there, where the reason's own words do not say it."""
    bound: Bound | None = None
    backend: Backend | None = None
    follows: str | None = None
    """The atom of which this one is a mere consequence on the nodes where both hold."""
    actor: Actor | None = None
    """Who can do something about it, where it is not the code's usual one."""
    words: Callable[[], Column] | None = None
    """Where two rows have the same number, what would have to change is told in the same words;
    None: it is on all of them. Asked only where a demand is to be relaxed, so that no decision
    pays for it."""

    @property
    def who(self) -> Actor:
        """Who can do something about it: only the user's own demands can be relaxed."""
        return Actor.USER if (self.actor or self.row.actor) is Actor.USER else Actor.ADMINISTRATOR


@dataclass(frozen=True, slots=True)
class Question:
    """Everything that a check is given: no clock, no world beside it."""

    view: View
    intent: Intent
    policy: SchedulingPolicy
    now: datetime


Check = Callable[[Question], Iterable[Finding]]


def by_value(
    question: Question,
    atom: str,
    column: Coded[object],
    judge: Callable[[object], Reason | None],
    *,
    among: Mask,
    backend: Backend | None = None,
    actor: Actor | None = None,
) -> list[Finding]:
    """Ask every distinct value of a column once; make one finding for each code."""
    answers = column.answers(judge)
    codes = question.view.codes(column)
    findings = []
    for row in _rows(answers):
        table = np.fromiter(
            (one is not None and one.row is row for one in answers), np.bool_, len(answers)
        )
        objects = np.asarray(table[codes] & among, np.bool_)
        if objects.any():
            findings.append(
                Finding(
                    atom,
                    row,
                    objects,
                    lambda position: _testimony(answers, int(codes[position])),
                    backend=backend,
                    actor=actor,
                    words=lambda: codes,
                )
            )
    return findings


def _rows(answers: Sequence[Reason | None]) -> list[Row]:
    found = {reason.row.code: reason.row for reason in answers if reason is not None}
    return [found[code] for code in sorted(found)]


def _testimony(answers: Sequence[Reason | None], code: int) -> Reason:
    reason = answers[code]
    if reason is None:
        raise LookupError("nothing stands against this value")
    return reason
