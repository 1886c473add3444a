"""What has to be known of a workload to tell of it: what it asks for, and where that stands."""

from typing import Protocol

from schedune.api.vmworkload import VMWorkload
from schedune.codes.row import Reason
from schedune.explaining.form import Position
from schedune.launch.intent import Intent


class Asked(Protocol):
    """One workload that is judged."""

    @property
    def workload(self) -> VMWorkload:
        """The object."""

    @property
    def intent(self) -> Intent:
        """What it means."""

    @property
    def refusals(self) -> tuple[Reason, ...]:
        """Why the operator would refuse it, whatever the nodes are."""

    def position_of(self, field: str = "") -> Position:
        """Return where a field stands, or the part nearest to it; "": the object."""

    def position_of_demand(self, field: str) -> Position:
        """Return where a field stands, or the object where it is not written down."""
