"""Many nodes silent at once: more likely we are deaf than they are dead.

A node counts as soon as it missed a heartbeat: when the first Lease runs out, all that
share the cause are late already, and none of them is told on its own.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final

_WINDOW_S: Final = 120.0
"""What falls silent within this counts as falling silent at once: heartbeats are spread over a
minute, and so is the end of what they vouched for."""


@dataclass
class OutageWatch:
    """Recognises that more than half of the nodes fell silent at once (seconds, monotonic)."""

    least: int
    """Of fewer nodes each is told by itself."""
    longest_s: float
    """After this the silence is told whatever its cause: a condition must not lie for ever."""
    withheld: frozenset[str] = frozenset()
    """Nodes whose silence is taken as our own deafness now."""
    total: int = 0
    """How many nodes were heard before."""
    _heard: frozenset[str] | None = None
    _fell: dict[str, float] = field(default_factory=dict)
    _since: float = 0.0
    _worst_at: float = 0.0
    """When more than half were silent for the last time."""

    def observe(
        self,
        heard: AbstractSet[str],
        known: AbstractSet[str],
        now: float,
        believed: AbstractSet[str],
    ) -> None:
        """Take in whose heartbeats come as they should, of all who have a truth.

        ``believed`` are those whose published condition says that they are fresh: after a
        restart that is all we know of who was heard before.
        """
        before = believed if self._heard is None else self._heard
        self._fell.update(dict.fromkeys((before - heard) & known, now))
        self._fell = {
            name: when for name, when in self._fell.items() if name in known and name not in heard
        }
        self._heard = frozenset(heard)
        at_once = frozenset(n for n, when in self._fell.items() if now - when <= _WINDOW_S)
        if self.withheld:
            self._go_on(len(heard), now)
        elif len(at_once) >= self.least and len(at_once) > len(heard):
            self._since = self._worst_at = now
            self.total = len(at_once) + len(heard)
            self.withheld = at_once

    def _go_on(self, heard: int, now: float) -> None:
        """Withhold who is silent still: when half is back, the others get a while to come."""
        silent = frozenset(self._fell)
        if len(silent) > heard:
            self._worst_at = now
        is_over = now - self._worst_at > _WINDOW_S or now - self._since > self.longest_s
        self.withheld = frozenset() if is_over else silent
