"""Open connections to one API server, which the clients of one process may share.

Who asks is told by a header of each request, so clients with tokens of their own can
share connections; a client certificate belongs to the connection and cannot.
"""

import asyncio
from types import TracebackType
from typing import Final, Self

import aiohttp

from schedune_kube.credentials import Credentials

AT_ONCE: Final = 32
_GOODBYE_SECONDS: Final = 0.25


class Connections:
    """Connections that are opened as they are needed and kept for the next request."""

    def __init__(self, credentials: Credentials, *, at_once: int = AT_ONCE) -> None:
        self._credentials = credentials
        self._session: aiohttp.ClientSession | None = None
        self.turns = asyncio.Semaphore(at_once)
        """Held by a request, not by a watch: waiting for one's turn is no silence of the server."""

    @property
    def session(self) -> aiohttp.ClientSession:
        """Return what sends requests.

        Raises:
            RuntimeError: used outside ``async with``.
        """
        if self._session is None:
            raise RuntimeError("KubeClient is used outside its `async with`")
        return self._session

    def serves(self, credentials: Credentials) -> bool:
        """Say whether a client with these credentials may share our connections."""
        ours = self._credentials
        same_server = (ours.server, ours.ca_file) == (credentials.server, credentials.ca_file)
        return same_server and not (ours.client_certificate or credentials.client_certificate)

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60, ssl=self._credentials.tls())
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            read_bufsize=2**18,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()
            # aiohttp closes TLS transports in the background, also those of cancelled watches:
            # left to a closing event loop they would stay open.
            await asyncio.sleep(_GOODBYE_SECONDS)
