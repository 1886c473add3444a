"""How a guest is asked to power down: how often, and for how long.

One that still boots does not hear the first time.
"""

import time
from collections.abc import Callable
from typing import Final

GraceLeft = Callable[[], float]
"""How many seconds a guest still has: asked at each look, since an order may be shortened."""


AGAIN_S: Final = 10.0
"""Seldom enough for guests that take many in a short time for an emergency, as systemd does."""


def no_grace() -> float:
    """Give a guest no time."""
    return 0.0


def grace_of(seconds: float) -> GraceLeft:
    """Give a guest so much time from now on."""
    deadline = time.monotonic() + seconds
    return lambda: deadline - time.monotonic()


class Asking:
    """Remembers when the guest was asked."""

    def __init__(self) -> None:
        self.times = 0
        self._last = 0.0

    @property
    def is_due(self) -> bool:
        """Whether the guest is to be asked now."""
        return self.times == 0 or time.monotonic() - self._last >= AGAIN_S

    def asked(self) -> None:
        """Note that the VMM took the question."""
        self.times += 1
        self._last = time.monotonic()
