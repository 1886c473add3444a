"""Reboots of a guest that its VMM restarts by itself: when do they go on for ever?"""

from collections import deque
from typing import Final

MOST_REBOOTS: Final = 5
LOOP_SECONDS: Final = 300.0
"""More reboots than that, in a time as short as that, are a guest that does not come up."""
_LATEST: Final = 2**53
"""Seconds; a VMM may say anything."""


class Reboots:
    """The last ones of one process."""

    def __init__(self) -> None:
        self._times = deque[float](maxlen=MOST_REBOOTS + 1)

    def __len__(self) -> int:
        """Return how many are remembered."""
        return len(self._times)

    def add(self, seconds: object) -> None:
        """Remember one, by the clock of whoever tells of it.

        Where that says nothing of use, or was set back, nobody knows how long ago those
        before were: they are forgotten, since a guest is ended for a loop.
        """
        if not isinstance(seconds, int) or not 0 <= seconds < _LATEST:
            self._times.clear()
            return
        if self._times and seconds < self._times[-1]:
            self._times.clear()
        self._times.append(float(seconds))

    @property
    def loops(self) -> bool:
        """Say whether the guest reboots again and again."""
        is_many = len(self._times) > MOST_REBOOTS
        return is_many and self._times[-1] - self._times[0] <= LOOP_SECONDS
