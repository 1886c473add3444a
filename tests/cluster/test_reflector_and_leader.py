"""The mirror and the election against a real API server."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from schedune.fleet.quota import MAX_VCPUS
from schedune_kube.client import KubeClient
from schedune_kube.kubeconfig import from_kubeconfig
from schedune_kube.leader import Elector, LeaderTimes
from schedune_kube.reflector import Reflector
from schedune_kube.resources import LEASES, NAMESPACES, VMWORKLOADS
from schedune_operator.namespaces import Namespaces
from schedune_testing.control_plane import ControlPlane
from schedune_testing.manifests import minimal_workload

TIMES = LeaderTimes(duration_s=2, renew_deadline_s=1.2, retry_s=0.3, margin_s=0.2)


@pytest.fixture
async def client(control_plane: ControlPlane) -> AsyncIterator[KubeClient]:
    credentials = from_kubeconfig(control_plane.admin_kubeconfig)
    async with KubeClient(credentials, field_manager="test") as found:
        yield found


async def until(question: Callable[[], object], limit_s: float = 15.0) -> None:
    deadline = time.monotonic() + limit_s
    while not question():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.02)


async def end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_the_mirror_follows_what_is_made_and_deleted(client: KubeClient) -> None:
    news: list[tuple[str, bool]] = []
    mirror = Reflector(
        client, VMWORKLOADS, on_change=lambda key, raw: news.append((key[1], raw is not None))
    )
    task = asyncio.create_task(mirror.run())
    await asyncio.wait_for(mirror.synced.wait(), 10)
    await client.create(VMWORKLOADS, minimal_workload("mirrored"), "default")
    await until(lambda: ("default", "mirrored") in mirror.store)
    await client.delete(VMWORKLOADS, "mirrored", "default")
    await until(lambda: ("default", "mirrored") not in mirror.store)
    await end(task)
    assert [one for one in news if one[0] == "mirrored"] == [
        ("mirrored", True),
        ("mirrored", False),
    ]


async def test_what_was_deleted_while_nobody_watched_is_reported_as_deleted(
    client: KubeClient,
) -> None:
    """kopf's own watcher does not do this: it is why the ledger has a mirror of its own."""
    gone: list[str] = []
    mirror = Reflector(
        client, VMWORKLOADS, on_change=lambda key, raw: None if raw else gone.append(key[1])
    )
    await client.create(VMWORKLOADS, minimal_workload("missed"), "default")
    task = asyncio.create_task(mirror.run())
    await until(lambda: ("default", "missed") in mirror.store)
    await end(task)
    await client.delete(VMWORKLOADS, "missed", "default")
    task = asyncio.create_task(mirror.run())
    await until(lambda: "missed" in gone)
    await end(task)


async def test_a_list_anew_makes_nothing_of_what_is_held_already(client: KubeClient) -> None:
    made: list[str] = []

    def remember(raw: dict[str, Any]) -> dict[str, Any]:
        made.append(raw["metadata"]["name"])
        return raw

    mirror = Reflector(client, VMWORKLOADS, remember=remember)
    await client.create(VMWORKLOADS, minimal_workload("steady"), "default")
    task = asyncio.create_task(mirror.run())
    await until(lambda: ("default", "steady") in mirror.store)
    held = mirror.store["default", "steady"]
    await asyncio.wait_for(mirror.listed_since(time.monotonic()), 10)
    assert made.count("steady") == 1
    assert mirror.store["default", "steady"] is held
    await end(task)


async def test_who_wants_a_list_after_a_moment_takes_the_one_that_is_under_way(
    control_plane: ControlPlane,
) -> None:
    """A leader that begins while its mirrors list does not let them list all once more."""
    lists: list[str] = []

    def count(method: str, path: str, _status: int | None) -> None:
        if method == "GET" and path.endswith("/vmworkloads"):
            lists.append(path)

    credentials = from_kubeconfig(control_plane.admin_kubeconfig)
    async with KubeClient(credentials, field_manager="test", meter=count) as counting:
        mirror = Reflector(counting, VMWORKLOADS)
        began = time.monotonic()
        task = asyncio.create_task(mirror.run())
        await asyncio.sleep(0)
        await asyncio.wait_for(mirror.listed_since(began), 10)
        await asyncio.sleep(0.2)
        assert len(lists) <= 2, "one list and one watch"
        assert mirror.listed_at >= began
        await end(task)


async def test_a_namespace_that_is_deleted_takes_its_quota_along_and_ends_no_operator(
    client: KubeClient,
) -> None:
    namespaces = Namespaces(client, lambda: None)
    task = asyncio.create_task(namespaces.mirror.run())
    limited = {"name": "short-lived", "annotations": {MAX_VCPUS: "4"}}
    raw = await client.create(
        NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": limited}
    )
    await until(lambda: "short-lived" in namespaces.quotas)
    await client.delete(NAMESPACES, "short-lived")
    # The lab has no controller that ends a namespace: this is what it does at last.
    raw["spec"] = {"finalizers": []}
    del raw["metadata"]["resourceVersion"]
    await client.replace(NAMESPACES, "short-lived", raw, subresource="finalize")
    await until(lambda: "short-lived" not in namespaces.quotas or task.done())
    assert not task.done()
    await end(task)


def candidate(client: KubeClient, name: str, identity: str) -> Elector:
    return Elector(
        client,
        name=name,
        namespace="default",
        identity=identity,
        times=TIMES,
        clock=lambda: datetime.now(UTC),
    )


async def holder(client: KubeClient, name: str) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(LEASES, name, "default"))["spec"]
    return found


async def test_of_two_candidates_one_leads_and_never_both(client: KubeClient) -> None:
    both = [candidate(client, "two", "a"), candidate(client, "two", "b")]
    tasks = [asyncio.create_task(one.run()) for one in both]
    await until(lambda: any(one.leading() for one in both))
    for _ in range(60):
        assert sum(one.leading(0) for one in both) <= 1
        await asyncio.sleep(0.05)
    for task in tasks:
        await end(task)


async def test_a_leader_that_falls_silent_stops_leading_before_its_successor_starts(
    client: KubeClient,
) -> None:
    old, new = candidate(client, "silent", "old"), candidate(client, "silent", "new")
    sleeper = asyncio.create_task(old.run())
    await until(old.leading)
    heir = asyncio.create_task(new.run())
    await end(sleeper)
    while not new.leading():
        assert not (old.leading(0) and new.leading(0))
        await asyncio.sleep(0.02)
    assert not old.leading(0)
    assert (old.epoch, new.epoch) == (1, 2)
    await end(heir)


async def test_a_leader_that_leaves_in_order_hands_over_at_once(client: KubeClient) -> None:
    old, new = candidate(client, "orderly", "old"), candidate(client, "orderly", "new")
    task = asyncio.create_task(old.run())
    await until(old.leading)
    await end(task)
    await old.release()
    assert (await holder(client, "orderly"))["holderIdentity"] == ""
    started = time.monotonic()
    heir = asyncio.create_task(new.run())
    await until(new.leading)
    assert time.monotonic() - started < TIMES.duration_s
    await end(heir)
