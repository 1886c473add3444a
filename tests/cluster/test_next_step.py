"""One step follows the other at once, and what the server says is gone is not placed again."""

import asyncio

import pytest

from schedune.codes.execution import SPAWN_FAILED
from schedune_kube.client import KubeClient
from schedune_kube.resources import VMPLACEMENTS, VMWORKLOADS
from schedune_testing.accounts import bearing, token_of
from schedune_testing.agents import publishing
from schedune_testing.control_plane import ControlPlane
from schedune_testing.freshness import named, placed_on, says, until
from schedune_testing.obeying import obeying
from schedune_testing.operators import operating

pytestmark = pytest.mark.usefixtures("cleaned")
NODE, KEY = "n", ("default", "vm")
LASTING = {"leaseDurationSeconds": 30}
FAILED = {
    "state": "Failed",
    "ended": {"time": "2026-11-24T12:00:00Z", "reason": "SpawnFailed"},
}


@pytest.fixture(scope="module")
def control_plane(own_control_plane: ControlPlane) -> ControlPlane:
    """Take one of our own: these tests look at all Nodes there are."""
    return own_control_plane


async def test_what_never_ran_is_deleted_as_soon_as_its_end_is_remembered(
    control_plane: ControlPlane, admin: KubeClient
) -> None:
    """No round of all workloads finds it: the next one is in five minutes."""
    credentials = bearing(control_plane, await token_of(admin, NODE))
    async with (
        operating(control_plane, admin, tickSeconds=300),
        publishing(control_plane, admin, NODE, settings=LASTING),
        KubeClient(credentials, field_manager="schedune-agent") as agent,
    ):
        await admin.create(VMWORKLOADS, named("vm"), "default")
        await placed_on(admin, NODE)
        told = {"status": FAILED}
        await agent.merge_patch(VMPLACEMENTS, "vm", told, "default", subresource="status")

        async def is_deleted() -> bool:
            placement = await admin.get(VMPLACEMENTS, "vm", "default")
            return "deletionTimestamp" in placement["metadata"]

        await until(is_deleted, 60)
        workload = await admin.get(VMWORKLOADS, "vm", "default")
        assert [one["code"] for one in workload["status"]["history"]] == [SPAWN_FAILED.code]


async def test_a_workload_whose_deletion_nobody_told_of_is_placed_once_at_most(
    control_plane: ControlPlane, admin: KubeClient
) -> None:
    async with operating(control_plane, admin) as operator:
        await admin.create(VMWORKLOADS, named("vm"), "default")
        await says(admin, "vm", "Scheduled", "NoEligibleNode")
        await admin.delete(VMWORKLOADS, "vm", "default")
        assert KEY in operator.cache.workloads, "these tests tell it of no deletion"
        async with (
            publishing(control_plane, admin, NODE, settings=LASTING),
            obeying(control_plane, admin, NODE),
        ):

            async def is_over() -> bool:
                left, _ = await admin.list(VMPLACEMENTS, "default")
                return not left and KEY not in operator.cache.workloads

            await until(is_over, 60)
            await asyncio.sleep(2)
            assert await is_over()
