"""Many nodes silent at once: more likely we are deaf than they are dead."""

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

    def observe(
        self,
        fresh: AbstractSet[str],
        known: AbstractSet[str],
        now: float,
        believed: AbstractSet[str],
    ) -> None:
        """Take in who is heard now, of all who have a truth.

        ``believed`` are those whose published condition says that they are: after a restart
        that is all we know of who was heard before.
        """
        before = believed if self._heard is None else self._heard
        self._fell.update(dict.fromkeys((before - fresh) & known, now))
        self._fell = {
            name: when for name, when in self._fell.items() if name in known and name not in fresh
        }
        self._heard = frozenset(fresh)
        if self.withheld:
            silent = frozenset(self._fell) if now - self._since <= self.longest_s else frozenset()
        else:
            silent = frozenset(n for n, when in self._fell.items() if now - when <= _WINDOW_S)
        if len(silent) < self.least or len(silent) <= len(fresh):
            self.withheld = frozenset()
            return
        if not self.withheld:
            self._since, self.total = now, len(silent) + len(fresh)
        self.withheld = silent
