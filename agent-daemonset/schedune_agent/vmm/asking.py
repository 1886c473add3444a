"""How often a guest is asked to power down: one that still boots does not hear the first time."""

import time
from typing import Final

AGAIN_S: Final = 10.0
"""Seldom enough for guests that take many in a short time for an emergency, as systemd does."""


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
