"""Times as people say them."""

from typing import Final

_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def aged(seconds: int) -> str:
    """Write a length of time in its two greatest units: ``6 d 15 h``, ``45 s``."""
    told = []
    for size, unit in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            told.append(f"{count} {unit}")
    return " ".join(told[:2]) or "0 s"
