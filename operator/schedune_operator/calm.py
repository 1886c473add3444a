"""Nodes of which nothing is to be told for a while, unless something about them changes.

Of thousands of nodes hardly any has news between two looks at all of them: what its
conditions depend on are its Node, its NodeTruth, its heartbeat, and the time.
"""

from dataclasses import dataclass

from schedune_kube.client import Raw
from schedune_operator.freshness import Heartbeat, Vouching


@dataclass(frozen=True, slots=True)
class Grounds:
    """What the conditions of one node rest on; each is another object when it changes."""

    node: Raw
    truth: Raw | None
    beat: Heartbeat | None


@dataclass(frozen=True, slots=True)
class Calm:
    """A node whose conditions are right, and say that its facts are fresh."""

    grounds: Grounds
    late_after: float
    """From when on a heartbeat is missed, on the monotonic clock."""
    until: float
    """How long the facts are vouched for."""

    def lasts(self, grounds: Grounds, now: float) -> bool:
        """Say whether nothing is another yet."""
        mine = self.grounds
        return (
            now <= self.until
            and mine.beat is grounds.beat
            and mine.truth is grounds.truth
            and mine.node is grounds.node
        )


def calm_of(grounds: Grounds, vouching: Vouching, digest: str | None) -> Calm | None:
    """Return until when a node whose conditions are right needs no look; None: it does."""
    beat = grounds.beat
    if beat is None or beat.digest != digest or not vouching.is_fresh:
        return None
    late_after = vouching.heard + vouching.lease_s / 2
    return Calm(grounds, late_after, vouching.proved + vouching.lease_s)
