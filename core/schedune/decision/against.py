"""Everything against one node, for every backend: what is asked of a single pair."""

from collections.abc import Mapping
from dataclasses import dataclass

from schedune.api.vmworkload import Backend
from schedune.codes.row import Reason
from schedune.decision.causes import Cause, change_at
from schedune.decision.matrix import Effective, Matrix


@dataclass(frozen=True, slots=True)
class Against:
    """What stands against a node whatever runs the VM, and against each backend there."""

    common: tuple[Cause, ...]
    backends: Mapping[Backend, tuple[Cause, ...]]
    """Every backend that the intent accepts, in its order; none: it could launch the VM."""


def everything_against(matrix: Matrix, row: int) -> Against:
    """Return every objection on one node; what merely follows stands under its cause."""
    return Against(
        _causes(matrix, row, None),
        {backend: _causes(matrix, row, backend) for backend in matrix.backends},
    )


def _causes(matrix: Matrix, row: int, backend: Backend | None) -> tuple[Cause, ...]:
    return tuple(
        Cause(
            one.finding.testify(row),
            one.finding.atom,
            one.atom.who,
            change_at(one, row),
            _consequences(matrix, row, one),
        )
        for one in matrix.findings
        if one.atom.backend is backend and one.objects[row]
    )


def _consequences(matrix: Matrix, row: int, cause: Effective) -> tuple[Reason, ...]:
    return tuple(
        one.testify(row)
        for one in matrix.decision.findings
        if one.follows == cause.finding.atom and one.objects[row]
    )
