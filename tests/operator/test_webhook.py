"""A webhook over its life, with no API server at hand: what fails, and what ages."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from schedune.api.scheduling_policy import SchedulingPolicy
from schedune_kube.client import KubeClient
from schedune_kube.credentials import Credentials
from schedune_operator.admission.webhook import Webhook
from schedune_operator.settings import AdmissionSettings
from schedune_operator.world import World
from schedune_testing.freshness import until as becomes_so

NOBODY = Credentials("https://127.0.0.1:1")


def settings(**changed: Any) -> AdmissionSettings:
    usual = {"host": "127.0.0.1", "port": 0, "names": ["127.0.0.1"], "upkeepSeconds": 0.05}
    return AdmissionSettings.model_validate({**usual, **changed})


def now() -> datetime:
    return datetime.now(UTC)


async def until(holds: Callable[[], bool]) -> None:
    async def does() -> bool:
        return holds()

    await becomes_so(does, 60)


@asynccontextmanager
async def running(
    told: AdmissionSettings,
    clock: Callable[[], datetime] = now,
    leading: Callable[[], bool] = lambda: False,
) -> AsyncIterator[Webhook]:
    async with KubeClient(NOBODY, field_manager="test") as client:
        world = World(client, lambda: None, lambda _: {}, clock)
        webhook = Webhook(client, world, told, SchedulingPolicy(), clock, leading)
        task = asyncio.create_task(webhook.run())
        try:
            yield webhook
            assert not task.done(), "it serves for ever"
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def test_whatever_keeps_it_from_serving_is_told_and_tried_again(caplog: Any) -> None:
    async with running(settings(names=["no-name-\u00fc"])) as webhook:
        await until(lambda: "webhook.not-served" in caplog.text)
        webhook.settings = settings()
        await until(lambda: webhook.port > 0)
