"""A webhook over its life, with no API server at hand: what fails, and what ages."""

import asyncio
import io
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
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


HEAD = b'{"kind": "AdmissionReview", "request": {"uid": "u-1", "namespace": "shop", "object": '
ALLOWED = {"uid": "u-1", "allowed": True}
Answer = tuple[int, Any]


async def ask(webhook: Webhook, body: Any) -> Answer:
    url = f"https://127.0.0.1:{webhook.port}/admit"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=body, ssl=False) as answer,
    ):
        told = await answer.json() if answer.content_type == "application/json" else {}
        return answer.status, told.get("response")


async def stalled() -> AsyncIterator[bytes]:
    """Send the first bytes, and never the rest."""
    yield HEAD
    await asyncio.sleep(600)


async def headers_only(webhook: Webhook) -> bytes:
    """Send no byte of the body that was announced; return the first line of the answer."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection("127.0.0.1", webhook.port, ssl=context)
    writer.write(b"POST /admit HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
    async with asyncio.timeout(30):
        line = await reader.readline()
    writer.close()
    return line


DEEP = 100_000
NONSENSE = {
    "no JSON": HEAD + b"{",
    "deep": HEAD + b"[" * DEEP + b"]" * DEEP + b"}}",
    "deep object": HEAD + b'{"spec": ' + b"[" * DEEP + b"]" * DEEP + b"}}}",
    "list": HEAD + b"[]}}",
    "no text": HEAD + b'{"kind": "\xff"}}}',
}


@pytest.mark.parametrize("body", NONSENSE.values(), ids=NONSENSE)
async def test_nonsense_is_told_as_such_and_so_is_what_is_too_deep(body: bytes) -> None:
    async with running(settings()) as webhook:
        await until(lambda: webhook.port > 0)
        assert (await ask(webhook, body))[0] == 400
        assert await ask(webhook, HEAD + b"{}}}") == (200, ALLOWED)


async def test_a_body_that_is_larger_than_any_object_is_not_read() -> None:
    async with running(settings()) as webhook:
        await until(lambda: webhook.port > 0)
        assert (await ask(webhook, io.BytesIO(HEAD + b"x" * 5 * 2**20)))[0] == 413


async def test_who_comes_while_many_are_being_read_passes_unread_and_none_holds_its_place() -> None:
    async with running(settings(answerSeconds=3)) as webhook, AsyncExitStack() as stack:
        await until(lambda: webhook.port > 0)
        many = [asyncio.create_task(ask(webhook, stalled())) for _ in range(16)]
        stack.callback(lambda: [one.cancel() for one in many])
        await until(webhook._places.locked)
        assert await ask(webhook, stalled()) == (200, ALLOWED)
        assert b"503" in await headers_only(webhook), "nor does it wait for what never comes"
        assert {status for status, _ in await asyncio.gather(*many)} == {503}
        assert (await ask(webhook, HEAD + b"{"))[0] == 400, "it reads again"


async def test_nothing_is_made_of_a_body_before_its_turn() -> None:
    def looks_long() -> bool:
        time.sleep(0.3)
        return False

    async with running(settings(answerSeconds=0.5), leading=looks_long) as webhook:
        await until(lambda: webhook.port > 0)
        assert await ask(webhook, HEAD + b"{}}}") == (200, ALLOWED)
        assert await ask(webhook, HEAD + b"{") == (200, ALLOWED), "its turn is 1.2 s later"
