"""A node's publisher on a real API server, by a real pod-bound token; only its facts are told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from schedune.api.nodetruth import LiveVM, NodeTruthStatus
from schedune_agent.identity import NodeIdentity
from schedune_agent.settings import AgentSettings
from schedune_agent.truth import TruthPublisher
from schedune_kube.client import KubeClient
from schedune_kube.errors import NotFoundError
from schedune_kube.resources import LEASES, NODES, NODETRUTHS
from schedune_testing.accounts import Object, bearing, token_of
from schedune_testing.control_plane import ControlPlane
from schedune_testing.nodes import facts

LEASES_OF_NODES = "schedune-node-lease"
DIGEST = "schedune.io/truth-digest"
QUICK: dict[str, Any] = {
    "heartbeatSeconds": 0.5,
    "leaseDurationSeconds": 2,
    "probePeriodSeconds": 0.3,
    "writeGapSeconds": 0.5,
    "firstDelaySeconds": 0,
}
"""Settings with which a test takes seconds."""


class CountingClient(KubeClient):
    """Remembers what it sends: methods and paths."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.sent: list[tuple[str, str]] = []

    async def _ask(self, method: str, path: str, *arguments: Any, **options: Any) -> Any:
        self.sent.append((method, path))
        return await super()._ask(method, path, *arguments, **options)

    def truths_written(self) -> int:
        """Return how many times a status was applied."""
        return sum(method == "PATCH" and "/nodetruths/" in path for method, path in self.sent)


@dataclass
class Told:
    """Facts as the test tells them; observed whenever they are asked for."""

    name: str
    node_uid: str
    clock: Callable[[], datetime]
    machine_id: str = "m"
    status: dict[str, Any] = field(default_factory=dict)
    not_seen_again: set[str] = field(default_factory=set)
    """Capabilities that keep the time at which the test says they were observed."""
    rounds: int = 0

    async def take_facts(self) -> NodeTruthStatus:
        """Return what the node sees now, dated by its own clock."""
        self.rounds += 1
        identity = {**facts(self.name)["identity"], "nodeUID": self.node_uid}
        told = facts(self.name, identity={**identity, "machineID": self.machine_id}, **self.status)
        moment = self.clock().strftime("%Y-%m-%dT%H:%M:%SZ")
        seen = [
            one if one["name"] in self.not_seen_again else {**one, "observedTime": moment}
            for one in told["capabilities"]
        ]
        told = {key: one for key, one in told.items() if key != "digest"}
        return NodeTruthStatus.model_validate(
            {**told, "capabilities": seen, "observedTime": moment}
        )


@dataclass
class PublishingAgent:
    """One node's publisher, running."""

    name: str
    node_uid: str
    told: Told
    client: CountingClient
    publisher: TruthPublisher
    live: list[LiveVM]


@asynccontextmanager
async def publishing(
    control_plane: ControlPlane,
    admin: KubeClient,
    name: str,
    *,
    machine_id: str = "m",
    clock_ahead: timedelta = timedelta(0),
    settings: dict[str, Any] | None = None,
    **status: Any,
) -> AsyncIterator[PublishingAgent]:
    """Run the publisher of a node whose clock may be ahead, as long as the context lasts."""
    token = await token_of(admin, name)
    node = await make_usable(admin, name)

    def clock() -> datetime:
        return datetime.now(UTC) + clock_ahead

    uid, server = node["metadata"]["uid"], f"https://127.0.0.1:{control_plane.layout.server_port}"
    told = Told(name, uid, clock, machine_id, status)
    kubernetes = {"server": server, "caFile": "/unused", "tokenFile": "/unused"}
    read = AgentSettings.model_validate(
        {"kubernetes": kubernetes, "clusterUID": "cluster-of-tests", **QUICK, **(settings or {})}
    )
    credentials = bearing(control_plane, token)
    async with CountingClient(credentials, field_manager="schedune-agent") as client:
        live: list[LiveVM] = []
        publisher = TruthPublisher(
            client,
            read,
            NodeIdentity(name, uid, machine_id, "boot"),
            told,
            live_vms=lambda: live,
            orphans=list,
            orders=list,
            clock=clock,
        )
        task = asyncio.create_task(publisher.run())
        try:
            yield PublishingAgent(name, uid, told, client, publisher, live)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def make_usable(admin: KubeClient, name: str) -> Object:
    """Let a Node be Ready and without the taint that every new one gets."""
    ready = {"type": "Ready", "status": "True", "reason": "Test", "message": "ready"}
    conditions = {"status": {"conditions": [ready]}}
    await admin.merge_patch(NODES, name, conditions, subresource="status")
    return await admin.merge_patch(NODES, name, {"spec": {"taints": None}})


async def truth_of(admin: KubeClient, name: str) -> Object:
    """Return a node's truth; empty where there is none."""
    try:
        return await admin.get(NODETRUTHS, name)
    except NotFoundError:
        return {}


async def vouched_by_lease(admin: KubeClient, name: str) -> str | None:
    """Return the digest that a node's Lease repeats; None: there is no Lease."""
    try:
        lease = await admin.get(LEASES, name, LEASES_OF_NODES)
    except NotFoundError:
        return None
    return str(lease["metadata"].get("annotations", {}).get(DIGEST))


def condition(truth: Object, kind: str) -> Object:
    """Return one condition of a truth; empty where it is not there."""
    held = truth.get("status", {}).get("conditions", [])
    return next((dict(one) for one in held if one["type"] == kind), {})
