"""Whether orphans are looked for: why a sweep failed, told as an alarm until one goes through."""

import re
from collections import deque
from collections.abc import Sequence
from typing import Final

from schedune.api.text import shorten
from schedune.evidence.health import Level
from schedune.evidence.health_rules import ORPHANS_NOT_SWEPT

_MOST_CAUSES: Final = 8
_WIDTH: Final = 160
_PID: Final = re.compile(r"/proc/[0-9]+")


class SweepAlarm:
    """Remembers how the last sweep went, and of what earlier ones failed."""

    def __init__(self) -> None:
        self._cause = ""
        self._causes: deque[str] = deque(maxlen=_MOST_CAUSES)

    def note(self, error: Exception | None) -> None:
        """Take down how a sweep went; None: it went through."""
        self._cause = _cause_of(error) if error is not None else ""
        if self._cause and self._cause not in self._causes:
            self._causes.append(self._cause)

    def levels(self) -> Sequence[Level]:
        """Return a level for each cause: what it is no more as well, so that its alarm ends."""
        return [Level(ORPHANS_NOT_SWEPT, float(one == self._cause), one) for one in self._causes]


def _cause_of(error: Exception) -> str:
    """Say what kept a sweep from its end, without a number that is another at each sweep."""
    if not isinstance(error, OSError):
        return f"{type(error).__name__}, see the agent's log"
    what = error.strerror or type(error).__name__
    where = f": {error.filename}" if error.filename is not None else ""
    return shorten(_PID.sub("/proc/PID", what + where), _WIDTH)
