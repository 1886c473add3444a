"""What is recorded of one VM, and what was seen of it at one moment.

The agent fills these in; the rules of ``readiness``, ``reconcile`` and ``recovery``
read nothing else.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from schedune.api.vmplacement import PlacementState
from schedune.codes.row import Row


class Sighting(StrEnum):
    """What is proved of the VM's process; to see nothing proves nothing."""

    ALIVE = "Alive"
    """Exactly this process runs: its whole identity was just proved."""
    UNRESPONSIVE = "Unresponsive"
    """Exactly this process runs, but nobody answers at its VMM's socket, or somebody else."""
    GONE = "Gone"
    """Proved gone: the recorded process ended, or, where none is recorded, a complete
    search for the VM's marker found nothing."""
    UNSEEN = "Unseen"
    """It could not be looked at, or nobody knows where to look."""
    SEVERAL = "Several"
    """More than one live process carries this VM's marker."""
    UNPROVED = "Unproved"
    """One carries this VM's marker, and is not proved to be this VM."""
    UNMARKED = "Unmarked"
    """None carries the marker, but a living process is in this VM's control groups."""
    FOREIGN = "Foreign"
    """The recorded process lives, and executes something else, or says so."""


class Liveness(StrEnum):
    """Whether the VM's process lives."""

    UNKNOWN = "Unknown"
    ALIVE = "Alive"
    DEAD = "Dead"


class ReadinessState(StrEnum):
    """How far the VM is on its way to being of use."""

    IN_PROGRESS = "InProgress"
    READY = "Ready"
    NOT_READY = "NotReady"
    DEGRADED = "Degraded"
    FAILED = "Failed"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Standing:
    """What the record of a VM says before it is looked at."""

    state: PlacementState
    has_process: bool = True
    """The record says which process the VM is."""
    has_record: bool = True
    """False: the node's record was lost, and ``state`` is what was last told of it."""
    started_at: datetime | None = None
    """Since when it has been starting; None: nobody knows, so that it is never late."""
    was_ready: bool = False
    """It reached its readiness before: whatever is wrong with it now, it is not late."""
    told: str = ""
    """Code of the last entry of the trace: what was just said is not said again."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen, once."""

    sighting: Sighting
    is_ready: bool = False
    """The readiness that was asked for is reached: by an answer, never by a file."""
    is_past_grace: bool = True
    """The VMM had its time to come up at all."""
    vmm_error: str = ""
    """An error that the VMM reports of itself; "" for none."""
    is_stalled: bool = False
    """Not even the guest's kernel has shown a sign of life."""
    missed_answers: int = 0
    """How many questions in a row a guest that was ready left unanswered."""
    exit_code: int | None = None
    """Exit status of the process, where it was collected."""
    exit_cause: Row | None = None
    """How the VM ended, where somebody saw it: a shutdown, a panic, our own order."""
    detail: str = ""
    """Evidence in words: who answered, why nothing could be seen, last words."""

    @property
    def liveness(self) -> Liveness:
        """What the sighting says about life."""
        match self.sighting:
            case Sighting.ALIVE | Sighting.UNRESPONSIVE:
                return Liveness.ALIVE
            case Sighting.GONE:
                return Liveness.DEAD
            case Sighting.UNSEEN | Sighting.SEVERAL | Sighting.UNPROVED:
                return Liveness.UNKNOWN
            case Sighting.UNMARKED | Sighting.FOREIGN:
                return Liveness.UNKNOWN
