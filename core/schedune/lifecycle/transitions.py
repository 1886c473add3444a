"""How one incarnation of a VM may move: the table, and nothing beside it.

A guest that is started again under the same placement begins a new incarnation, with
no state before; the terminal states end an incarnation, ``status.ended`` a placement.
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

from schedune.api.text import shorten
from schedune.api.vmplacement import PlacementState, TraceEntry
from schedune.codes.row import Reason

_S = PlacementState

ALLOWED: Final[Mapping[PlacementState, frozenset[PlacementState]]] = MappingProxyType({
    _S.PENDING: frozenset({_S.PREPARING, _S.TERMINATED, _S.UNKNOWN}),
    _S.PREPARING: frozenset({_S.VALIDATED, _S.FAILED, _S.TERMINATING, _S.UNKNOWN}),
    _S.VALIDATED: frozenset({_S.LAUNCHING, _S.FAILED, _S.TERMINATING, _S.UNKNOWN}),
    _S.LAUNCHING: frozenset({_S.STARTING, _S.FAILED, _S.TERMINATING, _S.UNKNOWN}),
    _S.STARTING: frozenset({_S.RUNNING, _S.EXITED, _S.FAILED, _S.TERMINATING, _S.UNKNOWN}),
    _S.RUNNING: frozenset({_S.DEGRADED, _S.EXITED, _S.TERMINATING, _S.UNKNOWN}),
    _S.DEGRADED: frozenset({_S.RUNNING, _S.EXITED, _S.FAILED, _S.TERMINATING, _S.UNKNOWN}),
    _S.TERMINATING: frozenset({_S.TERMINATED, _S.UNKNOWN}),
    _S.UNKNOWN: frozenset({
        _S.STARTING, _S.RUNNING, _S.EXITED, _S.FAILED, _S.TERMINATING, _S.UNKNOWN,
    }),
    _S.EXITED: frozenset(),
    _S.FAILED: frozenset(),
    _S.TERMINATED: frozenset(),
})  # fmt: skip
TERMINAL: Final = frozenset(state for state, following in ALLOWED.items() if not following)
MAY_RUN: Final = frozenset({
    _S.LAUNCHING, _S.STARTING, _S.RUNNING, _S.DEGRADED, _S.TERMINATING, _S.UNKNOWN,
})  # fmt: skip
"""States in which a VMM may exist, recorded or started just before an agent was killed."""


class IllegalMoveError(Exception):
    """A move that the table does not have: a defect of the caller."""


def is_allowed(current: PlacementState | None, to: PlacementState) -> bool:
    """Say whether the table has this move; an incarnation begins as Pending."""
    if current is None:
        return to is PlacementState.PENDING
    return to in ALLOWED[current]


def check_move(current: PlacementState | None, to: PlacementState) -> None:
    """Let a move pass that the table has.

    Raises:
        IllegalMoveError: the table does not have it.
    """
    if not is_allowed(current, to):
        raise IllegalMoveError(f"no move from {current} to {to}")


def move(
    current: PlacementState | None, to: PlacementState, reason: Reason, now: datetime
) -> TraceEntry:
    """Return the trace entry of a move.

    Raises:
        IllegalMoveError: the table does not have it.
    """
    check_move(current, to)
    return _entry(current, to, reason, now)


def note(current: PlacementState, reason: Reason, now: datetime) -> TraceEntry:
    """Return the trace entry of something that moved nothing: an adoption, a reboot."""
    return _entry(current, current, reason, now)


def _entry(
    before: PlacementState | None, after: PlacementState, reason: Reason, now: datetime
) -> TraceEntry:
    return TraceEntry(
        time=now,
        from_=before,
        to=after,
        code=reason.row.code,
        message=shorten(reason.message, 1024),
    )
