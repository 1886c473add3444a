"""The break-glass on a real API server: by the command line, carried out by the operator."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from click.testing import Result

from schedune.lifecycle.release import ANNOTATION
from schedune_kube.client import KubeClient
from schedune_kube.errors import NotFoundError
from schedune_kube.kubeconfig import from_kubeconfig
from schedune_kube.resources import EVENTS, VMPLACEMENTS, VMWORKLOADS
from schedune_testing.accounts import Object
from schedune_testing.agents import publishing
from schedune_testing.control_plane import ControlPlane
from schedune_testing.freshness import becomes, placed_on, status_of, until
from schedune_testing.nodes import workload
from schedune_testing.operators import operating
from schedune_testing.recordings import run

pytestmark = pytest.mark.usefixtures("cleaned")
MUTE, SPARE = "mute", "spare"
SAID = ("--asserted-by", "Ada, on call", "--because", "I pulled the plug", "--yes")


@pytest.fixture(scope="module")
def control_plane(own_control_plane: ControlPlane) -> ControlPlane:
    """Take one in which no other test's nodes take the VMs."""
    return own_control_plane


@pytest.fixture
async def admin(
    control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[KubeClient]:
    monkeypatch.setenv("KUBECONFIG", str(control_plane.admin_kubeconfig))
    credentials = from_kubeconfig(control_plane.admin_kubeconfig)
    async with KubeClient(credentials, field_manager="test") as client:
        yield client


async def placement(admin: KubeClient) -> Object:
    try:
        return await admin.get(VMPLACEMENTS, "vm", "default")
    except NotFoundError:
        return {}


async def place(admin: KubeClient, node: str) -> Object:
    await becomes(admin, node, "True")
    body = {**workload(), "metadata": {"name": "vm", "namespace": "default"}}
    await admin.create(VMWORKLOADS, body, "default")
    return await placed_on(admin, node)


async def release(*options: str) -> Result:
    """Call ``schedune release`` from where no event loop runs."""
    return await asyncio.to_thread(run, "release", "default/vm", *options)


async def is_silent(admin: KubeClient, node: str) -> None:
    await becomes(admin, node, "False")


async def test_a_vm_that_nobody_can_speak_for_is_released_and_placed_anew_with_the_evidence(
    control_plane: ControlPlane, admin: KubeClient
) -> None:
    async with operating(control_plane, admin), AsyncExitStack() as spare:
        async with publishing(control_plane, admin, MUTE):
            before = await place(admin, MUTE)
        await spare.enter_async_context(publishing(control_plane, admin, SPARE))
        await becomes(admin, SPARE, "True")
        await is_silent(admin, MUTE)
        assert (await placement(admin))["metadata"]["uid"] == before["metadata"]["uid"]
        told = await release(*SAID)
        assert told.exit_code == 0, told.output
        assert "the agent of mute is silent" in told.output
        assert "Asserted by Ada, on call, as schedune-lab-set-up" in told.output
        after = await placed_on(admin, SPARE)
        assert after["spec"]["attempt"] == 2
        (attempt,) = (await status_of(admin, "vm"))["history"]
        assert attempt["code"] == "VM_RELEASED"
        assert attempt["placementUID"] == before["metadata"]["uid"]
        assert attempt["exitReason"].startswith(
            "Released: Ada, on call (as schedune-lab-set-up) asserted at 2"
        )
        assert attempt["exitReason"].endswith("; I pulled the plug")
        assert attempt["endTime"]


async def test_a_vm_whose_agent_answers_is_not_released_whoever_asks(
    control_plane: ControlPlane, admin: KubeClient
) -> None:
    async with operating(control_plane, admin), publishing(control_plane, admin, MUTE):
        before = await place(admin, MUTE)
        refused = await release(*SAID)
        assert refused.exit_code == 1
        assert "Refused: the agent of mute answers" in refused.output
        assert ANNOTATION not in (await placement(admin))["metadata"].get("annotations", {})
        asserted = {
            "placementUID": before["metadata"]["uid"], "assertedBy": "Eve",
            "because": "I want it elsewhere", "time": "2026-11-26T05:00:00Z",
        }  # fmt: skip
        by_hand = {"metadata": {"annotations": {ANNOTATION: json.dumps(asserted)}}}
        await admin.merge_patch(VMPLACEMENTS, "vm", by_hand, "default")

        async def is_told() -> bool:
            why = (await status_of(admin, "vm")).get("why", [])
            return any("Eve asserted" in line for line in why)

        await until(is_told)
        kept = await placement(admin)
        assert kept["metadata"]["uid"] == before["metadata"]["uid"]
        assert "deletionTimestamp" not in kept["metadata"]
        assert (await status_of(admin, "vm")).get("history", []) == []


async def test_an_assertion_of_an_earlier_placement_is_none_of_this_one(
    control_plane: ControlPlane, admin: KubeClient
) -> None:
    async with operating(control_plane, admin):
        async with publishing(control_plane, admin, MUTE):
            before = await place(admin, MUTE)
        stale = {
            "placementUID": "0f4ff7f8-0f5a-4f0e-9d8a-1c1f5f3f0a11", "assertedBy": "Ada",
            "because": "another one", "time": "2026-11-26T05:00:00Z",
        }  # fmt: skip
        patch = {"metadata": {"annotations": {ANNOTATION: json.dumps(stale)}}}
        await admin.merge_patch(VMPLACEMENTS, "vm", patch, "default")
        await is_silent(admin, MUTE)
        await asyncio.sleep(2)
        assert (await placement(admin))["metadata"]["uid"] == before["metadata"]["uid"]


async def test_where_the_workload_is_gone_an_event_keeps_who_said_it(
    control_plane: ControlPlane, admin: KubeClient
) -> None:
    async with operating(control_plane, admin):
        async with publishing(control_plane, admin, MUTE):
            await place(admin, MUTE)
        await admin.delete(VMWORKLOADS, "vm", "default", propagation="Orphan")
        await is_silent(admin, MUTE)
        assert (await release(*SAID)).exit_code == 0

        async def is_gone() -> bool:
            return await placement(admin) == {}

        await until(is_gone)
        events, _ = await admin.list(EVENTS, "default")
        (told,) = [one["message"] for one in events if one["reason"] == "Released"]
        assert "Ada, on call (as schedune-lab-set-up)" in told
        assert "I pulled the plug" in told


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--asserted-by", "", "--because", "x", "--yes"), "give 1 to 64 characters"),
        (("--asserted-by", "a", "--because", "x" * 101, "--yes"), "give 1 to 100 characters"),
        (("--asserted-by", "a"), "--because"),
        (SAID, "there is no such VMPlacement"),
    ],
)
async def test_bad_input_is_said(admin: KubeClient, options: tuple[str, ...], says: str) -> None:
    told: Any = await release(*options)
    assert told.exit_code == 2
    assert says in told.output
