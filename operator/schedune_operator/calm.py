"""Nodes of which nothing is to be told for a while, unless something about them changes.

Of thousands of nodes hardly any has news between two looks at all of them: what its
conditions depend on are its Node, its NodeTruth, its heartbeat, and the time.
"""

from dataclasses import dataclass

from schedune_kube.client import Raw
from schedune_operator.freshness import Heartbeat


@dataclass(frozen=True, slots=True)
class Grounds:
    """What the conditions of one node rest on; each is another object when it changes."""

    node: Raw
    truth: Raw | None
    beat: Heartbeat | None


@dataclass(frozen=True, slots=True)
class Calm:
    """A node whose conditions are right, and whose heartbeat vouches for its facts."""

    grounds: Grounds
    late_after: float
    """From when on a heartbeat is missed, on the monotonic clock."""
    until: float
    """How long its heartbeat vouches for the facts."""

    def lasting(self, grounds: Grounds, now: float) -> "Calm | None":
        """Return the calm that goes on; None: the node has to be looked at.

        Another heartbeat that vouches for the same facts only makes it longer.
        """
        mine = self.grounds
        if grounds.node is not mine.node or grounds.truth is not mine.truth:
            return None
        if grounds.beat is mine.beat:
            return self if now <= self.until else None
        return calm_of(grounds, mine.beat.digest if mine.beat else None, now)


def calm_of(grounds: Grounds, digest: str | None, now: float) -> Calm | None:
    """Return until when a node whose conditions are right needs no look; None: it does."""
    beat = grounds.beat
    if beat is None or not digest or beat.digest != digest or now - beat.seen > beat.duration_s:
        return None
    return Calm(grounds, beat.seen + beat.duration_s / 2, beat.seen + beat.duration_s)
