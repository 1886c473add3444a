"""What may happen on a node without ending the agent's work on it."""

import asyncio
from contextlib import suppress

import pytest

from schedune_agent import placements
from schedune_agent.node import Node
from schedune_agent.orphan_orders import OrphanOrders
from schedune_agent.orphans import Orphans
from schedune_agent.placements import PlacementRunner
from schedune_kube.client import KubeClient
from schedune_kube.credentials import Credentials


async def nothing(_uid: str) -> None:
    """Withdraw nothing."""


@pytest.mark.parametrize(
    ("kind", "method", "told"),
    [
        (Orphans, "sweep", "orphans.sweep-failed"),
        (OrphanOrders, "carry_out", "orders.not-carried-out"),
    ],
)
async def test_what_goes_wrong_in_a_sweep_is_logged_and_the_next_sweep_comes(
    node: Node,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    kind: type,
    method: str,
    told: str,
) -> None:
    swept = asyncio.Semaphore(0)

    def fail(*_arguments: object) -> None:
        swept.release()
        raise ValueError("a process of somebody else's")

    monkeypatch.setattr(placements, "_SWEEP_SECONDS", 0.01)
    monkeypatch.setattr(kind, method, fail)
    client = KubeClient(Credentials("https://127.0.0.1:1"), field_manager="test")
    runner = PlacementRunner(client, node, on_live_change=lambda: None, withdraw=nothing)
    sweeping = asyncio.create_task(runner._sweep_for_ever())
    async with asyncio.timeout(10):
        for _ in range(3):
            await swept.acquire()
    assert not sweeping.done()
    sweeping.cancel()
    with suppress(asyncio.CancelledError):
        await sweeping
    logged = [one for one in caplog.records if one.message == told]
    assert len(logged) >= 2
    assert all(one.exc_info for one in logged)
