"""Nodes that fall silent, are said to be off, and speak all the same: real Leases, real objects."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from schedune.api.nodetruth import LiveVM
from schedune_kube.client import KubeClient
from schedune_kube.resources import (
    LEASES,
    NODES,
    NODETRUTHS,
    VMPLACEMENTS,
    VMWORKLOADS,
)
from schedune_testing.accounts import Object
from schedune_testing.agents import LEASES_OF_NODES, publishing
from schedune_testing.control_plane import ControlPlane
from schedune_testing.freshness import becomes, named, placed_on, says, status_of, until
from schedune_testing.operators import operating

pytestmark = pytest.mark.usefixtures("cleaned")
LOST, SPARE = "lost", "spare"
OFF = {"key": "node.kubernetes.io/out-of-service", "value": "off", "effect": "NoExecute"}


@pytest.fixture(scope="module")
def control_plane(own_control_plane: ControlPlane) -> ControlPlane:
    """Take one in which these tests may delete Nodes."""
    return own_control_plane


async def ready(admin: KubeClient, reason: str) -> Object:
    """Return Ready of the VM once it has a reason."""
    return await says(admin, "vm", "Ready", reason)


async def history_of(admin: KubeClient, name: str = "vm") -> list[Object]:
    return list((await status_of(admin, name)).get("history", []))


async def on_lost(admin: KubeClient) -> Object:
    """Place a VM on the node that is to be lost, whatever else is there."""
    await becomes(admin, LOST, "True")
    await admin.create(VMWORKLOADS, named("vm"), "default")
    return await placed_on(admin, LOST)


async def test_the_vm_of_a_silent_node_is_unknown_since_the_last_proof_and_not_moved(
    control_plane: ControlPlane, admin: KubeClient
) -> None:
    async with operating(control_plane, admin):
        async with publishing(control_plane, admin, LOST):
            before = await on_lost(admin)
        lease = await admin.get(LEASES, LOST, LEASES_OF_NODES)
        told = await ready(admin, "NodeSilent")
        assert told["status"] == "Unknown"
        hour = lease["spec"]["renewTime"][:14]
        assert f"lost is silent; the last proof of this VM is from {hour}" in told["message"]
        async with publishing(control_plane, admin, SPARE):
            await becomes(admin, SPARE, "True")
            await asyncio.sleep(4)
            kept = await admin.get(VMPLACEMENTS, "vm", "default")
            assert kept["metadata"]["uid"] == before["metadata"]["uid"]
            assert "stop" not in kept["spec"]
            assert await history_of(admin) == []


@pytest.mark.parametrize("how", ["its Node is deleted", "it is out of service"])
async def test_a_silent_node_that_is_said_to_be_off_is_fenced_and_its_vm_placed_anew(
    control_plane: ControlPlane, admin: KubeClient, how: str
) -> None:
    async with operating(control_plane, admin), AsyncExitStack() as spare:
        async with publishing(control_plane, admin, LOST) as agent:
            before = await on_lost(admin)
            uid = before["spec"]["workload"]["uid"]
            agent.live.append(
                LiveVM(placementUID="p", workloadUID=uid, namespace="default", name="vm")
            )
            await until(lambda: lists_a_vm(admin, LOST))
        await spare.enter_async_context(publishing(control_plane, admin, SPARE))
        await becomes(admin, SPARE, "True")
        if how == "its Node is deleted":
            await admin.delete(NODES, LOST)
            said = f"no Node has the UID {before['spec']['nodeUID']}"
        else:
            await admin.merge_patch(NODES, LOST, {"spec": {"taints": [OFF]}})
            said = "Node lost carries node.kubernetes.io/out-of-service"
        await placed_on(admin, SPARE)
        (attempt,) = await history_of(admin)
        assert attempt["code"] == "NODE_FENCED"
        assert attempt["placementUID"] == before["metadata"]["uid"]
        assert attempt["exitReason"].startswith(f"NodeFenced: {said}")
        assert "its Lease is silent since 2" in attempt["exitReason"]
        assert (await placed_on(admin, SPARE))["spec"]["attempt"] == 2


async def lists_a_vm(admin: KubeClient, node: str) -> bool:
    return bool((await admin.get(NODETRUTHS, node))["status"].get("liveVMs"))


async def test_a_machine_that_speaks_outranks_whoever_deleted_its_node(
    control_plane: ControlPlane, admin: KubeClient
) -> None:
    async with operating(control_plane, admin):
        async with publishing(control_plane, admin, LOST):
            before = await on_lost(admin)
            await admin.delete(NODES, LOST)
            told = await ready(admin, "FenceContradicted")
            assert told["status"] == "Unknown"
            assert "yet the same machine renews its Lease" in told["message"]
            await asyncio.sleep(4)
            kept = await admin.get(VMPLACEMENTS, "vm", "default")
            assert kept["metadata"]["uid"] == before["metadata"]["uid"]
        await ready(admin, "NoEligibleNode")
        assert [one["code"] for one in await history_of(admin)] == ["NODE_FENCED"]


async def test_another_machine_under_the_name_does_not_speak_for_the_one_that_is_gone(
    control_plane: ControlPlane, admin: KubeClient
) -> None:
    async with operating(control_plane, admin):
        async with publishing(control_plane, admin, LOST, machine_id="old"):
            before = await on_lost(admin)
            assert before["spec"]["evidence"]["machineID"] == "old"
        await admin.delete(NODES, LOST)
        await until(lambda: is_gone(admin))
        async with publishing(control_plane, admin, LOST, machine_id="new"):

            async def is_anew() -> bool:
                found = await placed_on(admin, LOST)
                return bool(found["metadata"]["uid"] != before["metadata"]["uid"])

            await until(is_anew)
            after = await placed_on(admin, LOST)
            assert after["spec"]["evidence"]["machineID"] == "new"
            assert [one["code"] for one in await history_of(admin)] == ["NODE_FENCED"]


async def is_gone(admin: KubeClient) -> bool:
    """Say whether the truth went with its Node, so that another agent makes its own."""
    return (await admin.list(NODETRUTHS))[0] == []


async def test_a_workload_that_is_deleted_with_its_vm_on_a_fenced_node_goes(
    control_plane: ControlPlane, admin: KubeClient
) -> None:
    async with operating(control_plane, admin):
        async with publishing(control_plane, admin, LOST):
            await on_lost(admin)
        await admin.delete(VMWORKLOADS, "vm", "default", propagation="Foreground")
        await asyncio.sleep(2)
        assert (await admin.list(VMWORKLOADS))[0], "it waits for its VM"
        await admin.delete(NODES, LOST)

        async def nothing_is_left() -> bool:
            held = [(await admin.list(kind))[0] for kind in (VMWORKLOADS, VMPLACEMENTS)]
            return held == [[], []]

        await until(nothing_is_left)
