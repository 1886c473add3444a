"""Where workloads and nodes stand, in the few words that metrics and the fleet page use."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from schedune.api.nodetruth import HealthState
from schedune.codes import summary
from schedune.codes.table import TABLE
from schedune.fleet.profile import NEVER, NodeProfile
from schedune_kube.client import Raw

_SECOND_US: Final = 1_000_000
_SOUND: Final = (HealthState.HEALTHY.value, HealthState.WARNING.value)
_BY_REASON: Final = {row.reason: row.code for row in TABLE.values()}
_UNPLACEABLE: Final = {summary.NO_ELIGIBLE_NODE.reason, summary.BACKING_OFF.reason}
_TOLD_BY_NODES: Final = 64
"""What is counted of one workload's codes; its evaluation holds fewer."""


class WorkloadState(StrEnum):
    """What a workload is doing."""

    DECIDING = "deciding"
    """Just seen, or changed and not looked at yet."""
    WAITING = "waiting"
    """Without a node, before its deadline."""
    STARTING = "starting"
    """Bound to a node and not ready."""
    READY = "ready"
    """As its user asked, finished ones too."""
    STALLED = "stalled"
    """Nothing happens until somebody changes something."""
    UNKNOWN = "unknown"
    """Bound to a node of which nothing is heard."""
    ENDING = "ending"
    """Deleted, and its VM not proved gone."""


class NodeState(StrEnum):
    """What a node is to VMs."""

    ELIGIBLE = "eligible"
    """Takes new VMs."""
    CORDONED = "cordoned"
    """Takes none because somebody said so."""
    DEGRADED = "degraded"
    """Takes none because something is wrong with it."""
    STALE = "stale"
    """Its heartbeat is overdue, or vouches for other facts."""
    UNKNOWN = "unknown"
    """Nothing is known of it, or nothing any more."""


def workload_state(raw: Raw) -> WorkloadState:
    """Read what the operator wrote on a workload."""
    metadata, status = raw["metadata"], raw.get("status") or {}
    if metadata.get("deletionTimestamp"):
        return WorkloadState.ENDING
    held = {one["type"]: one for one in status.get("conditions") or ()}
    ready = held.get("Ready")
    if ready is None or status.get("observedGeneration") != metadata.get("generation"):
        return WorkloadState.DECIDING
    if held.get("Stalled", {}).get("status") == "True":
        return WorkloadState.STALLED
    if ready["status"] == "True":
        return WorkloadState.READY
    if not status.get("placementUID"):
        return WorkloadState.WAITING
    return WorkloadState.UNKNOWN if ready["status"] == "Unknown" else WorkloadState.STARTING


def codes_against(raw: Raw, state: WorkloadState) -> Iterator[str]:
    """Give each code that keeps a workload from having a node, once."""
    status = raw.get("status") or {}
    if state not in (WorkloadState.WAITING, WorkloadState.STALLED) or status.get("placementUID"):
        return
    reason = str(status.get("reason") or "")
    if reason not in _UNPLACEABLE:
        if reason in _BY_REASON:
            yield _BY_REASON[reason]
        return
    counted = (status.get("evaluation") or {}).get("codes") or ()
    yield from sorted({str(one["code"]) for one in counted[:_TOLD_BY_NODES]} & TABLE.keys())


def proof_age_s(node: NodeProfile, now_us: int) -> float | None:
    """Return how long ago a node's facts were vouched for; None: nobody knows."""
    return None if node.last_proof == NEVER else max(0, now_us - node.last_proof) / _SECOND_US


def node_state(node: NodeProfile, now_us: int, expire_s: float) -> NodeState:
    """Judge a node as the operator last knew it, at a moment in microseconds."""
    age = proof_age_s(node, now_us)
    if node.facts is None or age is None or age > max(expire_s, node.lease_seconds):
        return NodeState.UNKNOWN
    if age > node.lease_seconds:
        return NodeState.STALE
    if node.unschedulable or node.scheduling != "Enabled":
        return NodeState.CORDONED
    if node.node_ready is not True or node.facts.health not in _SOUND:
        return NodeState.DEGRADED
    return NodeState.ELIGIBLE
