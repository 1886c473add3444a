"""One reconcile step: what is recorded and what was seen, in; the next state, out.

The table below names moves of the table of transitions only. A VM ends on positive
evidence, or because it was late; then the caller ends its process before it writes
the state (``Reconciled.ends_process``). Everything that is not evidence becomes Unknown,
which every later observation can leave again: no record sticks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from types import MappingProxyType
from typing import Final

from schedune.api.vmplacement import PlacementState
from schedune.codes import execution, recovery
from schedune.codes.row import Reason, Row
from schedune.lifecycle.observation import (
    Liveness,
    Observation,
    ReadinessState,
    Sighting,
    Standing,
)
from schedune.lifecycle.readiness import ReadinessPolicy
from schedune.lifecycle.transitions import TERMINAL

_S = PlacementState


class _Seen(Enum):
    """What an observation amounts to, in the state that the VM is in."""

    LOST = auto()
    """Nobody knows which process to look at."""
    UNSEEN = auto()
    SEVERAL = auto()
    UNPROVED = auto()
    UNMARKED = auto()
    FOREIGN = auto()
    UNRESPONSIVE = auto()
    """Alive, and its VMM does not answer."""
    GONE = auto()
    ENDED = auto()
    """Gone, and it is known how."""
    READY = auto()
    SILENT = auto()
    FAULTY = auto()
    BACK = auto()
    """Alive, not ready, and it was ready before."""
    LATE = auto()
    ALIVE = auto()


@dataclass(frozen=True, slots=True)
class _Move:
    to: PlacementState
    row: Row
    readiness: ReadinessState | None = None


_RUNS: Final = _Move(_S.RUNNING, execution.GUEST_READY, ReadinessState.READY)
_CRASHED: Final = _Move(_S.EXITED, execution.VMM_KILLED)
_BACK: Final = _Move(_S.RUNNING, execution.VMM_STARTED)
_CAME_UP: Final = _Move(_S.STARTING, execution.VMM_STARTED)
_UNKNOWN: Final = {
    _Seen.LOST: _Move(_S.UNKNOWN, recovery.PROCESS_NOT_RECORDED),
    _Seen.UNSEEN: _Move(_S.UNKNOWN, recovery.STATUS_UNREADABLE),
    _Seen.SEVERAL: _Move(_S.UNKNOWN, recovery.REASSOCIATION_AMBIGUOUS),
    _Seen.UNPROVED: _Move(_S.UNKNOWN, recovery.UNPROVED_CARRIER),
    _Seen.UNMARKED: _Move(_S.UNKNOWN, recovery.UNMARKED_IN_GROUP),
    _Seen.FOREIGN: _Move(_S.UNKNOWN, recovery.FOREIGN_PROCESS),
    _Seen.UNRESPONSIVE: _Move(_S.UNKNOWN, execution.RECOVERY_UNANSWERED),
}
_MOVES: Final[Mapping[PlacementState, Mapping[_Seen, _Move]]] = MappingProxyType({
    _S.STARTING: {
        **_UNKNOWN,
        _Seen.GONE: _Move(_S.FAILED, execution.EXITED_EARLY, ReadinessState.FAILED),
        _Seen.ENDED: _CRASHED,
        _Seen.READY: _RUNS,
        _Seen.BACK: _BACK,
        _Seen.LATE: _Move(_S.FAILED, execution.READY_TIMEOUT, ReadinessState.FAILED),
    },
    _S.RUNNING: {
        **_UNKNOWN,
        _Seen.GONE: _CRASHED,
        _Seen.ENDED: _CRASHED,
        _Seen.FAULTY: _Move(_S.DEGRADED, recovery.READY_PROBE_FAILED, ReadinessState.DEGRADED),
        _Seen.SILENT: _Move(_S.DEGRADED, execution.GUEST_SILENT, ReadinessState.DEGRADED),
    },
    _S.DEGRADED: {
        **_UNKNOWN, _Seen.GONE: _CRASHED, _Seen.ENDED: _CRASHED, _Seen.READY: _RUNS,
    },
    _S.TERMINATING: {
        **_UNKNOWN,
        _Seen.GONE: _Move(_S.TERMINATED, execution.HOST_STOPPED, ReadinessState.NOT_READY),
        _Seen.ENDED: _Move(_S.TERMINATED, execution.HOST_STOPPED, ReadinessState.NOT_READY),
    },
    _S.UNKNOWN: {
        **_UNKNOWN, _Seen.GONE: _CRASHED, _Seen.ENDED: _CRASHED,
        _Seen.READY: _RUNS, _Seen.BACK: _BACK, _Seen.ALIVE: _CAME_UP,
    },
})  # fmt: skip
"""Only these states have something to look at; what is not listed moves nothing."""


_UNCLEAR: Final[Mapping[Sighting, _Seen]] = MappingProxyType({
    Sighting.SEVERAL: _Seen.SEVERAL,
    Sighting.UNPROVED: _Seen.UNPROVED,
    Sighting.UNMARKED: _Seen.UNMARKED,
    Sighting.FOREIGN: _Seen.FOREIGN,
})  # fmt: skip
"""Something lives, and which process the VM is nobody knows."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What follows from one look."""

    state: PlacementState
    """The state from now on."""
    reason: Reason | None = None
    """Why it moved; None: it did not."""
    liveness: Liveness | None = None
    """None: nothing was looked at in this state."""
    readiness: ReadinessState | None = None
    """None: as it was."""
    ends_process: bool = False
    """The process lives and must be proved gone before ``state`` is written."""
    restarts_clock: bool = False
    """The time to become ready counts from now: nobody could see how it went before."""


def reconcile(
    standing: Standing, observation: Observation, policy: ReadinessPolicy, *, now: datetime
) -> Reconciled:
    """Return what one observation makes of a VM; the same one again changes nothing."""
    moves = _MOVES.get(standing.state)
    if moves is None:
        return Reconciled(standing.state)
    seen = _classify(standing, observation, policy, now)
    move = moves.get(seen)
    if move is None:
        return Reconciled(standing.state, liveness=observation.liveness)
    reason = _reason(seen, move, observation, policy)
    if move.to is standing.state and reason.row.code == standing.told:
        return Reconciled(standing.state, liveness=observation.liveness)
    return Reconciled(
        move.to,
        reason,
        observation.liveness,
        move.readiness,
        ends_process=move.to in TERMINAL and observation.sighting is not Sighting.GONE,
        restarts_clock=move.to is _S.STARTING,
    )


def _classify(
    standing: Standing, observation: Observation, policy: ReadinessPolicy, now: datetime
) -> _Seen:
    match observation.sighting:
        case Sighting.UNSEEN:
            return _Seen.UNSEEN if standing.has_process else _Seen.LOST
        case Sighting.SEVERAL | Sighting.UNPROVED | Sighting.UNMARKED | Sighting.FOREIGN:
            return _UNCLEAR[observation.sighting]
        case Sighting.UNRESPONSIVE:
            return _Seen.UNRESPONSIVE
        case Sighting.GONE:
            return _Seen.GONE if observation.exit_cause is None else _Seen.ENDED
        case Sighting.ALIVE:
            return _classify_living(standing, observation, policy, now)


def _classify_living(
    standing: Standing, observation: Observation, policy: ReadinessPolicy, now: datetime
) -> _Seen:
    """Trouble counts for a VM that is ready; readiness counts before lateness.

    One that was ready before is never late: it comes back as Running, and is Degraded
    when it then does not answer.
    """
    if standing.state in (_S.RUNNING, _S.DEGRADED):
        if observation.vmm_error:
            return _Seen.FAULTY
        if observation.missed_answers >= policy.misses_to_degrade:
            return _Seen.SILENT
    if observation.is_ready:
        return _Seen.READY
    if standing.state in (_S.STARTING, _S.UNKNOWN) and standing.was_ready:
        return _Seen.BACK
    if standing.state is _S.STARTING and policy.is_late(standing.started_at, now):
        return _Seen.LATE
    return _Seen.ALIVE


def _reason(seen: _Seen, move: _Move, observation: Observation, policy: ReadinessPolicy) -> Reason:
    told = observation.detail or _PLAIN[seen]
    match seen:
        case _Seen.FAULTY:
            return Reason(move.row, observation.vmm_error)
        case _Seen.SILENT:
            return Reason(move.row, f"{observation.missed_answers} questions in a row")
        case _Seen.LATE:
            row = execution.BOOT_STALLED if observation.is_stalled else move.row
            return Reason(row, told, f"{policy.timeout_seconds} s")
        case _Seen.GONE | _Seen.ENDED:
            code = observation.exit_code
            ended = told if code is None else f"exit code {code}; {told}"
            return Reason(observation.exit_cause or move.row, ended)
        case _:
            return Reason(move.row, told)


_PLAIN: Final[Mapping[_Seen, str]] = MappingProxyType({
    _Seen.LOST: "the record is without a process",
    _Seen.UNSEEN: "nothing could be seen",
    _Seen.SEVERAL: "they carry the same marker",
    _Seen.UNPROVED: "it carries the marker",
    _Seen.UNMARKED: "nobody knows what it is",
    _Seen.FOREIGN: "it executes something else",
    _Seen.UNRESPONSIVE: "its control socket is silent",
    _Seen.GONE: "the process is proved gone",
    _Seen.ENDED: "the process is proved gone",
    _Seen.READY: "the VM is ready",
    _Seen.SILENT: "the guest does not answer",
    _Seen.FAULTY: "the VMM reports an error",
    _Seen.BACK: "the process runs again as it did, and has to answer",
    _Seen.LATE: "the process runs and is not ready",
    _Seen.ALIVE: "the process runs and is not ready yet",
})  # fmt: skip
