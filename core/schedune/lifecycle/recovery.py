"""What an agent makes of a record whose process it has not proved yet: found, ended, unknown.

It judges every look from an agent's start, or from that of a launch, until the process is
proved to be the VM; from then on ``reconcile`` does. Recovery itself ends only what was
being ended already. A VM that is proved gone while nobody watched becomes Unknown here,
with the proof; ``reconcile`` then says how it ended. Records that prove that nothing was
ever started need no recovery, and are not to be handed over.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from schedune.api.vmplacement import PlacementState
from schedune.codes import execution, recovery
from schedune.codes.row import Reason, Row
from schedune.lifecycle.observation import Liveness, Observation, Sighting, Standing
from schedune.lifecycle.transitions import MAY_RUN, TERMINAL


class RecoveryEvent(StrEnum):
    """What is told about a record after a restart."""

    REHYDRATED = "ExecutionRehydrated"
    """It is known what became of the VM."""
    UNKNOWN = "ExecutionRecoveryUnknown"
    """It is not, and it is looked at again."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What became of one record over a restart."""

    state: PlacementState
    """The state from now on."""
    event: RecoveryEvent
    reason: Reason
    """The cause, for the event, and for the trace where it says something new."""
    liveness: Liveness
    is_news: bool
    """False: the last entry of the trace says the same already."""


@dataclass(frozen=True, slots=True)
class _Finding:
    row: Row
    event: RecoveryEvent
    plain: str


_NOT_RECORDED: Final = _Finding(
    recovery.STALE_HANDLE, RecoveryEvent.UNKNOWN, "it was started and no process was recorded"
)
_ENDED_AS_ORDERED: Final = _Finding(
    recovery.TERMINATED_MISSING, RecoveryEvent.REHYDRATED, "its process is proved gone"
)
_RECORD_LOST: Final = _Finding(
    execution.RECORD_LOST, RecoveryEvent.UNKNOWN, "whether the VM runs could not be seen"
)
_RUNS_WITHOUT_RECORD: Final = _Finding(
    execution.RECORD_LOST, RecoveryEvent.REHYDRATED, "a process carries its marker"
)
_FINDINGS: Final[Mapping[Sighting, _Finding]] = MappingProxyType({
    Sighting.ALIVE: _Finding(
        execution.RECOVERY_CONFIRMED, RecoveryEvent.REHYDRATED, "the process is proved"
    ),
    Sighting.UNRESPONSIVE: _Finding(
        execution.RECOVERY_UNANSWERED, RecoveryEvent.UNKNOWN, "its control socket is silent"
    ),
    Sighting.GONE: _Finding(
        execution.RECOVERY_DEAD, RecoveryEvent.UNKNOWN, "its process is proved gone"
    ),
    Sighting.UNSEEN: _Finding(
        recovery.REHYDRATE_FAILED, RecoveryEvent.UNKNOWN, "nothing could be seen"
    ),
    Sighting.SEVERAL: _Finding(
        recovery.REASSOCIATION_AMBIGUOUS, RecoveryEvent.UNKNOWN, "they carry the same marker"
    ),
    Sighting.UNPROVED: _Finding(
        recovery.UNPROVED_CARRIER, RecoveryEvent.UNKNOWN, "it carries the marker"
    ),
    Sighting.UNMARKED: _Finding(
        recovery.UNMARKED_IN_GROUP, RecoveryEvent.UNKNOWN, "nobody knows what it is"
    ),
    Sighting.FOREIGN: _Finding(
        recovery.FOREIGN_PROCESS, RecoveryEvent.UNKNOWN, "it executes something else"
    ),
})  # fmt: skip


def recover(standing: Standing, observation: Observation) -> Recovery | None:
    """Return what one look makes of a record; None: it is over anyway.

    With the record lost, a process that carries the marker is written down anew, and a
    state in which there could be none is given up for Unknown; nothing is started again
    before the process that was last told of is proved gone.
    """
    if standing.state in TERMINAL:
        return None
    finding = _find(standing, observation)
    to = _state_after(standing.state, finding)
    reason = Reason(finding.row, observation.detail or finding.plain)
    liveness = observation.liveness
    is_news = to is not standing.state or reason.row.code != standing.told
    return Recovery(to, finding.event, reason, liveness, is_news)


def _find(standing: Standing, observation: Observation) -> _Finding:
    sighting = observation.sighting
    if not standing.has_record and sighting is Sighting.ALIVE:
        return _RUNS_WITHOUT_RECORD
    if not standing.has_record and sighting is Sighting.UNSEEN:
        return _RECORD_LOST
    if sighting is Sighting.UNSEEN and not standing.has_process:
        return _NOT_RECORDED
    if sighting is Sighting.GONE and standing.state is PlacementState.TERMINATING:
        return _ENDED_AS_ORDERED
    return _FINDINGS[sighting]


def _state_after(state: PlacementState, finding: _Finding) -> PlacementState:
    if finding is _ENDED_AS_ORDERED:
        return PlacementState.TERMINATED
    if finding is _RUNS_WITHOUT_RECORD and state not in MAY_RUN:
        return PlacementState.UNKNOWN
    return state if finding.event is RecoveryEvent.REHYDRATED else PlacementState.UNKNOWN
