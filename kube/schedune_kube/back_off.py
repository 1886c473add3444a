"""How long to wait after a failure: longer each time, at random, never less than asked for."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from schedune_kube.errors import ApiError, ApiUnavailableError

_MOST_DOUBLINGS: Final = 16


@dataclass
class BackOff:
    """Full jitter: thousands that failed together come back one by one."""

    shortest_s: float
    longest_s: float
    chance: Callable[[], float] = random.random
    _failures: int = field(default=0, init=False)

    @property
    def failing(self) -> bool:
        """Whether the last try failed."""
        return self._failures > 0

    def failed(self, error: ApiError) -> float:
        """Return how many seconds to wait now."""
        doubled: float = self.shortest_s * 2.0 ** min(self._failures, _MOST_DOUBLINGS)
        most = min(doubled, self.longest_s)
        self._failures += 1
        asked = error.retry_after_s if isinstance(error, ApiUnavailableError) else 0.0
        # A server that says when knows better than we do: then only its own time is spread.
        return asked + (min(most, asked) if asked else most) * self.chance()

    def succeeded(self) -> None:
        """Begin anew."""
        self._failures = 0
