"""Nodes of which nothing is to be told for a while, unless something about them changes.

Of thousands of nodes hardly any has news between two looks at all of them: what its
conditions depend on are its Node, its NodeTruth, its heartbeat, and the time.
"""

from dataclasses import dataclass

from schedune.api.nodetruth import NodeTruth
from schedune_kube.client import Raw
from schedune_operator.freshness import Heartbeat


@dataclass(frozen=True, slots=True)
class Grounds:
    """What the conditions of one node rest on; each is another object when it changes."""

    node: Raw
    truth: Raw | None
    beat: Heartbeat | None

    @property
    def name(self) -> str:
        """Return the node's name."""
        return str(self.node["metadata"]["name"])

    @property
    def read(self) -> NodeTruth | None:
        """Return what the node publishes; None: nothing, or nothing that can be read."""
        found: NodeTruth | None = self.truth["read"] if self.truth is not None else None
        return found

    def is_heard(self, now: float) -> bool:
        """Say whether no heartbeat was missed, by the monotonic clock."""
        return self.beat is not None and not self.beat.is_late(now)

    def vouch_for(self, digest: str | None, now: float) -> bool:
        """Say whether the heartbeat vouches for these facts: then right conditions stay right."""
        beat = self.beat
        return bool(digest and beat and beat.digest == digest and not beat.is_silent(now))

    def stay_calm(self, before: "Grounds | None", now: float) -> bool:
        """Say whether there is nothing to be told since grounds on which all was told.

        Another heartbeat that vouches for the same facts is no news.
        """
        return (
            before is not None
            and before.beat is not None
            and before.node is self.node
            and before.truth is self.truth
            and self.vouch_for(before.beat.digest, now)
        )


def says_fresh(truth: NodeTruth) -> bool:
    """Say whether a NodeTruth was last told to be fresh."""
    return any(one.type == "Fresh" and one.status == "True" for one in truth.status.conditions)
