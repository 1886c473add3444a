"""The operator's own look at heartbeats, on a real API server."""

import asyncio
import time

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


async def test_who_wakes_has_watched_nobody_before_he_has_looked_again(admin: KubeClient) -> None:
    """Between waking and the next look all machines seem silent: nothing is proved by that."""
    now = [1000.0]
    beats = Heartbeats(admin, lambda: now[0])
    watching = asyncio.create_task(beats.run(0.05, lambda _changed: None))
    await beats.synced.wait()
    now[0] += 3
    await beats.looked_since(now[0])
    assert beats.watched_for_s() == 3
    now[0] += 600
    assert beats.is_deaf()
    assert beats.watched_for_s() == 0
    await beats.looked_since(now[0])
    assert not beats.is_deaf()
    watching.cancel()


async def test_who_wants_a_look_at_heartbeats_need_not_wait_for_the_next_that_is_due(
    admin: KubeClient,
) -> None:
    beats = Heartbeats(admin)
    watching = asyncio.create_task(beats.run(3600, lambda _changed: None))
    await beats.synced.wait()
    async with asyncio.timeout(60):
        for _ in range(3):
            await beats.looked_since(time.monotonic())
    assert beats.looked_ago_s() < 60
    watching.cancel()
