"""May the facts still be believed? Judged when asked, never frozen."""

from collections.abc import Iterable
from datetime import datetime

import numpy as np

from schedune.codes import eligibility as codes
from schedune.codes.row import Reason
from schedune.eligibility.finding import Finding
from schedune.fleet.fleet import Fleet
from schedune.launch.intent import Intent

NEVER_PROVED = -1


def check_known(fleet: Fleet, intent: Intent, now: datetime) -> Iterable[Finding]:
    """Object where there are no facts, or facts of another Node of this name.

    Everything else that would be asked of such a node is unknown for this one cause,
    so the other checks stay silent about it.
    """
    yield Finding(
        "truthKnown",
        codes.TRUTH_MISSING,
        ~fleet.known,
        lambda index: Reason(codes.TRUTH_MISSING, _missing(fleet, index), "a NodeTruth with facts"),
    )


def _missing(fleet: Fleet, index: int) -> str:
    node, facts = fleet.nodes[index], fleet.facts(index)
    if node.truth is None:
        return "there is no NodeTruth"
    if facts is None or facts.identity is None:
        return "its NodeTruth holds no facts yet"
    return f"its NodeTruth is about the Node with UID {facts.identity.node_uid}"


def check_age(fleet: Fleet, intent: Intent, now: datetime) -> Iterable[Finding]:
    """Object where no heartbeat has vouched for the facts within the limit."""
    ages = fleet.truth_age_seconds(now)
    limits = np.minimum(fleet.lease_seconds, intent.spec.placement.max_truth_age_seconds)
    never = ages == NEVER_PROVED
    yield Finding(
        "truthAge",
        codes.TELEMETRY_STALE,
        fleet.known & (never | (ages > limits)),
        lambda index: Reason(
            codes.TELEMETRY_STALE,
            "an unknown time" if never[index] else f"{ages[index]} s",
            f"{limits[index]} s",
        ),
        bound=lambda index: f"a heartbeat comes (limit {limits[index]} s)",
    )
