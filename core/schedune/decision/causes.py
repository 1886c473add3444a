"""Everything against one node, cause by cause, with what merely follows and what would pass."""

from dataclasses import dataclass

from schedune.codes.row import Actor, Reason
from schedune.decision.matrix import Effective, Matrix


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause against one node."""

    reason: Reason
    atom: str
    who: Actor
    change: str
    """What would have to change, with the bound where it is a number."""
    consequences: tuple[Reason, ...]
    shortfall: str = ""
    """How much is missing, where it is a number of which more is asked than there is."""


def causes_of(matrix: Matrix, row: int) -> tuple[Cause, ...]:
    """Return the causes against a rejected node, for the backend that is nearest there."""
    backend = matrix.backends[int(matrix.shown[row])]
    held = [
        one for one in matrix.findings if one.objects[row] and one.atom.backend in (None, backend)
    ]
    followers = [
        one
        for one in matrix.decision.findings
        if one.follows and one.objects[row] and one.backend in (None, backend)
    ]
    return tuple(
        Cause(
            one.finding.testify(row),
            one.finding.atom,
            one.atom.who,
            change_at(one, row),
            tuple(f.testify(row) for f in followers if f.follows == one.finding.atom),
            one.finding.bound.tell_shortfall(row) if one.finding.bound else "",
        )
        for one in held
    )


def change_at(one: Effective, row: int) -> str:
    """Say what would have to change for a finding to stand in no way on a node."""
    finding = one.finding
    if finding.bound is not None:
        return finding.bound.tell(row)
    if finding.change is not None:
        return finding.change(row)
    reason = finding.testify(row)
    return f"it has {reason.required} (now: {reason.observed})"
