"""The cluster's authority is renewed while we run, and the file that names it with it."""

import os
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web

from schedune_kube import connections
from schedune_kube.client import KubeClient
from schedune_kube.credentials import Credentials
from schedune_kube.errors import NoAnswerError
from schedune_kube.resources import NODES
from schedune_operator.admission.identity import Identity, make_identity

NOTHING = {"metadata": {"resourceVersion": "1"}, "items": []}


@dataclass
class Server:
    """Somebody who proves himself by a certificate, another one at each connection if need be."""

    port: int
    context: ssl.SSLContext
    identities: tuple[Identity, Identity]


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    old, new = (make_identity(["127.0.0.1"], datetime.now(UTC), 3600) for _ in range(2))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    old.serve_by(context)

    async def answer(_request: Any) -> web.Response:
        return web.json_response(NOTHING, headers={"Connection": "close"})

    app = web.Application()
    app.router.add_get("/api/v1/nodes", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    yield Server(runner.addresses[0][1], context, (old, new))
    await runner.cleanup()


@pytest.fixture
def authority(server: Server, tmp_path: Path) -> Path:
    file = tmp_path / "ca.crt"
    file.write_bytes(server.identities[0].authority)
    return file


def client(server: Server, authority: Path) -> KubeClient:
    where = Credentials(f"https://127.0.0.1:{server.port}", ca_file=authority)
    return KubeClient(where, field_manager="test")


@pytest.fixture
def always_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the minute between two looks at the file be over at once."""
    monkeypatch.setattr(connections, "_AUTHORITY_LIFETIME_S", -1.0)


@pytest.mark.usefixtures("always_looks")
async def test_a_client_that_runs_trusts_an_authority_that_its_file_holds_since(
    server: Server, authority: Path
) -> None:
    old, new = server.identities
    async with client(server, authority) as running:
        await running.list(NODES)
        authority.write_bytes(old.authority + new.authority)
        await running.list(NODES)
        new.serve_by(server.context)
        await running.list(NODES)


@pytest.mark.usefixtures("always_looks")
@pytest.mark.parametrize("damage", ["damaged", "gone"])
async def test_a_file_that_cannot_be_read_for_a_moment_ends_nothing(
    server: Server, authority: Path, damage: str
) -> None:
    old, new = server.identities
    async with client(server, authority) as running:
        if damage == "gone":
            authority.unlink()
        else:
            authority.write_bytes(b"-----BEGIN CERTIFICATE-----\nhalf a")
        await running.list(NODES)
        authority.write_bytes(old.authority + new.authority)
        new.serve_by(server.context)
        await running.list(NODES)


async def test_the_file_is_looked_at_once_a_minute_at_most(
    server: Server, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, new = server.identities
    now = [1000.0]
    monkeypatch.setattr(connections, "time", SimpleNamespace(monotonic=lambda: now[0]))
    async with client(server, authority) as running:
        authority.write_bytes(new.authority)
        os.utime(authority, (1, 1))
        new.serve_by(server.context)
        now[0] += 59
        with pytest.raises(NoAnswerError, match="certificate"):
            await running.list(NODES)
        now[0] += 2
        await running.list(NODES)
