"""The fleet page as an operator serves it beyond loopback: by TLS, to whom the API server lets."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import aiohttp
from aiohttp import web

from schedune_kube.client import KubeClient
from schedune_kube.kubeconfig import from_kubeconfig
from schedune_kube.serving import TlsListenSettings
from schedune_lab.certificates import Authority
from schedune_lab.ports import free_ports
from schedune_operator.app import MANAGER
from schedune_operator.seen.page.application import fleet_page
from schedune_testing.accounts import bearing, token_of
from schedune_testing.control_plane import ControlPlane
from schedune_testing.seen import recorded_nodes, world_of


@dataclass(frozen=True)
class Page:
    """The page, served by TLS beyond loopback's trust."""

    port: int
    tls: ssl.SSLContext

    async def ask(self, **headers: str) -> tuple[int, str, str]:
        """Return status, text, and how one is asked to prove oneself."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(
                f"https://127.0.0.1:{self.port}/nodes", headers=headers, ssl=self.tls
            ) as one,
        ):
            return one.status, await one.text(), one.headers.get("WWW-Authenticate", "")

    async def status(self, token: str) -> int:
        """Return what the bearer of a token is answered."""
        return (await self.ask(Authorization=f"Bearer {token}"))[0]


@asynccontextmanager
async def served(control_plane: ControlPlane, folder: Path) -> AsyncIterator[Page]:
    """Serve the page as an operator does that was told to serve beyond loopback."""
    pair, (port,) = Authority(folder).sign_server("127.0.0.1"), free_ports(1)
    read = TlsListenSettings(port=port, certificate_file=pair.certificate, key_file=pair.key)
    # This machine has no other address that a test may bind; what counts is what it believes.
    told = read.model_copy(update={"address": ip_address("192.0.2.1")})
    credentials = from_kubeconfig(control_plane.admin_kubeconfig)
    async with KubeClient(credentials, field_manager="test") as admin:
        token = await token_of(admin, None, MANAGER)
    async with KubeClient(bearing(control_plane, token), field_manager=MANAGER) as client:
        page = fleet_page(world_of(recorded_nodes(4)), told, client)
        runner = web.AppRunner(page, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=read.tls()).start()
        try:
            yield Page(port, ssl.create_default_context(cafile=str(folder / "ca.crt")))
        finally:
            await runner.cleanup()
