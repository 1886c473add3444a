"""A VM runs, and its spec is edited: into what another node has to run, or into what is refused."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from schedune_kube.client import KubeClient
from schedune_kube.errors import NotFoundError
from schedune_kube.resources import NODES, NODETRUTHS, VMPLACEMENTS, VMWORKLOADS
from schedune_testing.accounts import Object
from schedune_testing.agents import condition, publishing, truth_of
from schedune_testing.control_plane import ControlPlane
from schedune_testing.freshness import becomes, named, placed_on, says, status_of, until
from schedune_testing.obeying import Obedience, obeying
from schedune_testing.operators import operating

pytestmark = pytest.mark.usefixtures("cleaned")
HOME, OTHER = "home", "other"
BUSY_S = 60.0
LASTING = {"leaseDurationSeconds": 30}
GOOD = {"vcpus": 1, "memory": "1Gi"}
REFUSED: Object = {"resources": {"vcpus": 1, "memory": "1Mi"}}
"""The API server takes it, the operator does not."""
WHY = "spec.resources.memory: 1Mi: must be at least 16Mi; did you leave out a unit?"
IN_B: Object = {"placement": {"nodeSelector": {"zone": "b"}}}


@pytest.fixture(scope="module")
def control_plane(own_control_plane: ControlPlane) -> ControlPlane:
    """Take one of our own: these tests delete and drain Nodes."""
    return own_control_plane


@asynccontextmanager
async def at_home(
    control_plane: ControlPlane, admin: KubeClient, **spec: Any
) -> AsyncIterator[Obedience]:
    """Let a VM run on its node as long as the context lasts; the operator lasts longer."""
    async with (
        publishing(control_plane, admin, HOME, settings=LASTING),
        obeying(control_plane, admin, HOME) as obedience,
    ):
        await becomes(admin, HOME, "True", BUSY_S)
        await admin.create(VMWORKLOADS, named("vm", resources=GOOD, **spec), "default")
        await says(admin, "vm", "Ready", "Running", BUSY_S)
        yield obedience


async def edit(admin: KubeClient, **spec: Any) -> None:
    await admin.merge_patch(VMWORKLOADS, "vm", {"spec": spec}, "default")


async def refuse(admin: KubeClient, **spec: Any) -> None:
    """Edit it into what is refused, and wait until that is told."""
    await edit(admin, **REFUSED, **spec)
    await says(admin, "vm", "UpToDate", "InvalidField", BUSY_S)


async def placement(admin: KubeClient) -> Object | None:
    with suppress(NotFoundError):
        return dict(await admin.get(VMPLACEMENTS, "vm", "default"))
    return None


async def is_ended(admin: KubeClient) -> Object:
    """Wait until its end is remembered and nothing is placed; return the attempt."""

    async def remembered() -> bool:
        return await placement(admin) is None and "history" in await status_of(admin, "vm")

    await until(remembered, BUSY_S)
    (attempt,) = (await status_of(admin, "vm"))["history"]
    return dict(attempt)


async def test_a_refused_edit_is_told_beside_a_vm_that_runs_on(
    control_plane: ControlPlane, admin: KubeClient
) -> None:
    async with operating(control_plane, admin), at_home(control_plane, admin):
        before = await placement(admin)
        await refuse(admin)
        status = await status_of(admin, "vm")
        assert condition({"status": status}, "UpToDate")["message"] == WHY
        assert condition({"status": status}, "Ready")["status"] == "True"
        assert condition({"status": status}, "Stalled")["status"] == "False"
        assert f"The spec is refused, INVALID_FIELD: {WHY}" in status["why"]
        assert status["nodeName"] == HOME
        await edit(admin, resources=GOOD)
        await says(admin, "vm", "UpToDate", "UpToDate", BUSY_S)
        assert before is not None
        assert await placement(admin) == before


@pytest.mark.parametrize("order", [{"runState": "Stopped"}, {"restartToken": "1"}], ids=str)
async def test_a_vm_whose_spec_is_refused_is_ended_when_asked_and_its_end_remembered(
    control_plane: ControlPlane, admin: KubeClient, order: Object
) -> None:
    async with operating(control_plane, admin), at_home(control_plane, admin):
        await refuse(admin)
        await edit(admin, **order)
        assert (await is_ended(admin))["exitReason"] == "GuestPoweredOff"
        told = await says(admin, "vm", "Stalled", "InvalidField", BUSY_S)
        assert (told["status"], told["message"]) == ("True", WHY)
        await edit(admin, resources=GOOD, runState="Running")
        assert (await placed_on(admin, HOME))["spec"]["attempt"] == 2


async def test_a_vm_whose_spec_is_refused_is_fenced_with_its_node(
    control_plane: ControlPlane, admin: KubeClient
) -> None:
    async with operating(control_plane, admin):
        async with (
            publishing(control_plane, admin, HOME),
            obeying(control_plane, admin, HOME),
        ):
            await becomes(admin, HOME, "True", BUSY_S)
            await admin.create(VMWORKLOADS, named("vm", resources=GOOD), "default")
            await says(admin, "vm", "Ready", "Running", BUSY_S)
            await refuse(admin)
        await admin.delete(NODES, HOME)
        assert (await is_ended(admin))["code"] == "NODE_FENCED"
        await says(admin, "vm", "Stalled", "InvalidField", BUSY_S)


async def test_a_drain_names_the_vm_whose_spec_is_refused_and_lets_it_run(
    control_plane: ControlPlane, admin: KubeClient
) -> None:
    async with (
        operating(control_plane, admin),
        at_home(control_plane, admin),
        publishing(control_plane, admin, OTHER, settings=LASTING),
    ):
        await becomes(admin, OTHER, "True", BUSY_S)
        await refuse(admin)
        await admin.merge_patch(NODETRUTHS, HOME, {"spec": {"scheduling": "Draining"}})
        stays = await says(admin, "vm", "Scheduled", "DrainWaits", BUSY_S)
        assert WHY in stays["message"]

        async def is_named() -> bool:
            told = condition(await truth_of(admin, HOME), "Ready").get("message", "")
            return "(default/vm: a corrected spec.resources.memory)" in told

        await until(is_named, BUSY_S)
        assert "stop" not in (await placed_on(admin, HOME))["spec"]
        await edit(admin, resources=GOOD)
        await placed_on(admin, OTHER)


async def test_a_vm_whose_node_is_excluded_by_now_is_recreated_once_there_is_another(
    control_plane: ControlPlane, admin: KubeClient
) -> None:
    async with (
        operating(control_plane, admin),
        at_home(control_plane, admin, updateStrategy="Recreate"),
    ):
        await edit(admin, **IN_B)
        told = await says(admin, "vm", "UpToDate", "RecreateWaits", BUSY_S)
        assert "changed since the VM was placed: placement; it runs on" in told["message"]
        async with publishing(control_plane, admin, OTHER, settings=LASTING):
            await becomes(admin, OTHER, "True", BUSY_S)
            await admin.merge_patch(NODES, OTHER, {"metadata": {"labels": {"zone": "b"}}})
            await placed_on(admin, OTHER)
            (attempt,) = (await status_of(admin, "vm"))["history"]
            assert attempt["exitReason"] == "GuestPoweredOff"


async def test_a_dry_run_is_made_anew_when_its_node_is_excluded(
    control_plane: ControlPlane, admin: KubeClient
) -> None:
    async with (
        operating(control_plane, admin),
        at_home(control_plane, admin, launchMode="DryRun"),
    ):
        await edit(admin, **IN_B)
        told = await says(admin, "vm", "Ready", "NoEligibleNode", BUSY_S)
        assert "NodeSelectorMismatch" in told["message"]
        assert await placement(admin) is None


async def test_a_size_that_is_only_spelt_otherwise_ends_no_vm(
    control_plane: ControlPlane, admin: KubeClient
) -> None:
    async with (
        operating(control_plane, admin),
        at_home(control_plane, admin, updateStrategy="Recreate"),
    ):
        await edit(admin, resources={"vcpus": 1, "memory": "1024Mi"})

        async def is_looked_at() -> bool:
            return (await status_of(admin, "vm")).get("observedGeneration") == 2

        await until(is_looked_at, BUSY_S)
        told = condition({"status": await status_of(admin, "vm")}, "UpToDate")
        assert (told["status"], told["reason"]) == ("True", "UpToDate")
        assert "stop" not in (await placed_on(admin, HOME))["spec"]
