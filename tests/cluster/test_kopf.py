"""kopf as we run it, on a real API server."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from schedune_kube.client import KubeClient
from schedune_kube.kubeconfig import from_kubeconfig
from schedune_kube.resources import VMWORKLOADS
from schedune_operator import handlers
from schedune_operator.app import _run_kopf
from schedune_operator.cache import WorkloadCache
from schedune_testing.accounts import bearing, token_of
from schedune_testing.control_plane import ControlPlane
from schedune_testing.manifests import minimal_workload

NAMES = [f"paged-{number}" for number in range(5)]


@pytest.fixture
async def client(control_plane: ControlPlane) -> AsyncIterator[KubeClient]:
    credentials = from_kubeconfig(control_plane.admin_kubeconfig)
    async with KubeClient(credentials, field_manager="test") as found:
        for name in NAMES:
            await found.create(VMWORKLOADS, minimal_workload(name), "default")
        yield found
        for name in NAMES:
            await found.delete(VMWORKLOADS, name, "default")


def lists_of(plane: ControlPlane) -> int:
    """Return how many lists of workloads the API server has answered."""
    told = plane.kubectl("get", "--raw", "/metrics").stdout.splitlines()
    wanted = ("apiserver_request_total{", 'resource="vmworkloads"', 'verb="LIST"')
    return sum(
        int(float(line.rsplit(" ", 1)[1])) for line in told if all(one in line for one in wanted)
    )


async def until(question: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not question():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.05)


async def test_what_kopf_begins_with_comes_in_pages(
    control_plane: ControlPlane, client: KubeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "PAGE", 2)
    cache, stop = WorkloadCache(), asyncio.Event()
    before = lists_of(control_plane)
    credentials = from_kubeconfig(control_plane.admin_kubeconfig)
    kopf = asyncio.create_task(_run_kopf(credentials, cache, stop, asyncio.Event()))
    await until(lambda: {("default", name) for name in NAMES} <= cache.workloads.keys())
    stop.set()
    await kopf
    held = len(cache.workloads)
    assert lists_of(control_plane) - before == -(-held // 2)


async def test_kopf_goes_on_when_a_token_that_was_refused_is_accepted_at_last(
    control_plane: ControlPlane, client: KubeClient, tmp_path: Path
) -> None:
    """It is given the same one again first, by which it used to end for good."""
    token = await token_of(client, None, "schedune-operator")
    credentials = replace(bearing(control_plane, token), token_file=tmp_path / "token")
    (tmp_path / "token").write_text("not-yet")
    cache, stop = WorkloadCache(), asyncio.Event()
    kopf = asyncio.create_task(_run_kopf(credentials, cache, stop, asyncio.Event()))
    await asyncio.sleep(3)
    assert not kopf.done()
    (tmp_path / "token").write_text(token)
    await until(lambda: {("default", name) for name in NAMES} <= cache.workloads.keys())
    stop.set()
    await kopf
