"""What the API server's clock says, read from the Date header of its answers.

Kept as bounds against our monotonic clock: a jump of our own time of day changes nothing
here. A header tells whole seconds only; several answers together tell much more.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final, Self

_RESOLUTION_S: Final = 1.0
_DRIFT: Final = 0.0005
"""By how much two honest clocks may part, in seconds per second: what NTP slews at most."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ServerClock:
    """Bounds of (server's seconds since 1970) minus (our monotonic seconds)."""

    least: float
    most: float
    seen: float
    """When this was last measured, on our monotonic clock."""

    @classmethod
    def measured(cls, header: str | None, sent: float, received: float) -> Self | None:
        """Read a Date header of an answer; None: it says no time."""
        moment = _parse(header)
        if moment is None:
            return None
        stamped = (moment - _EPOCH).total_seconds()
        return cls(stamped - received, stamped + _RESOLUTION_S - sent, received)

    def narrowed(self, earlier: "ServerClock | None") -> "ServerClock":
        """Join with what was measured before; where the two contradict, the clock was set."""
        if earlier is None:
            return self
        loose = (self.seen - earlier.seen) * _DRIFT
        least = max(self.least, earlier.least - loose)
        most = min(self.most, earlier.most + loose)
        return self if least > most else ServerClock(least, most, self.seen)

    def at(self, monotonic: float) -> datetime:
        """Return the server's time at a moment of our monotonic clock."""
        return _EPOCH + timedelta(seconds=(self.least + self.most) / 2 + monotonic)


def _parse(header: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(header) if header else None
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment
