"""Is a VM ready, still on its way, or late? Judged from one observation."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from schedune.api.vmworkload import Backend
from schedune.codes import execution, recovery
from schedune.codes.row import Reason, Row
from schedune.lifecycle.observation import Liveness, Observation, ReadinessState, Sighting

_TIMEOUTS: Final[Mapping[Backend, Row]] = MappingProxyType({
    Backend.QEMU: recovery.QEMU_SOCKET_TIMEOUT,
    Backend.CLOUD_HYPERVISOR: recovery.CLOUD_HYPERVISOR_SOCKET_TIMEOUT,
    Backend.FIRECRACKER: recovery.FIRECRACKER_SOCKET_TIMEOUT,
})  # fmt: skip

_UNCLEAR: Final[Mapping[Sighting, Row]] = MappingProxyType({
    Sighting.SEVERAL: recovery.REASSOCIATION_AMBIGUOUS,
    Sighting.UNPROVED: recovery.UNPROVED_CARRIER,
    Sighting.UNMARKED: recovery.UNMARKED_IN_GROUP,
    Sighting.FOREIGN: recovery.FOREIGN_PROCESS,
    Sighting.UNSEEN: recovery.STATUS_UNREADABLE,
})  # fmt: skip
"""Why nobody can say: it was not seen, or nobody knows which process it is."""


@dataclass(frozen=True, slots=True)
class ReadinessPolicy:
    """How much patience a VM is given."""

    timeout_seconds: int
    """How long a start may take."""
    misses_to_degrade: int = 3
    """After how many unanswered questions in a row a VM that was ready is Degraded."""

    def deadline(self, started_at: datetime | None) -> datetime | None:
        """Return until when the VM must be ready; None: for ever."""
        return None if started_at is None else started_at + timedelta(seconds=self.timeout_seconds)

    def is_late(self, started_at: datetime | None, now: datetime) -> bool:
        """Say whether the deadline has passed; the deadline itself is in time."""
        deadline = self.deadline(started_at)
        return deadline is not None and now > deadline


@dataclass(frozen=True, slots=True)
class ReadinessVerdict:
    """What one observation says about readiness."""

    liveness: Liveness
    readiness: ReadinessState
    reason: Reason | None = None
    """Why it is not, and will not be, ready; None while there is hope."""


def judge_readiness(
    backend: Backend, observation: Observation, *, deadline: datetime | None, now: datetime
) -> ReadinessVerdict:
    """Judge a VM that is starting; one that is ready late is ready all the same.

    A process that is gone without a known exit leaves readiness, and how the start
    ended, unknown; that the VM is over is for ``reconcile`` to say.
    """
    match observation.sighting:
        case Sighting.ALIVE | Sighting.UNRESPONSIVE:
            return _judge_living(backend, observation, deadline, now)
        case Sighting.GONE if observation.exit_code is not None:
            told = f"exit code {observation.exit_code}"
            reason = Reason(execution.EXITED_EARLY, told)
            return ReadinessVerdict(Liveness.DEAD, ReadinessState.FAILED, reason)
        case Sighting.GONE:
            return _unknown(recovery.PROCESS_NOT_RECORDED, "it left no exit status")
        case _:
            return _unknown(_UNCLEAR[observation.sighting], observation.detail)


def _judge_living(
    backend: Backend, observation: Observation, deadline: datetime | None, now: datetime
) -> ReadinessVerdict:
    if observation.is_ready:
        return ReadinessVerdict(Liveness.ALIVE, ReadinessState.READY)
    if observation.is_past_grace and deadline is not None and now > deadline:
        told = observation.detail or "the process runs"
        reason = Reason(_TIMEOUTS[backend], told, f"{deadline:%H:%M:%SZ}")
        return ReadinessVerdict(Liveness.ALIVE, ReadinessState.FAILED, reason)
    return ReadinessVerdict(Liveness.ALIVE, ReadinessState.IN_PROGRESS)


def _unknown(row: Row, observed: str) -> ReadinessVerdict:
    reason = Reason(row, observed)
    return ReadinessVerdict(Liveness.UNKNOWN, ReadinessState.UNKNOWN, reason)
