"""Times as the API server writes and reads them."""

from collections.abc import Iterable
from datetime import UTC, datetime


def render_time(moment: datetime) -> str:
    """Write a moment with whole seconds (metav1.Time)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def render_micro_time(moment: datetime) -> str:
    """Write a moment with microseconds (metav1.MicroTime, as in a Lease)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str | None) -> datetime | None:
    """Read either form; None: there is none, or none that a clock can show.

    The API server takes years that a ``datetime`` does not know: whoever may write a Lease may
    write one of them into it, and that must end nothing.
    """
    try:
        read = datetime.fromisoformat(text) if text else None
        return read.astimezone(UTC) if read is not None and read.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def latest(texts: Iterable[str | None]) -> datetime | None:
    """Return the latest of some times; None: there is none."""
    times = (parse_time(text) for text in texts)
    return max((one for one in times if one is not None), default=None)
