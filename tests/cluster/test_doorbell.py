"""An agent learns of its placements by its node's bell, and the leader rings whoever changed them.

Lists are as rare here as they ship: what an agent knows in these tests it was rung for.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from schedune.api.vmplacement import FINALIZER
from schedune_kube.client import KubeClient, Raw
from schedune_kube.doorbell import NAMESPACE, CalledMirror, bell_name
from schedune_kube.errors import NotFoundError
from schedune_kube.kubeconfig import from_kubeconfig
from schedune_kube.reflector import Key
from schedune_kube.resources import CONFIGMAPS, NODES, VMPLACEMENTS
from schedune_testing.accounts import bearing, ensure, token_of
from schedune_testing.control_plane import ControlPlane
from schedune_testing.manifests import placement
from schedune_testing.operators import operating

NODE = "bell-node"


@dataclass
class Agent:
    """What an agent on the node knows, and how it came to know it."""

    mirror: CalledMirror
    client: "CountingLists"
    heard: list[tuple[str, bool]] = field(default_factory=list)

    def knows(self, name: str) -> bool:
        return ("default", name) in self.mirror.store


class CountingLists(KubeClient):
    """Counts how often placements are listed."""

    lists = 0

    async def list(self, resource: Any, *arguments: Any, **options: Any) -> Any:
        self.lists += resource is VMPLACEMENTS
        return await super().list(resource, *arguments, **options)


@pytest.fixture
async def admin(control_plane: ControlPlane) -> AsyncIterator[KubeClient]:
    credentials = from_kubeconfig(control_plane.admin_kubeconfig)
    async with KubeClient(credentials, field_manager="test") as found:
        yield found


@pytest.fixture
async def operator(control_plane: ControlPlane, admin: KubeClient) -> AsyncIterator[KubeClient]:
    credentials = bearing(control_plane, await token_of(admin, None, "schedune-operator"))
    async with KubeClient(credentials, field_manager="schedune-operator") as found:
        yield found


@pytest.fixture
async def agent(control_plane: ControlPlane, admin: KubeClient) -> AsyncIterator[Agent]:
    await ensure(admin, NODES, {"metadata": {"name": NODE}})
    credentials = bearing(control_plane, await token_of(admin, NODE))
    async with CountingLists(credentials, field_manager="schedune-agent") as client:
        heard: list[tuple[str, bool]] = []

        def note(key: Key, raw: Raw | None) -> None:
            heard.append((key[1], raw is not None))

        mirror = CalledMirror(
            client,
            NODE,
            on_change=note,
            list_s=3600,
            list_without_bell_s=3600,
        )
        task = asyncio.create_task(mirror.run())
        await asyncio.wait_for(mirror.synced.wait(), 30)
        yield Agent(mirror, client, heard)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def place(operator: KubeClient, name: str, node: str = NODE) -> Raw:
    body = placement()
    body["metadata"] = {"name": name, "namespace": "default", "finalizers": [FINALIZER]}
    body["spec"]["nodeName"] = node
    return await operator.create(VMPLACEMENTS, body, "default")


async def until(question: Any, limit_s: float = 60.0) -> None:
    async with asyncio.timeout(limit_s):
        while True:
            if question():
                return
            await asyncio.sleep(0.05)


async def hung(admin: KubeClient, name: str) -> None:
    """Return once the bell is there and names a placement."""
    async with asyncio.timeout(20):
        while True:
            with suppress(NotFoundError):
                bell = await admin.get(CONFIGMAPS, bell_name(NODE), NAMESPACE)
                if name in bell["data"]["rings"]:
                    return
            await asyncio.sleep(0.1)


async def remove(admin: KubeClient, name: str) -> None:
    finalizers = {"metadata": {"finalizers": None}}
    await admin.merge_patch(VMPLACEMENTS, name, finalizers, "default")
    try:
        await admin.delete(VMPLACEMENTS, name, "default")
    except NotFoundError:
        return


async def test_whoever_changes_a_placement_its_agent_hears_of_it(
    control_plane: ControlPlane, admin: KubeClient, operator: KubeClient, agent: Agent
) -> None:
    before = agent.client.lists
    async with operating(control_plane, admin) as leader:
        await until(leader.elector.leading)
        await place(operator, "rung")
        await until(lambda: agent.knows("rung"))
        await place(operator, "not-ours", "another-node")
        await admin.delete(VMPLACEMENTS, "rung", "default")

        def is_deleted() -> bool:
            held = agent.mirror.store.get(("default", "rung"), {"metadata": {}})
            return bool(held["metadata"].get("deletionTimestamp"))

        await until(is_deleted)
        await remove(admin, "rung")
        await until(lambda: not agent.knows("rung"))
        assert not agent.knows("not-ours")
        await remove(admin, "not-ours")
    assert agent.client.lists == before, "it was rung for everything"
    bell = await admin.get(CONFIGMAPS, bell_name(NODE), NAMESPACE)
    assert bell["metadata"]["ownerReferences"][0]["name"] == NODE


async def test_a_new_leader_rings_for_what_an_earlier_one_left_unsaid(
    control_plane: ControlPlane, admin: KubeClient, operator: KubeClient, agent: Agent
) -> None:
    await place(operator, "unsaid")
    await asyncio.sleep(1)
    assert not agent.knows("unsaid")
    async with operating(control_plane, admin):
        await until(lambda: agent.knows("unsaid"))
    await remove(admin, "unsaid")


async def test_a_bell_that_somebody_took_away_is_hung_anew(
    control_plane: ControlPlane, admin: KubeClient, operator: KubeClient, agent: Agent
) -> None:
    async with operating(control_plane, admin):
        await place(operator, "before")
        await until(lambda: agent.knows("before"))
        await admin.delete(CONFIGMAPS, bell_name(NODE), NAMESPACE)
        await place(operator, "after")
        await until(lambda: agent.knows("after"))
        await hung(admin, "after")
    for name in ("before", "after"):
        await remove(admin, name)


async def test_an_agent_that_missed_rings_or_finds_another_bell_lists(
    admin: KubeClient, operator: KubeClient, agent: Agent
) -> None:
    for name in ("missed-1", "missed-2"):
        await place(operator, name)
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": bell_name(NODE)}}
    await ensure(admin, CONFIGMAPS, body, NAMESPACE)
    told = {"data": {"rings": '[[900,"default","missed-1"]]'}}
    await admin.merge_patch(CONFIGMAPS, bell_name(NODE), told, NAMESPACE)
    await until(lambda: agent.knows("missed-1") and agent.knows("missed-2"))
    for name in ("missed-1", "missed-2"):
        await remove(admin, name)


async def test_an_agent_may_not_ring(control_plane: ControlPlane, admin: KubeClient) -> None:
    await ensure(admin, NODES, {"metadata": {"name": NODE}})
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": bell_name(NODE)}}
    await ensure(admin, CONFIGMAPS, body, NAMESPACE)
    credentials = bearing(control_plane, await token_of(admin, NODE))
    async with KubeClient(credentials, field_manager="schedune-agent") as client:
        with pytest.raises(Exception, match="cannot patch resource"):
            await client.merge_patch(CONFIGMAPS, bell_name(NODE), {"data": {}}, NAMESPACE)
