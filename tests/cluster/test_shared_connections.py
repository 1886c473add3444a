"""Several agents in one process on the same connections, each by its own token."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from schedune_kube import client as client_module
from schedune_kube.client import KubeClient
from schedune_kube.connections import Connections
from schedune_kube.credentials import Credentials
from schedune_kube.doorbell import NAMESPACE as BELLS
from schedune_kube.errors import ForbiddenError
from schedune_kube.kubeconfig import from_kubeconfig
from schedune_kube.resources import CONFIGMAPS, LEASES, VMPLACEMENTS
from schedune_testing.accounts import Object, bearing, token_of
from schedune_testing.control_plane import ControlPlane

NODES = ("shared-1", "shared-2", "shared-3")


@pytest.fixture
async def credentials(control_plane: ControlPlane) -> AsyncIterator[dict[str, Credentials]]:
    """The credentials of agents, each by a token that is bound to a pod on its node."""
    admin = from_kubeconfig(control_plane.admin_kubeconfig)
    async with KubeClient(admin, field_manager="test") as client:
        yield {one: bearing(control_plane, await token_of(client, one)) for one in NODES}


def agent(credentials: Credentials, shared: Connections) -> KubeClient:
    return KubeClient(credentials, field_manager="schedune-agent", shared=shared)


def lease(name: str) -> Object:
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name},
        "spec": {"holderIdentity": name},
    }


async def beat(client: KubeClient, name: str) -> None:
    await client.create(LEASES, lease(name), "schedune-node-lease")


async def policies_in_force(client: KubeClient) -> None:
    """Wait: a server that has just started does not yet know the policies it was given."""
    async with asyncio.timeout(20):
        for number in range(1000):
            try:
                await beat(client, f"not-ours-{number}")
            except ForbiddenError:
                return
            await asyncio.sleep(0.2)


async def test_agents_that_share_connections_are_told_apart_by_their_tokens(
    credentials: dict[str, Credentials],
) -> None:
    first, second = credentials[NODES[0]], credentials[NODES[1]]
    async with Connections(first, at_once=1) as shared:
        await policies_in_force(agent(first, shared))
        await beat(agent(first, shared), NODES[0])
        with pytest.raises(ForbiddenError, match=f"agent of node {NODES[0]} may not"):
            await beat(agent(first, shared), NODES[1])
        await beat(agent(second, shared), NODES[1])


async def test_a_watch_takes_no_turn_from_requests(credentials: dict[str, Credentials]) -> None:
    mine = credentials[NODES[0]]
    async with Connections(mine, at_once=1) as shared:
        client = agent(mine, shared)
        _, version = await client.list(CONFIGMAPS, BELLS)
        bells = client.watch(CONFIGMAPS, BELLS, resource_version=version)
        async with aclosing(bells) as events:
            watching = asyncio.ensure_future(anext(events))
            await asyncio.sleep(0.3)
            async with asyncio.timeout(5):
                await client.list(VMPLACEMENTS)
            assert not watching.done()
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


async def test_waiting_for_a_turn_is_not_taken_for_a_silent_server(
    credentials: dict[str, Credentials], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "REQUEST_SECONDS", 2.0)
    mine, patch = credentials["shared-3"], ("shared-3", {"spec": {"holderIdentity": "again"}})
    async with Connections(mine, at_once=1) as shared:
        client = agent(mine, shared)
        await beat(client, "shared-3")
        await shared.turns.acquire()
        waiting = asyncio.create_task(client.list(VMPLACEMENTS))
        beating = asyncio.create_task(client.merge_patch(LEASES, *patch, "schedune-node-lease"))
        await asyncio.sleep(2.5)
        assert not waiting.done()
        assert not beating.done()
        shared.turns.release()
        await asyncio.gather(waiting, beating)


def test_a_certificate_belongs_to_its_connection_and_is_not_shared(tmp_path: Path) -> None:
    tokens = Credentials("https://one.invalid", ca_file=tmp_path / "ca", token="a")
    certified = replace(tokens, token=None, client_certificate=tmp_path / "crt")
    for shared, joins in ((tokens, certified), (certified, tokens)):
        with pytest.raises(ValueError, match="shared by token"):
            agent(joins, Connections(shared))


@pytest.mark.parametrize(
    "other", [{"server": "https://two.invalid"}, {"ca_file": Path("another-ca")}]
)
def test_connections_to_one_server_serve_no_other(
    tmp_path: Path, other: dict[str, str | Path]
) -> None:
    tokens = Credentials("https://one.invalid", ca_file=tmp_path / "ca", token="a")
    with pytest.raises(ValueError, match="same server"):
        agent(replace(tokens, **other), Connections(tokens))  # type: ignore[arg-type]
