"""Which cluster an agent is of: asked by its own token, kept, and noticed when it is another."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from schedune_agent.cluster import ClusterIdentity
from schedune_agent.identity import IdentityChangedError
from schedune_kube.client import KubeClient
from schedune_kube.credentials import Credentials
from schedune_kube.errors import ForbiddenError
from schedune_kube.resources import NAMESPACES
from schedune_testing.accounts import bearing, token_of
from schedune_testing.control_plane import ControlPlane

NOWHERE = Credentials("https://127.0.0.1:1")


@pytest.fixture
async def agent(control_plane: ControlPlane, admin: KubeClient) -> AsyncIterator[KubeClient]:
    credentials = bearing(control_plane, await token_of(admin, "of-a-cluster"))
    async with KubeClient(credentials, field_manager="schedune-agent") as client:
        yield client


async def test_an_agent_asks_for_the_uid_of_its_cluster_and_for_no_other_namespace(
    admin: KubeClient, agent: KubeClient, tmp_path: Path
) -> None:
    uid = (await admin.get(NAMESPACES, "kube-system"))["metadata"]["uid"]
    assert await ClusterIdentity(agent, tmp_path).find() == uid
    for name in ("default", "schedune-system"):
        with pytest.raises(ForbiddenError):
            await agent.get(NAMESPACES, name)


async def test_an_agent_that_starts_without_an_api_server_knows_the_cluster_by_what_it_kept(
    agent: KubeClient, tmp_path: Path
) -> None:
    uid = await ClusterIdentity(agent, tmp_path).find()
    async with KubeClient(NOWHERE, field_manager="schedune-agent") as deaf:
        assert await ClusterIdentity(deaf, tmp_path).find() == uid


@pytest.mark.parametrize("kept", [None, b"", b"../../etc", b"\xff\xfe"])
async def test_without_a_word_that_can_be_used_it_waits(tmp_path: Path, kept: bytes | None) -> None:
    if kept is not None:
        (tmp_path / "cluster").write_bytes(kept)
    async with KubeClient(NOWHERE, field_manager="schedune-agent") as deaf:
        asked = asyncio.create_task(ClusterIdentity(deaf, tmp_path).find())
        done, _ = await asyncio.wait([asked], timeout=1)
        assert not done
        asked.cancel()


async def test_another_cluster_behind_the_same_state_ends_the_agent(
    agent: KubeClient, tmp_path: Path
) -> None:
    of_another = "00000000-1111-2222-3333-444444444444"
    (tmp_path / "cluster").write_text(of_another)
    with pytest.raises(IdentityChangedError, match="was cluster 00000000"):
        await ClusterIdentity(agent, tmp_path).confirm(of_another)
    found = await ClusterIdentity(agent, tmp_path).find()
    assert found != of_another
    await ClusterIdentity(agent, tmp_path).confirm(found)
