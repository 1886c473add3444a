"""What an agent that comes back makes of one record: found, ended, or unknown.

Recovery itself ends only what was being ended already. A VM that is proved gone while
nobody watched becomes Unknown here, with the proof; ``reconcile`` then says how it
ended. Records that prove that nothing was ever started need no recovery, and are not
to be handed over.
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
from schedune.lifecycle.transitions import TERMINAL


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
_FINDINGS: Final[Mapping[Sighting, _Finding]] = MappingProxyType({
    Sighting.ALIVE: _Finding(
        execution.RECOVERY_CONFIRMED, RecoveryEvent.REHYDRATED, "the process is proved"
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
})  # fmt: skip


def recover(standing: Standing, observation: Observation) -> Recovery | None:
    """Return what to make of a record at the start of an agent; None: it is over anyway."""
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
    if sighting is Sighting.UNSEEN and not standing.has_process:
        return _NOT_RECORDED
    if sighting is Sighting.GONE and standing.state is PlacementState.TERMINATING:
        return _ENDED_AS_ORDERED
    return _FINDINGS[sighting]


def _state_after(state: PlacementState, finding: _Finding) -> PlacementState:
    if finding is _ENDED_AS_ORDERED:
        return PlacementState.TERMINATED
    return state if finding.event is RecoveryEvent.REHYDRATED else PlacementState.UNKNOWN
