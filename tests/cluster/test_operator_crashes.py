"""The operator dies before or after any of its writes; the next one finds its way.

What is deleted, replaced or lost in between is on a real API server; the part of the
node's agent is played by its own token, so that every write is one that the server allows.
"""

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from schedune.api.scheduling_policy import SchedulingPolicy
from schedune.api.vmplacement import FINALIZER
from schedune_kube.client import KubeClient
from schedune_kube.errors import AlreadyExistsError, NotFoundError
from schedune_kube.events import EventRecorder
from schedune_kube.kubeconfig import from_kubeconfig
from schedune_kube.resources import LEASES, NODES, NODETRUTHS, VMPLACEMENTS, VMWORKLOADS
from schedune_operator.agenda import Agenda
from schedune_operator.cache import WorkloadCache
from schedune_operator.draining import Drains
from schedune_operator.fencing import Fencing
from schedune_operator.holds import Holds
from schedune_operator.reconciler import Reconciler
from schedune_operator.world import World
from schedune_testing.accounts import Object, bearing, ensure, owned_truth, token_of
from schedune_testing.control_plane import ControlPlane
from schedune_testing.manifests import minimal_workload
from schedune_testing.nodes import facts

NODE = "crash-node"
POLICY = SchedulingPolicy(failure_back_off_seconds=1)
MOST_TURNS = 60
_WRITES = frozenset({"POST", "PATCH", "PUT", "DELETE"})


class Died(BaseException):
    """The operator was killed."""


@dataclass
class Death:
    """When the operator dies: before or after its n-th write."""

    write: int
    after: bool
    seen: int = field(default=0)


class MortalClient(KubeClient):
    """The operator's client, which takes the operator with it."""

    death: Death | None = None

    async def _ask(self, method: str, *arguments: Any, **options: Any) -> Any:
        death = self.death
        counted = death is not None and method in _WRITES
        if death is not None and counted:
            death.seen += 1
            if death.seen == death.write and not death.after:
                raise Died
        answer = await super()._ask(method, *arguments, **options)
        if death is not None and counted and death.seen == death.write:
            raise Died
        return answer


@dataclass
class Stage:
    """The control plane, and who speaks to it."""

    admin: KubeClient
    agent: KubeClient
    operator: MortalClient

    async def turn(self, name: str) -> None:
        """Let an operator start, look at one workload, and be gone."""
        cache = WorkloadCache()
        world = World(self.operator, lambda: None, cache.peer_of, lambda: datetime.now(UTC))
        for mirror in (world.nodes, world.truths, world.placements):
            await mirror._relist()
        await world.heartbeats.poll()
        reconciler = Reconciler(
            self.operator,
            world,
            EventRecorder(self.operator, "schedune-operator", lambda: datetime.now(UTC)),
            lambda: datetime.now(UTC),
            lambda: 1,
            cache.absorb,
            POLICY,
            Agenda(world, cache, POLICY),
            Fencing(world),
            Drains(world, Holds(world, POLICY, lambda: datetime.now(UTC)), 4),
        )
        try:
            raw: Object | None = await self.admin.get(VMWORKLOADS, name, "default")
        except NotFoundError:
            raw = None
        await reconciler.reconcile(("default", name), raw)

    async def placement(self, name: str) -> Object | None:
        """Return the placement of a name."""
        try:
            return await self.admin.get(VMPLACEMENTS, name, "default")
        except NotFoundError:
            return None

    async def play_agent(self, name: str) -> None:
        """Fail the first attempt, end what is deleted, and let go of it."""
        found = await self.placement(name)
        if found is None:
            return
        metadata = found["metadata"]
        is_deleted = bool(metadata.get("deletionTimestamp"))
        has_ended = bool(found.get("status", {}).get("ended"))
        if not has_ended and (is_deleted or found["spec"]["attempt"] == 1):
            ended = {"time": "2026-11-24T12:00:00Z", "reason": "SpawnFailed"}
            status = {"state": "Failed", "ended": ended}
            patch = {"metadata": {"uid": metadata["uid"]}, "status": status}
            await self.agent.merge_patch(VMPLACEMENTS, name, patch, "default", subresource="status")
        elif is_deleted and FINALIZER in metadata.get("finalizers", []):
            patch = {"metadata": {"uid": metadata["uid"], "finalizers": []}}
            await self.agent.merge_patch(VMPLACEMENTS, name, patch, "default")


@pytest.fixture
async def stage(control_plane: ControlPlane) -> AsyncIterator[Stage]:
    """Bring in one node with fresh facts, an agent for it, and an operator that may die."""
    credentials = from_kubeconfig(control_plane.admin_kubeconfig)
    async with KubeClient(credentials, field_manager="test") as admin:
        agent_token = await token_of(admin, NODE)
        operator_token = await token_of(admin, None, "schedune-operator")
        async with (
            KubeClient(
                bearing(control_plane, agent_token), field_manager="schedune-agent"
            ) as agent,
            MortalClient(
                bearing(control_plane, operator_token), field_manager="schedune-operator"
            ) as operator,
        ):
            await publish_node(admin, agent)
            yield Stage(admin, agent, operator)


async def publish_node(admin: KubeClient, agent: KubeClient) -> None:
    node = await admin.get(NODES, NODE)
    ready = {"type": "Ready", "status": "True", "reason": "Test", "message": "ready"}
    conditions = {"status": {"conditions": [ready]}}
    await admin.merge_patch(NODES, NODE, conditions, subresource="status")
    await admin.merge_patch(NODES, NODE, {"spec": {"taints": None}})
    kernel = {**facts(NODE)["artifacts"][0], "name": "linux"}
    identity = {**facts(NODE)["identity"], "nodeUID": node["metadata"]["uid"]}
    capacity = {"vcpus": 64, "memory": "64Gi", "basis": "Declared"}
    status = facts(NODE, artifacts=[kernel], identity=identity, capacity=capacity)
    truth = {
        "apiVersion": "schedune.io/v1alpha1",
        "kind": "NodeTruth",
        "metadata": {"name": NODE},
    }
    await ensure(agent, NODETRUTHS, owned_truth(NODE, node["metadata"]["uid"]))
    await agent.apply(NODETRUTHS, NODE, {**truth, "status": status}, subresource="status")
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": NODE,
            "annotations": {"schedune.io/truth-digest": status["digest"]},
        },
        "spec": {"holderIdentity": "m", "leaseDurationSeconds": 600},
    }
    with suppress(AlreadyExistsError):
        await agent.create(LEASES, lease, "schedune-node-lease")


async def live_through(stage: Stage, name: str, death: Death | None) -> bool:
    """Place, fail, place again, delete; say whether the operator died on the way."""
    await stage.admin.create(VMWORKLOADS, minimal_workload(name), "default")
    stage.operator.death = death
    died = False
    for _ in range(MOST_TURNS):
        try:
            await stage.turn(name)
        except Died:
            died, stage.operator.death = True, None
        await stage.play_agent(name)
        placed = await stage.placement(name)
        if placed is not None and placed["spec"]["attempt"] == 2:
            break
    stage.operator.death = None
    await stage.turn(name)
    return died


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_killed_at_any_write_the_next_operator_goes_on_where_it_was(
    stage: Stage, after: bool
) -> None:
    write = 0
    died = True
    while died:
        write += 1
        name = f"crash-{'after' if after else 'before'}-{write}"
        died = await live_through(stage, name, Death(write, after))
        status = (await stage.admin.get(VMWORKLOADS, name, "default"))["status"]
        placed = await stage.placement(name)
        assert placed is not None, name
        assert placed["spec"]["attempt"] == 2, name
        assert [one["attempt"] for one in status["history"]] == [1], name
        assert status["history"][0]["exitReason"] == "SpawnFailed", name
        assert status["history"][0]["placementUID"] != placed["metadata"]["uid"], name
        assert status["placementUID"] == placed["metadata"]["uid"], name
        await clean(stage, name)
    assert write > 5, "the story has more writes than that"


async def clean(stage: Stage, name: str) -> None:
    await stage.admin.delete(VMWORKLOADS, name, "default", propagation="Orphan")
    placed = await stage.placement(name)
    if placed is not None:
        await stage.admin.delete(VMPLACEMENTS, name, "default")
        await stage.play_agent(name)  # ends it
        await stage.play_agent(name)  # lets go of it
