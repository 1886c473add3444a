"""May a VM be taken for ended without its agent's word? Only when its node is fenced.

Two things are needed, and they come from two sides: somebody asserts that the machine is
off, and the machine itself is silent for as long as its Lease counts. One that speaks
outranks whoever asserts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from schedune.codes import fencing as codes
from schedune.codes.row import Reason
from schedune.fleet.node import OUT_OF_SERVICE


class Assertion(StrEnum):
    """How somebody says that a machine is off."""

    NODE_GONE = "NodeGone"
    OUT_OF_SERVICE = "OutOfService"


@dataclass(frozen=True, slots=True)
class Sighting:
    """What is known of the machine that a placement is bound to; ages in seconds."""

    node_name: str
    node_uid: str
    assertion: Assertion
    asserted_ago: float
    """Since we know of the assertion."""
    renewed_ago: float
    """Since that machine renewed its Lease; inf: we never saw it do so."""
    watched: float
    """Since when we look at the Leases without a gap, so that none was missed."""
    lease: float
    """How long a renewal counts."""
    last_renewed: datetime | None = None
    listed_by: Sequence[str] = ()
    """Nodes that are heard of, and say that a VM of this workload runs on them."""

    @property
    def told(self) -> str:
        """The assertion in words."""
        if self.assertion is Assertion.NODE_GONE:
            return f"no Node has the UID {self.node_uid} ({self.node_name})"
        return f"Node {self.node_name} carries {OUT_OF_SERVICE}"


def judge_fence(sighting: Sighting) -> Reason | None:
    """Say that the VM counts as ended, or that somebody contradicts; None: wait and see.

    Silence before we looked proves nothing: the API server itself may have been away.
    """
    one = sighting
    if one.listed_by:
        names = ", ".join(sorted(one.listed_by))
        return Reason(codes.FENCE_CONTRADICTED, one.told, f"{names} lists a VM of this workload")
    if one.renewed_ago <= one.lease:
        if one.renewed_ago >= one.asserted_ago:
            return None
        return Reason(codes.FENCE_CONTRADICTED, one.told, "the same machine renews its Lease")
    if one.watched <= one.lease:
        return None
    since = f"since {one.last_renewed:%Y-%m-%dT%H:%M:%SZ}" if one.last_renewed else "all the time"
    silence = f"its Lease is silent {since} (limit {one.lease:g} s)"
    return Reason(codes.NODE_FENCED, one.told, silence)
