"""A node's truth on a real API server, by its own pod-bound token, whatever is done to it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from schedune.api.nodetruth import LiveVM
from schedune_kube.client import KubeClient
from schedune_kube.errors import ConflictError
from schedune_kube.resources import LEASES, NODES, NODETRUTHS
from schedune_testing.accounts import bearing, ensure, token_of
from schedune_testing.agents import (
    LEASES_OF_NODES,
    PublishingAgent,
    publishing,
    truth_of,
    vouched_by_lease,
)
from schedune_testing.control_plane import ControlPlane
from schedune_testing.nodes import facts

Object = dict[str, Any]
Publish = Callable[..., Any]


@pytest.fixture
def publish(control_plane: ControlPlane, admin: KubeClient) -> Publish:
    return lambda name, **options: publishing(control_plane, admin, name, **options)


async def until(question: Callable[[], Awaitable[object]], limit_s: float = 15.0) -> float:
    """Return after how many seconds the answer was yes."""
    start = time.monotonic()
    while not await question():
        assert time.monotonic() < start + limit_s, "waited in vain"
        await asyncio.sleep(0.05)
    return time.monotonic() - start


async def is_vouched_for(admin: KubeClient, name: str) -> bool:
    truth = await truth_of(admin, name)
    digest = truth.get("status", {}).get("digest")
    return digest is not None and await vouched_by_lease(admin, name) == digest


async def vouched(admin: KubeClient, name: str) -> Object:
    """Return the truth, once a heartbeat vouches for it."""
    await until(lambda: is_vouched_for(admin, name))
    return await truth_of(admin, name)


async def version_of_lease(admin: KubeClient, name: str) -> str:
    lease = await admin.get(LEASES, name, LEASES_OF_NODES)
    return str(lease["metadata"]["resourceVersion"])


async def test_at_rest_the_heartbeat_beats_and_the_truth_is_left_alone(
    admin: KubeClient, publish: Publish
) -> None:
    async with publish("rest") as agent:
        before = (await vouched(admin, "rest"))["metadata"]["resourceVersion"]
        beats = {await version_of_lease(admin, "rest")}
        rounds = agent.told.rounds

        async def beat_twice() -> bool:
            beats.add(await version_of_lease(admin, "rest"))
            return len(beats) > 2

        await until(beat_twice)
        assert agent.told.rounds > rounds + 1
        assert (await truth_of(admin, "rest"))["metadata"]["resourceVersion"] == before
        assert agent.client.truths_written() == 1


async def test_a_fact_that_changes_is_published_and_vouched_for(
    admin: KubeClient, publish: Publish
) -> None:
    async with publish("change") as agent:
        before = (await vouched(admin, "change"))["status"]["digest"]
        agent.told.status["cpu"] = {"architecture": "amd64", "cores": 9}

        async def is_published() -> bool:
            return (await truth_of(admin, "change"))["status"]["cpu"]["cores"] == 9

        await until(is_published)
        assert (await vouched(admin, "change"))["status"]["digest"] != before


async def test_facts_that_change_all_the_time_are_written_at_a_pace_and_the_latest_wins(
    admin: KubeClient, publish: Publish
) -> None:
    quick = {"probePeriodSeconds": 0.02, "writeGapSeconds": 1, "writeBurst": 2}
    async with publish("noise", settings=quick) as agent:
        await vouched(admin, "noise")
        start = time.monotonic()
        cores = 100
        while time.monotonic() < start + 3:
            cores += 1
            agent.told.status["cpu"] = {"architecture": "amd64", "cores": cores}
            await asyncio.sleep(0.02)
        assert cores > 150
        assert agent.client.truths_written() <= 2 + 3 + 1

        async def is_latest() -> bool:
            return (await truth_of(admin, "noise"))["status"]["cpu"]["cores"] == cores

        await until(is_latest, 3)


async def test_live_vms_are_told_at_once_and_change_no_digest(
    admin: KubeClient, publish: Publish
) -> None:
    slow = {"probePeriodSeconds": 60}
    async with publish("live", settings=slow) as agent:
        before = (await vouched(admin, "live"))["status"]["digest"]
        named = {"placementUID": "p", "workloadUID": "w", "namespace": "default", "name": "vm"}
        agent.live.append(LiveVM.model_validate(named))
        agent.publisher.nudge()

        async def is_told() -> bool:
            return (await truth_of(admin, "live"))["status"].get("liveVMs") == [named]

        await until(is_told, 2)
        agent.live.clear()
        await agent.publisher.withdraw("p")
        after = (await truth_of(admin, "live"))["status"]
        assert "liveVMs" not in after
        assert after["digest"] == before


async def test_a_truth_that_is_deleted_comes_back_as_its_nodes(
    admin: KubeClient, publish: Publish
) -> None:
    async with publish("deleted") as agent:
        before = (await vouched(admin, "deleted"))["metadata"]["uid"]
        await admin.delete(NODETRUTHS, "deleted")

        async def is_back() -> bool:
            found = (await truth_of(admin, "deleted")).get("metadata", {}).get("uid", before)
            return found != before and await is_vouched_for(admin, "deleted")

        await until(is_back)
        (owner,) = (await truth_of(admin, "deleted"))["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["uid"]) == ("Node", agent.node_uid)


async def test_a_write_is_bound_to_the_object_as_it_was_looked_at(
    control_plane: ControlPlane, admin: KubeClient
) -> None:
    """What the agent relies on; and that a UID would not do, which the API server passes over."""
    token = await token_of(admin, "bound")
    node = await admin.get(NODES, "bound")
    identity = {**facts("bound")["identity"], "nodeUID": node["metadata"]["uid"]}
    found = await ensure(admin, NODETRUTHS, {"metadata": {"name": "bound"}})
    body = {
        "apiVersion": "schedune.io/v1alpha1",
        "kind": "NodeTruth",
        "metadata": {"name": "bound", "uid": "11111111-2222-3333-4444-555555555555"},
        "status": {"digest": "sha256:0", "identity": identity},
    }
    version = {"name": "bound", "resourceVersion": found["metadata"]["resourceVersion"]}
    credentials = bearing(control_plane, token)
    async with KubeClient(credentials, field_manager="schedune-agent") as agent:
        await agent.apply(NODETRUTHS, "bound", body, subresource="status")
        changed = {
            **body,
            "metadata": version,
            "status": {"digest": "sha256:1", "identity": identity},
        }
        with pytest.raises(ConflictError):
            await agent.apply(NODETRUTHS, "bound", changed, subresource="status")


async def test_what_was_declared_is_known_before_anything_is_admitted_or_written(
    admin: KubeClient, publish: Publish
) -> None:
    declared = {"vcpus": 3, "memory": "5Gi"}
    await ensure(
        admin, NODETRUTHS, {"metadata": {"name": "settled"}, "spec": {"capacity": declared}}
    )
    async with publish("settled", settings={"firstDelaySeconds": 60}) as agent:
        async with asyncio.timeout(10):
            await agent.publisher.settled.wait()
        facts = agent.publisher.facts
        assert facts is not None
        assert facts.capacity is not None
        assert (facts.capacity.vcpus, facts.capacity.basis) == (3, "Declared")
        assert agent.client.truths_written() == 0


async def test_what_an_administrator_declared_beforehand_is_taken_up_and_stays(
    admin: KubeClient, publish: Publish
) -> None:
    declared = {"vcpus": 3, "memory": "5Gi"}
    await ensure(
        admin, NODETRUTHS, {"metadata": {"name": "declared"}, "spec": {"capacity": declared}}
    )
    async with publish("declared") as agent:
        found = (await vouched(admin, "declared"))["status"]["capacity"]
        assert (found["vcpus"], found["memory"], found["basis"]) == (3, "5Gi", "Declared")
        patch = {"spec": {"capacity": {"vcpus": 4}}}
        await admin.merge_patch(NODETRUTHS, "declared", patch)

        async def is_taken_up() -> bool:
            truth = await truth_of(admin, "declared")
            return truth["status"]["capacity"]["vcpus"] == 4

        await until(is_taken_up)
        assert agent.publisher.facts is not None
        assert agent.publisher.facts.capacity is not None
        assert agent.publisher.facts.capacity.vcpus == 4


async def test_beside_a_kubelet_vms_are_offered_what_it_keeps_back(
    admin: KubeClient, publish: Publish
) -> None:
    info = dict.fromkeys(
        [
            "machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "operatingSystem",
            "containerRuntimeVersion", "kubeProxyVersion", "architecture",
        ],
        "test",
    )  # fmt: skip
    status = {
        "capacity": {"cpu": "16", "memory": "64Gi", "pods": "0"},
        "allocatable": {"cpu": "9500m", "memory": "40Gi", "pods": "0"},
        "nodeInfo": {**info, "kubeletVersion": "v1.37.2"},
    }
    await ensure(admin, NODES, {"metadata": {"name": "kubelet"}})
    await admin.merge_patch(NODES, "kubelet", {"status": status}, subresource="status")
    async with publish("kubelet"):
        found = (await vouched(admin, "kubelet"))["status"]["capacity"]
        assert found == {
            "vcpus": 5, "memory": "23Gi", "disk": "0", "basis": "OutsideAllocatable",
        }  # fmt: skip


# --- another Node of the same name ------------------------------------------------------


async def replace_node(admin: KubeClient, name: str) -> None:
    """Delete a Node and make another of its name; its truth is collected with it."""
    await admin.delete(NODES, name)
    await ensure(admin, NODES, {"metadata": {"name": name}})

    async def is_collected() -> bool:
        return not await truth_of(admin, name)

    await until(is_collected, 30)


async def test_an_agent_whose_node_was_replaced_says_that_it_lives_and_nothing_of_the_new_one(
    admin: KubeClient, publish: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    async with publish("replaced") as old:
        await vouched(admin, "replaced")
        await replace_node(admin, "replaced")
        made = [path for method, path in old.client.sent if method == "POST"]

        async def vouches_for_nothing() -> bool:
            return await vouched_by_lease(admin, "replaced") == ""

        await until(vouches_for_nothing)
        rounds, version = old.told.rounds, await version_of_lease(admin, "replaced")
        await asyncio.sleep(1.5)
        assert old.told.rounds > rounds
        assert await version_of_lease(admin, "replaced") != version, "it does not say that it lives"
        assert await truth_of(admin, "replaced") == {}
        assert [path for method, path in old.client.sent if method == "POST"] == made
        told = [one for one in caplog.records if one.getMessage() == "truth.node-replaced"]
        assert len(told) == 1
        assert old.node_uid in str(vars(told[0])["error"])


async def test_the_new_nodes_agent_takes_the_name_over_and_the_old_one_falls_silent(
    admin: KubeClient, publish: Publish
) -> None:
    async with publish("taken") as old:
        await vouched(admin, "taken")
        await replace_node(admin, "taken")
        async with publish("taken", machine_id="another-machine") as new:
            assert new.node_uid != old.node_uid
            truth = await vouched(admin, "taken")
            assert truth["status"]["identity"]["nodeUID"] == new.node_uid
            assert truth["metadata"]["ownerReferences"][0]["uid"] == new.node_uid
            await until_quiet(old)
            for _ in range(10):
                assert await is_vouched_for(admin, "taken")
                await asyncio.sleep(0.1)
            lease = await admin.get(LEASES, "taken", LEASES_OF_NODES)
            assert lease["spec"]["holderIdentity"] == "another-machine"


async def until_quiet(agent: PublishingAgent) -> None:
    """Return once the agent has looked twice without writing anything."""

    async def is_quiet() -> bool:
        before = len(agent.client.sent)
        await asyncio.sleep(1.2)
        sent = agent.client.sent[before:]
        return len(sent) > 1 and all(method == "GET" for method, _ in sent)

    await until(is_quiet)


async def test_a_truth_that_belongs_to_another_node_is_not_written(
    admin: KubeClient, publish: Publish
) -> None:
    other = await ensure(admin, NODES, {"metadata": {"name": "owner-of-it"}})
    owner = {"apiVersion": "v1", "kind": "Node", "name": "owner-of-it"}
    owned = {"name": "owned", "ownerReferences": [{**owner, "uid": other["metadata"]["uid"]}]}
    await ensure(admin, NODETRUTHS, {"metadata": owned})
    async with publish("owned") as agent:

        async def vouches_for_nothing() -> bool:
            return agent.told.rounds > 5 and await vouched_by_lease(admin, "owned") == ""

        await until(vouches_for_nothing)
        assert agent.client.truths_written() == 0
        assert "status" not in await truth_of(admin, "owned")
        await admin.delete(NODETRUTHS, "owned")
        truth = await vouched(admin, "owned")
        assert truth["metadata"]["ownerReferences"][0]["uid"] == agent.node_uid


async def test_facts_that_the_server_refuses_are_not_vouched_for(
    admin: KubeClient, publish: Publish
) -> None:
    """The heartbeat goes on: the node lives. It must not repeat that the former facts hold."""
    async with publish("refused") as agent:
        before = (await vouched(admin, "refused"))["status"]
        agent.told.status["cpu"] = {"architecture": "amd64", "cores": 9}
        (kernel,) = facts("refused")["artifacts"]
        agent.told.status["artifacts"] = [kernel, kernel]

        async def vouches_for_nothing() -> bool:
            return await vouched_by_lease(admin, "refused") == ""

        await until(vouches_for_nothing)
        assert (await truth_of(admin, "refused"))["status"]["digest"] == before["digest"]
        del agent.told.status["artifacts"]
        await until(lambda: is_vouched_for(admin, "refused"), 40)
        assert (await truth_of(admin, "refused"))["status"]["cpu"]["cores"] == 9
