"""The world as the operator sees it now, made into the values that the core decides on."""

import logging
from datetime import datetime
from typing import Final

from pydantic import ValidationError

from schedune.api.nodetruth import NodeTruth
from schedune.api.quantity import QuantityError, parse_bytes
from schedune.api.vmplacement import VMPlacement
from schedune.api.vmworkload import LaunchMode
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import ClaimRecord, NodeRecord, Taint
from schedune_kube.client import KubeClient, Raw
from schedune_kube.reflector import Key, OnChange, Reflector
from schedune_kube.resources import NODES, NODETRUTHS, VMPLACEMENTS
from schedune_operator.freshness import Heartbeats, agent_wrote

_LOG: Final = logging.getLogger(__name__)


class World:
    """Mirrors of Nodes, NodeTruths and VMPlacements, and the heartbeats."""

    def __init__(self, client: KubeClient, on_change: OnChange) -> None:
        self.nodes = Reflector(client, NODES, on_change=on_change)
        self.truths = Reflector(client, NODETRUTHS, on_change=on_change)
        self.placements = Reflector(client, VMPLACEMENTS, on_change=on_change)
        self.heartbeats = Heartbeats(client)

    async def wait_until_synced(self) -> None:
        """Return once every mirror holds a whole list."""
        for mirror in (self.nodes, self.truths, self.placements):
            await mirror.synced.wait()

    def placement(self, key: Key) -> VMPlacement | None:
        """Return the placement of a workload's name, whoever's it is."""
        raw = self.placements.store.get(key)
        return _read_placement(raw) if raw is not None else None

    def truth(self, name: str) -> NodeTruth | None:
        """Return what is known of a node; what cannot be read is not known."""
        raw = self.truths.store.get(("", name))
        if raw is None:
            return None
        try:
            return _checked(NodeTruth.model_validate(raw))
        except (ValidationError, QuantityError) as error:
            _LOG.error("truth.unreadable", extra={"node": name, "error": str(error)})
            return None

    def fleet(self) -> Fleet:
        """Return all nodes with what is left of each."""
        return Fleet.of(
            (self._node(raw) for raw in self.nodes.store.values()),
            (claim for claim in map(_claim, self.placements.store.values()) if claim is not None),
        )

    def _node(self, raw: Raw) -> NodeRecord:
        name, spec = raw["metadata"]["name"], raw.get("spec") or {}
        truth = self.truth(name)
        digest = truth.status.digest if truth is not None else None
        return NodeRecord(
            name=name,
            uid=raw["metadata"]["uid"],
            truth=truth,
            last_proof=self._last_proof(name, digest),
            lease_seconds=self.heartbeats.lease_seconds(name),
            node_ready=_is_ready(raw),
            unschedulable=bool(spec.get("unschedulable")),
            labels=raw["metadata"].get("labels") or {},
            taints=tuple(
                Taint(one["key"], one.get("value", ""), one["effect"])
                for one in spec.get("taints") or ()
            ),
        )

    def _last_proof(self, name: str, digest: str | None) -> datetime | None:
        """Return when the facts were vouched for: by a heartbeat, or by being written."""
        raw = self.truths.store.get(("", name))
        written = agent_wrote(raw) if raw is not None and digest is not None else None
        proofs = [one for one in (self.heartbeats.proof(name, digest), written) if one is not None]
        return max(proofs, default=None)

    def is_silent(self, node_name: str, now: datetime) -> bool:
        """Say whether a node's heartbeat is overdue."""
        return self.heartbeats.is_silent(node_name, now)


def _checked(truth: NodeTruth) -> NodeTruth:
    """Return the truth if its numbers are numbers: one node's nonsense stops no decision."""
    if truth.status.capacity is not None:
        parse_bytes(truth.status.capacity.memory)
    return truth


def _read_placement(raw: Raw) -> VMPlacement | None:
    try:
        return VMPlacement.model_validate(raw)
    except ValidationError as error:
        _LOG.error(
            "placement.unreadable", extra={"name": raw["metadata"]["name"], "error": str(error)}
        )
        return None


def _claim(raw: Raw) -> ClaimRecord | None:
    """Return what a placement holds; dry runs and ended ones hold nothing."""
    spec = raw["spec"]
    if spec["mode"] != LaunchMode.EXECUTE.value or (raw.get("status") or {}).get("ended"):
        return None
    claim = spec["claim"]
    memory = parse_bytes(claim["memory"]) + parse_bytes(claim["overheadMemory"])
    return ClaimRecord(spec["nodeName"], raw["metadata"]["uid"], int(claim["vcpus"]), memory)


def _is_ready(raw: Raw) -> bool | None:
    for one in (raw.get("status") or {}).get("conditions") or ():
        if one["type"] == "Ready":
            return {"True": True, "False": False}.get(one["status"])
    return None
