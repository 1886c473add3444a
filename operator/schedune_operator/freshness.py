"""Heartbeats: when each node's facts were last vouched for, on our own clock.

A node's clock is never compared with ours: what counts is that *we* saw its Lease
change. After a restart the server's stamp in managedFields stands in for that.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from schedune_kube.client import KubeClient, Raw
from schedune_kube.resources import LEASES
from schedune_kube.times import parse_time

LEASE_NAMESPACE: Final = "schedune-node-lease"
DIGEST_ANNOTATION: Final = "schedune.io/truth-digest"
AGENT: Final = "schedune-agent"
DEFAULT_LEASE_SECONDS: Final = 180


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """One node's Lease as we saw it change."""

    version: str
    seen: datetime
    digest: str
    duration_s: int


class Heartbeats:
    """All nodes' heartbeats."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self._known: dict[str, Heartbeat] = {}

    async def poll(self, now: datetime) -> set[str]:
        """Look at all Leases once; return the nodes whose Lease changed, came or went.

        A Lease that is gone vouches for nothing.
        """
        items, _ = await self._client.list(LEASES, LEASE_NAMESPACE, resource_version="0")
        known = {}
        for lease in items:
            name, version = lease["metadata"]["name"], lease["metadata"]["resourceVersion"]
            held = self._known.get(name)
            if held is not None and held.version == version:
                known[name] = held
            else:
                seen = min(now, agent_wrote(lease) or now) if held is None else now
                known[name] = _heartbeat(lease, version, seen)
        changed = {name for name, beat in known.items() if self._known.get(name) is not beat}
        changed |= self._known.keys() - known.keys()
        self._known = known
        return changed

    def proof(self, node_name: str, digest: str | None) -> datetime | None:
        """Return when exactly these facts were last vouched for."""
        beat = self._known.get(node_name)
        return beat.seen if beat is not None and beat.digest == digest else None

    def last_beat(self, node_name: str) -> datetime | None:
        """Return when the node was last heard of at all."""
        beat = self._known.get(node_name)
        return beat.seen if beat is not None else None

    def lease_seconds(self, node_name: str) -> int:
        """Return how long a heartbeat of the node counts."""
        beat = self._known.get(node_name)
        return beat.duration_s if beat is not None else DEFAULT_LEASE_SECONDS

    def is_silent(self, node_name: str, now: datetime) -> bool:
        """Say whether the node's heartbeat is overdue."""
        beat = self._known.get(node_name)
        return beat is None or (now - beat.seen).total_seconds() > beat.duration_s


def _heartbeat(lease: Raw, version: str, seen: datetime) -> Heartbeat:
    annotations = lease["metadata"].get("annotations") or {}
    spec = lease.get("spec") or {}
    duration = spec.get("leaseDurationSeconds") or DEFAULT_LEASE_SECONDS
    return Heartbeat(version, seen, annotations.get(DIGEST_ANNOTATION, ""), int(duration))


def agent_wrote(obj: Raw) -> datetime | None:
    """Return the server's own stamp of the agent's last write."""
    stamps = [
        parse_time(entry.get("time"))
        for entry in obj["metadata"].get("managedFields") or []
        if entry.get("manager") == AGENT
    ]
    return max((stamp for stamp in stamps if stamp is not None), default=None)
