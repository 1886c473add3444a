"""Whether a process lives and is ready: asked by real HTTP, answered without the API server."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from pydantic import ValidationError

from schedune_kube import serving
from schedune_kube.metrics import RequestMetrics, Target, new_registry, target_of
from schedune_kube.serving import Check, ListenSettings, TlsListenSettings, observed, serve
from schedune_lab.certificates import Authority
from schedune_lab.ports import free_ports


@asynccontextmanager
async def served(where: ListenSettings, application: web.Application) -> AsyncIterator[str]:
    task = asyncio.create_task(serve("test", where, application))
    try:
        yield f"://127.0.0.1:{where.port}"
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def ask(url: str, tls: ssl.SSLContext | None = None) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session:
        for _ in range(100):
            try:
                async with session.get(url, ssl=tls or True) as answer:
                    return answer.status, await answer.text()
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.05)
    raise AssertionError(f"{url} does not answer")


async def test_readiness_names_what_is_missing_and_liveness_needs_nothing_of_it() -> None:
    missing = {"nodes": "", "heartbeats": "not listed yet"}
    checks = [Check(name, lambda name=name: missing[name]) for name in missing]  # type: ignore[misc]
    where = ListenSettings(port=free_ports(1)[0])
    async with served(where, observed(new_registry(), checks)) as at:
        assert await ask(f"http{at}/livez") == (200, "ok\n")
        assert await ask(f"http{at}/readyz") == (
            503, "[+] nodes\n[-] heartbeats: not listed yet\nnot ready\n",
        )  # fmt: skip
        missing["heartbeats"] = ""
        assert await ask(f"http{at}/readyz") == (200, "[+] nodes\n[+] heartbeats\nready\n")
        status, text = await ask(f"http{at}/metrics")
        assert status == 200
        assert 'schedune_build_info{python="3.' in text


async def test_a_port_that_somebody_holds_is_told_and_taken_once_it_is_free(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(serving, "_AGAIN_S", 0.05)
    where = ListenSettings(port=free_ports(1)[0])
    async with served(where, observed(new_registry(), [])) as at:
        await ask(f"http{at}/livez")
        async with served(where, observed(new_registry(), [])):
            async with asyncio.timeout(30):
                while "serving.not-possible" not in caplog.messages:  # noqa: ASYNC110 - a log
                    await asyncio.sleep(0.02)
    async with served(where, observed(new_registry(), [])) as at:
        assert await ask(f"http{at}/livez") == (200, "ok\n")


@pytest.mark.parametrize("address", ["0.0.0.0", "192.0.2.1", "::"])  # noqa: S104
def test_beyond_loopback_tokens_are_not_sent_in_clear(address: str) -> None:
    with pytest.raises(ValidationError, match="is not loopback, so tokens would cross"):
        TlsListenSettings.model_validate({"address": address, "port": 1})


def test_a_certificate_without_its_key_is_refused() -> None:
    with pytest.raises(ValidationError, match="belong together"):
        TlsListenSettings.model_validate({"port": 1, "certificateFile": "/a"})


async def test_a_renewed_certificate_is_shown_without_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "_RENEW_S", 0.05)
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"

    def issue(name: str) -> ssl.SSLContext:
        """Put a certificate of a new authority in place; return who trusts that one only."""
        authority = Authority(tmp_path / name)
        issued = authority.sign_server("127.0.0.1")
        key.write_bytes(issued.key.read_bytes())
        certificate.write_bytes(issued.certificate.read_bytes())
        return ssl.create_default_context(cafile=str(authority.certificate))

    first = issue("first")
    where = TlsListenSettings(port=free_ports(1)[0], certificate_file=certificate, key_file=key)
    async with served(where, observed(new_registry(), [])) as at:
        assert await ask(f"https{at}/livez", first) == (200, "ok\n")
        second = issue("second")
        while True:
            with suppress(aiohttp.ClientConnectorCertificateError):
                assert await ask(f"https{at}/livez", second) == (200, "ok\n")
                break
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/apis/schedune.io/v1alpha1/namespaces/shop/vmworkloads/pay/status",
         Target("vmworkloads", "status")),
        ("/apis/schedune.io/v1alpha1/nodetruths/arm-01", Target("nodetruths")),
        ("/apis/schedune.io/v1alpha1/nodetruths", Target("nodetruths")),
        ("/api/v1/namespaces/shop", Target("namespaces")),
        ("/api/v1/namespaces/shop/events", Target("events")),
        ("/api/v1/nodes", Target("nodes")),
        ("/livez", Target("")),
    ],
)  # fmt: skip
def test_a_request_is_counted_by_what_it_is_about_never_by_a_name(
    path: str, target: Target
) -> None:
    assert target_of(path) == target
    registry = new_registry()
    told: list[Target] = []
    meter = RequestMetrics(registry).meter(
        "https://192.0.2.1:6443", lambda _, t, __: told.append(t)
    )
    meter("PATCH", path, 409)
    meter("PATCH", path, None)
    assert told == [target, target]
    labels = {"method": "PATCH", "host": "192.0.2.1:6443"}
    for code in ("409", "<error>"):
        assert (
            registry.get_sample_value("rest_client_requests_total", {**labels, "code": code}) == 1.0
        )
