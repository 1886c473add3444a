"""Open connections to one API server, which the clients of one process may share.

Who asks is told by a header of each request, so clients with tokens of their own can
share connections; a client certificate belongs to the connection and cannot.
"""

import asyncio
import logging
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import aiohttp

from schedune_kube.credentials import Credentials

AT_ONCE: Final = 32
_GOODBYE_SECONDS: Final = 0.25
_AUTHORITY_LIFETIME_S: Final = 60.0
"""An authority's file is looked at again when it was looked at this long ago."""
_LOG: Final = logging.getLogger(__name__)


class _Authority:
    """Keeps a context trusting what the authority's file holds: the cluster's may be renewed."""

    def __init__(self, credentials: Credentials) -> None:
        self._file = credentials.ca_file
        self._looked_at = time.monotonic()
        self._version = _version(self._file)
        self.tls = credentials.tls()

    def renew(self) -> None:
        """Trust also who is new in the file; one that cannot be read now is read later.

        Connections that are open stay so, and what was trusted before still is: while an authority
        is being renewed the file holds both.
        """
        now = time.monotonic()
        if self._file is None or now - self._looked_at <= _AUTHORITY_LIFETIME_S:
            return
        self._looked_at = now
        try:
            version = _version(self._file)
            if version is not None and version != self._version:
                self.tls.load_verify_locations(cafile=str(self._file))
                self._version = version
        except OSError as error:
            _LOG.warning("authority.not-read", extra={"file": str(self._file), "error": str(error)})


def _version(file: Path | None) -> tuple[int, ...] | None:
    """Return what is another once a file is; None: it cannot be told."""
    try:
        found = file.stat() if file else None
    except OSError:
        return None
    return (found.st_ino, found.st_mtime_ns, found.st_size) if found else None


class Connections:
    """Connections that are opened as they are needed and kept for the next request."""

    def __init__(self, credentials: Credentials, *, at_once: int = AT_ONCE) -> None:
        self._credentials = credentials
        self._session: aiohttp.ClientSession | None = None
        self._authority: _Authority | None = None
        self.turns = asyncio.Semaphore(at_once)
        """Held by a request, not by a watch: waiting for one's turn is no silence of the server."""

    @property
    def session(self) -> aiohttp.ClientSession:
        """Return what sends requests.

        Raises:
            RuntimeError: used outside ``async with``.
        """
        if self._session is None or self._authority is None:
            raise RuntimeError("KubeClient is used outside its `async with`")
        self._authority.renew()
        return self._session

    def serves(self, credentials: Credentials) -> bool:
        """Say whether a client with these credentials may share our connections."""
        ours = self._credentials
        same_server = (ours.server, ours.ca_file) == (credentials.server, credentials.ca_file)
        return same_server and not (ours.client_certificate or credentials.client_certificate)

    async def __aenter__(self) -> Self:
        self._authority = _Authority(self._credentials)
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60, ssl=self._authority.tls)
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
