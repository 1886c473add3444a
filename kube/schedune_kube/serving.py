"""What a process serves over HTTP: its metrics, whether it lives, whether it is ready.

An address that cannot be had is told and tried again: neither a VM's agent nor the
operator ends because somebody else holds a port.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final, Self

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from pydantic import Field, IPvAnyAddress, model_validator

from schedune_kube.settings import Settings

_LOG: Final = logging.getLogger(__name__)
_AGAIN_S: Final = 5.0
_RENEW_S: Final = 60.0
_GOODBYE_S: Final = 0.5


class ListenSettings(Settings):
    """Where something is served; by default nobody but this machine, or this pod, reaches it."""

    address: IPvAnyAddress = Field(default_factory=lambda: ip_address("127.0.0.1"))
    """IP address; 0.0.0.0 or :: for every one that there is."""
    port: Annotated[int, Field(ge=1, le=65535)]
    """TCP port."""

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine, or this pod, reaches it."""
        return self.address.is_loopback


class TlsListenSettings(ListenSettings):
    """Where something is served by TLS, unless it is for this machine alone."""

    certificate_file: Path | None = None
    """Certificate (PEM) that the server shows; read again when it was renewed."""
    key_file: Path | None = None
    """Its private key (PEM)."""

    @model_validator(mode="after")
    def _protects_tokens(self) -> Self:
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificateFile and keyFile belong together: give both")
        if not self.is_loopback and self.certificate_file is None:
            raise ValueError(
                f"{self.address} is not loopback, so tokens would cross the network in clear:"
                " give certificateFile and keyFile, or serve on 127.0.0.1 (kubectl port-forward)"
            )
        return self

    def tls(self) -> ssl.SSLContext | None:
        """Return what proves us; None: we speak plainly.

        Raises:
            OSError: the files cannot be read or do not belong together.
        """
        if self.certificate_file is None:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.load(context)
        return context

    def load(self, context: ssl.SSLContext) -> None:
        """Let new connections be proved by what the files hold now.

        Raises:
            OSError: the files cannot be read or do not belong together.
        """
        if self.certificate_file is not None:
            context.load_cert_chain(self.certificate_file, self.key_file)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing without which a process is not ready."""

    name: str
    missing: Callable[[], str]
    """Says what is missing; "" where it is there."""


def observed(registry: CollectorRegistry, checks: Sequence[Check]) -> web.Application:
    """Return what tells of a process: /metrics, /livez, /readyz."""

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    async def live(_: web.Request) -> web.Response:
        # That this is answered at all is the proof: whatever hangs in our loop keeps it away.
        # The API server has no part in it: restarting us would not bring that back.
        return web.Response(text="ok\n")

    async def ready(_: web.Request) -> web.Response:
        told = {check.name: check.missing() for check in checks}
        return web.Response(text=_lines(told), status=503 if any(told.values()) else 200)

    application = web.Application()
    application.add_routes(
        [web.get("/metrics", metrics), web.get("/livez", live), web.get("/readyz", ready)]
    )
    return application


def _lines(told: Mapping[str, str]) -> str:
    lines = [
        f"[-] {name}: {missing}" if missing else f"[+] {name}" for name, missing in told.items()
    ]
    return "\n".join([*lines, "not ready" if any(told.values()) else "ready", ""])


async def serve(name: str, where: ListenSettings, application: web.Application) -> None:
    """Serve for ever; what cannot be had now is tried again."""
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=_GOODBYE_S)
    await runner.setup()
    try:
        tls = await _listen(name, where, runner)
        while True:
            await asyncio.sleep(_RENEW_S)
            if tls is not None and isinstance(where, TlsListenSettings):
                _renew(name, where, tls)
    finally:
        await runner.cleanup()


async def _listen(name: str, where: ListenSettings, runner: web.AppRunner) -> ssl.SSLContext | None:
    """Return once we listen, with what proves us."""
    address, port = str(where.address), where.port
    while True:
        try:
            tls = where.tls() if isinstance(where, TlsListenSettings) else None
            await web.TCPSite(runner, address, port, ssl_context=tls).start()
        except OSError as error:
            told = {"what": name, "address": address, "port": port, "error": str(error)}
            _LOG.error("serving.not-possible", extra=told)
            await asyncio.sleep(_AGAIN_S)
        else:
            _LOG.info("serving.begun", extra={"what": name, "address": address, "port": port})
            return tls


def _renew(name: str, where: TlsListenSettings, tls: ssl.SSLContext) -> None:
    """Show a certificate that was renewed; one that cannot be read leaves the one we have."""
    try:
        where.load(tls)
    except OSError as error:
        _LOG.error("serving.certificate-unreadable", extra={"what": name, "error": str(error)})
