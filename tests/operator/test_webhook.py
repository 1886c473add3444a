"""A webhook over its life, with no API server at hand: what fails, and what ages."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509

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


async def served(port: int) -> x509.Certificate:
    """Return by what it proves itself to whoever comes now."""
    pem = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", port), timeout=60)
    return x509.load_pem_x509_certificate(pem.encode())


async def test_a_certificate_of_a_clock_that_was_ahead_is_replaced_once_the_clock_is_right() -> (
    None
):
    ahead = timedelta(days=3)
    async with running(settings(), clock=lambda: now() + ahead) as webhook:
        await until(lambda: webhook.port > 0)
        assert (await served(webhook.port)).not_valid_before_utc > now()
        ahead = timedelta()

        async def is_valid() -> bool:
            return (await served(webhook.port)).not_valid_before_utc <= now()

        await becomes_so(is_valid, 60)
