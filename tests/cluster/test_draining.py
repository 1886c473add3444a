"""Nodes that are cordoned or drained: who leaves, who stays, and what is told of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from schedune_kube.client import KubeClient
from schedune_kube.errors import NotFoundError
from schedune_kube.resources import EVENTS, NODES, NODETRUTHS, VMPLACEMENTS, VMWORKLOADS
from schedune_testing.accounts import Object
from schedune_testing.agents import condition, publishing, truth_of
from schedune_testing.control_plane import ControlPlane
from schedune_testing.freshness import becomes, is_refused, named, says, status_of, until
from schedune_testing.obeying import Obedience, obeying
from schedune_testing.operators import operating
from schedune_testing.recordings import run

pytestmark = pytest.mark.usefixtures("cleaned")
OLD, NEW = "old", "new"
LASTING = {"leaseDurationSeconds": 30}
"""Heartbeats that count for long: these tests are not about silence."""
BUSY_S = 60.0
"""How long to wait for what takes a moment on a machine that has nothing else to do."""
SMALL = {"vcpus": 8, "memory": "10Gi", "basis": "Declared"}
"""Room for two of the VMs below."""
GROUP = {"vcpus": 1, "memory": "4Gi"}


@pytest.fixture(scope="module")
def control_plane(own_control_plane: ControlPlane) -> ControlPlane:
    """Take one of our own: these tests look at all Nodes there are."""
    return own_control_plane


@asynccontextmanager
async def an_old_node(control_plane: ControlPlane, admin: KubeClient) -> AsyncIterator[Obedience]:
    """Run an operator and the old node; give the obedience of its agent."""
    async with (
        operating(control_plane, admin),
        publishing(control_plane, admin, OLD, settings=LASTING),
        obeying(control_plane, admin, OLD) as obedience,
    ):
        await becomes(admin, OLD, "True", BUSY_S)
        yield obedience


def vm(name: str, **spec: Any) -> Object:
    return named(name, **{"resources": GROUP, **spec})


async def where(admin: KubeClient, *names: str) -> dict[str, str]:
    """Return the nodes to which placements are bound."""
    found = {}
    for name in names:
        with suppress(NotFoundError):
            placement = await admin.get(VMPLACEMENTS, name, "default")
            found[name] = placement["spec"]["nodeName"]
    return found


async def are_on(admin: KubeClient, wanted: dict[str, str], limit_s: float = BUSY_S) -> None:
    async def there() -> bool:
        return await where(admin, *wanted) == wanted

    await until(there, limit_s)


async def place(admin: KubeClient, *names: str, **spec: Any) -> None:
    for name in names:
        await admin.create(VMWORKLOADS, vm(name, **spec), "default")
    await are_on(admin, dict.fromkeys(names, OLD))
    for name in names:
        await says(admin, name, "Ready", "Running", BUSY_S)


async def schedule(admin: KubeClient, node: str, word: str) -> None:
    await admin.merge_patch(NODETRUTHS, node, {"spec": {"scheduling": word}})


async def is_told_as_event(admin: KubeClient, reason: str) -> bool:
    """An Event follows its condition."""
    return reason in [one["reason"] for one in (await admin.list(EVENTS, "default"))[0]]


async def ready_of(admin: KubeClient, node: str) -> Object:
    return condition(await truth_of(admin, node), "Ready")


@pytest.mark.parametrize("how", ["NodeTruth", "Node"])
async def test_nothing_new_comes_to_a_cordoned_node_and_what_is_there_stays(
    control_plane: ControlPlane, admin: KubeClient, how: str
) -> None:
    async with an_old_node(control_plane, admin):
        await place(admin, "first")
        if how == "Node":
            await admin.merge_patch(NODES, OLD, {"spec": {"unschedulable": True}})
        else:
            await schedule(admin, OLD, "Cordoned")

        async def is_closed() -> bool:
            return (await ready_of(admin, OLD)).get("reason") == "NodeCordoned"

        await until(is_closed, BUSY_S)
        await admin.create(VMWORKLOADS, vm("second"), "default")
        await until(lambda: is_refused(admin, "second", "REJECT_NODE_CORDONED"), BUSY_S)
        placement = await admin.get(VMPLACEMENTS, "first", "default")
        assert "stop" not in placement["spec"]


async def test_the_vms_of_a_drained_node_are_ended_in_order_each_for_a_node_that_is_held_for_it(
    control_plane: ControlPlane, admin: KubeClient
) -> None:
    async with an_old_node(control_plane, admin) as obedience:
        await place(admin, "a", "b", "c")
        async with publishing(control_plane, admin, NEW, capacity=SMALL, settings=LASTING):
            await becomes(admin, NEW, "True", BUSY_S)
            obedience.lets_end.clear()
            await schedule(admin, OLD, "Draining")
            for name in ("a", "b"):
                told = await says(admin, name, "Ready", "DrainMoves", BUSY_S)
                assert "the VM is ended in order and placed on new (score" in told["message"]
            stays = await says(admin, "c", "Scheduled", "DrainWaits", BUSY_S)
            assert stays["status"] == "True"
            assert "old is being drained and no other node can run the VM" in stays["message"]
            assert "nearest: new if memory <= " in stays["message"]
            await admin.create(VMWORKLOADS, vm("late"), "default")
            await until(lambda: is_refused(admin, "late", "REJECT_INSUFFICIENT_MEMORY"), BUSY_S)
            obedience.lets_end.set()
            await are_on(admin, {"a": NEW, "b": NEW, "c": OLD})
            for name in ("a", "b"):
                status = await status_of(admin, name)
                assert status["history"][-1]["exitReason"] == "GuestPoweredOff"
            assert (await status_of(admin, "c"))["reason"] == "Running"
            await is_told_of(admin, "1 VM is left, 1 of them without another node (default/c: new")


async def is_told_of(admin: KubeClient, words: str) -> None:
    async def told() -> bool:
        return words in (await ready_of(admin, OLD)).get("message", "")

    await until(told, BUSY_S)


async def test_one_that_stays_leaves_as_soon_as_another_node_can_run_it(
    control_plane: ControlPlane, admin: KubeClient
) -> None:
    async with an_old_node(control_plane, admin):
        await place(admin, "a")
        await schedule(admin, OLD, "Draining")
        await says(admin, "a", "Scheduled", "DrainWaits", BUSY_S)
        await until(lambda: is_told_as_event(admin, "DrainWaits"), BUSY_S)
        async with publishing(control_plane, admin, NEW, settings=LASTING):
            await are_on(admin, {"a": NEW})
            await is_told_of(admin, "the node is drained: no VM is left on it")
            assert (await ready_of(admin, OLD))["reason"] == "NodeDraining"


async def test_a_drain_that_is_taken_back_ends_nobody_whose_turn_had_not_come(
    control_plane: ControlPlane, admin: KubeClient
) -> None:
    async with an_old_node(control_plane, admin) as obedience:
        names = ("a", "b", "c", "d", "e", "f")
        await place(admin, *names, resources={"vcpus": 1, "memory": "1Gi"})
        async with publishing(control_plane, admin, NEW, settings=LASTING):
            await becomes(admin, NEW, "True", BUSY_S)
            obedience.lets_end.clear()
            await schedule(admin, OLD, "Draining")
            for name in names[:4]:
                await says(admin, name, "Ready", "DrainMoves", BUSY_S)
            await asyncio.sleep(1)
            await schedule(admin, OLD, "Enabled")
            await until(lambda: is_open(admin), BUSY_S)
            obedience.lets_end.set()
            await asyncio.sleep(3)
            for name in names[4:]:
                placement = await admin.get(VMPLACEMENTS, name, "default")
                assert "stop" not in placement["spec"]
                assert placement["spec"]["attempt"] == 1


async def is_open(admin: KubeClient) -> bool:
    return (await ready_of(admin, OLD)).get("status") == "True"


def call(control_plane: ControlPlane, *arguments: str) -> Any:
    """Run the command in a thread of its own: it has an event loop of its own."""
    admin = str(control_plane.admin_kubeconfig)
    return asyncio.to_thread(run, "drain", *arguments, "--kubeconfig", admin)


async def test_the_command_tells_first_then_waits_and_names_who_stays(
    control_plane: ControlPlane, admin: KubeClient
) -> None:
    async with an_old_node(control_plane, admin):
        await place(admin, "a", "b", "c")
        async with (
            publishing(control_plane, admin, NEW, capacity=SMALL, settings=LASTING),
            obeying(control_plane, admin, NEW),
        ):
            await becomes(admin, NEW, "True", BUSY_S)
            planned = await call(control_plane, OLD, "--dry-run")
            assert planned.exit_code == 1
            assert "3 VMs: 2 moves, 1 stays." in planned.stdout
            assert (await admin.get(NODETRUTHS, OLD))["spec"]["scheduling"] == "Enabled"
            done = await call(control_plane, OLD)
            assert done.exit_code == 1, done.output
            assert "3 VMs: 2 left, 1 stays." in done.stdout
            assert "default/a left (now on new)" in done.stderr
            assert "default/c stays: old is being drained and no other node" in done.stderr
            await are_on(admin, {"a": NEW, "b": NEW, "c": OLD})
            await admin.delete(VMWORKLOADS, "a", "default")
            await are_on(admin, {"c": NEW}, 90)
            again = await call(control_plane, OLD)
            assert again.exit_code == 0, again.output
            assert "old is drained: no VM is left on it." in again.stdout
            assert (await call(control_plane, OLD, "--cancel")).exit_code == 0
            await until(lambda: is_open(admin), BUSY_S)
