"""The operator's part of a NodeTruth: Fresh and Ready, written on transitions only."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from schedune.api.base import API_VERSION, Condition
from schedune.api.nodetruth import HealthState, NodeTruth
from schedune.codes import eligibility, summary
from schedune.codes.row import Reason
from schedune.fleet.node import NodeRecord
from schedune.lifecycle.situation import Claim
from schedune_kube.client import KubeClient
from schedune_kube.errors import ApiStatusError
from schedune_kube.resources import NODETRUTHS

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class TruthJudge:
    """Says of every truth whether it may be believed, and of every node whether it serves."""

    client: KubeClient
    clock: Callable[[], datetime]

    async def judge(self, nodes: Iterable[NodeRecord]) -> None:
        """Write what changed; a Fresh that only grew older is no change."""
        for node in nodes:
            if node.truth is not None:
                await self._judge(node, node.truth)

    async def _judge(self, node: NodeRecord, truth: NodeTruth) -> None:
        now = self.clock()
        claims = {"Fresh": _fresh(node, now), "Ready": _ready(node, truth, now)}
        held = {one.type: one for one in truth.status.conditions}
        if all(_says(held.get(kind), claim) for kind, claim in claims.items()):
            return
        body = {
            "apiVersion": API_VERSION,
            "kind": "NodeTruth",
            "metadata": {"name": node.name},
            "status": {
                "conditions": [
                    _condition(kind, claim, held.get(kind), truth.metadata.generation, now)
                    for kind, claim in claims.items()
                ]
            },
        }
        try:
            await self.client.apply(NODETRUTHS, node.name, body, subresource="status")
        except ApiStatusError as error:
            # One truth that cannot be written must not keep the others from their VMs.
            _LOG.warning("truth.unwritable", extra={"node": node.name, "error": str(error)})


def _says(held: Condition | None, claim: Claim) -> bool:
    return held is not None and (held.status, held.reason) == (claim.status, claim.row.reason)


def _fresh(node: NodeRecord, now: datetime) -> Claim:
    row = eligibility.TELEMETRY_STALE
    limit = f"{node.lease_seconds} s"
    if node.last_proof is None:
        return Claim("False", row, Reason(row, "an unknown time", limit).message)
    age = (now - node.last_proof).total_seconds()
    if age > node.lease_seconds:
        return Claim(
            "False", row, f"no heartbeat since {node.last_proof:%Y-%m-%dT%H:%M:%SZ} (limit {limit})"
        )
    return Claim("True", summary.TRUTH_FRESH, summary.TRUTH_FRESH.sentence)


def _ready(node: NodeRecord, truth: NodeTruth, now: datetime) -> Claim:
    fresh = _fresh(node, now)
    if fresh.status != "True":
        return Claim("Unknown", fresh.row, fresh.message)
    health = truth.status.health
    if health is None or health.state not in (HealthState.HEALTHY, HealthState.WARNING):
        state = health.state.value if health else "Unknown"
        return Claim("False", eligibility.NODE_UNHEALTHY, f"health is {state}")
    if node.unschedulable or truth.spec.scheduling.value != "Enabled":
        return Claim("False", eligibility.NODE_CORDONED, "the node takes no new VMs")
    return Claim("True", summary.NODE_USABLE, summary.NODE_USABLE.sentence)


def _condition(
    kind: str, claim: Claim, held: Condition | None, generation: int, now: datetime
) -> dict[str, object]:
    since = held.last_transition_time if held and held.status == claim.status else now
    return Condition(
        type=kind,
        status=claim.status,
        reason=claim.row.reason,
        message=claim.message,
        observed_generation=generation,
        last_transition_time=since,
    ).render()
