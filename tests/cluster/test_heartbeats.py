"""The operator's own look at heartbeats, on a real API server."""

import asyncio

from schedune_kube.client import KubeClient
from schedune_operator.freshness import Heartbeats
from schedune_testing.freshness import until


async def test_who_stood_still_has_watched_nobody_meanwhile(admin: KubeClient) -> None:
    """An operator that was stopped: no look failed, and none was made."""
    now = [1000.0]
    beats = Heartbeats(admin, lambda: now[0])
    watching = asyncio.create_task(beats.run(0.05, lambda _changed: None))
    await beats.synced.wait()

    async def has_looked() -> bool:
        return beats.looked_ago_s() == 0

    now[0] += 3
    await until(has_looked)
    assert beats.watched_for_s() == 3
    now[0] += 100
    await until(has_looked)
    assert beats.watched_for_s() == 0
    watching.cancel()
