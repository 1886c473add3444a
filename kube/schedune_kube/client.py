"""A small asynchronous client: bytes out, dictionaries in, errors with a meaning."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import urlencode

import aiohttp

from schedune_kube.connections import Connections
from schedune_kube.credentials import Credentials
from schedune_kube.errors import (
    ApiUnavailableError,
    FencedError,
    GoneError,
    NoAnswerError,
    UnauthorizedError,
    error_of,
)
from schedune_kube.resources import Resource
from schedune_kube.server_clock import ServerClock

Raw = dict[str, Any]
"""An object as the API server's JSON has it; parsed once by whoever receives it."""

_Read = TypeVar("_Read")

Meter = Callable[[str, str, int | None], None]
"""Told of every request: method, path, and status; None: no answer came."""

PAGE: Final = 500
REQUEST_SECONDS: Final = 10.0
LIST_SECONDS: Final = 60.0
"""For a whole collection, which takes long to send: silence is still limited as for a request."""
WATCH_SILENCE_SECONDS: Final = 90.0
"""The server sends a bookmark about once a minute; silence beyond this is a dead stream."""


class KubeClient:
    """Requests to one API server under one name.

    Every method raises the tree of ``schedune_kube.errors``.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        field_manager: str,
        shared: Connections | None = None,
        meter: Meter | None = None,
    ) -> None:
        if shared is not None and not shared.serves(credentials):
            raise ValueError("connections are shared by token and to the same server only")
        self._credentials = credentials
        self._manager = field_manager
        self._meter: Meter = meter or _uncounted
        self._connections = shared or Connections(credentials)
        self._owned = None if shared else self._connections
        self._server_clock: ServerClock | None = None
        self._may_write: Callable[[], bool] | None = None
        self._write_s = REQUEST_SECONDS

    def guard(self, may_write: Callable[[], bool], longest_s: float) -> None:
        """Ask before every write from now on; one that was let through is given up after a time.

        Without that time a write could land when the right to it is gone.
        """
        self._may_write, self._write_s = may_write, longest_s

    def server_time(self) -> datetime | None:
        """Return what the API server's clock says now; None: no answer has told yet."""
        clock = self._server_clock
        return clock.at(time.monotonic()) if clock is not None else None

    def server_clock_offset(self, now: datetime) -> float | None:
        """Return by how many seconds the API server's clock is ahead of our time of day.

        Right to half a second and half a round trip after one answer, better after more;
        None: no answer has told yet.
        """
        server = self.server_time()
        return (server - now).total_seconds() if server is not None else None

    async def __aenter__(self) -> Self:
        if self._owned is not None:
            await self._owned.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._owned is not None:
            await self._owned.__aexit__(kind, error, trace)

    async def get(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        resource_version: str | None = None,
    ) -> Raw:
        """Return one object; at resourceVersion 0 as the server's cache has it, which is cheap."""
        query = _query(resourceVersion=resource_version)
        return await self._ask("GET", resource.path(namespace, name), query)

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        resource_version: str | None = None,
        remember: Callable[[Raw], Raw] | None = None,
    ) -> tuple[list[Raw], str]:
        """Return all objects, page by page, and the version of the collection.

        ``remember`` returns what is wanted of each: of a large collection the rest is then held
        for one page at a time.
        """
        items: list[Raw] = []
        query = _query(labelSelector=label_selector, fieldSelector=field_selector)
        if resource_version is not None:
            query["resourceVersion"] = resource_version
        else:
            query["limit"] = str(PAGE)
        while True:
            page = await self._ask("GET", resource.path(namespace), query, seconds=LIST_SECONDS)
            found = page.get("items") or []
            items += map(remember, found) if remember else found
            metadata = page.get("metadata", {})
            if not metadata.get("continue"):
                return items, str(metadata.get("resourceVersion", ""))
            query["continue"] = metadata["continue"]

    async def read_list(
        self,
        resource: Resource,
        decode: Callable[[bytes], _Read],
        namespace: str | None = None,
        *,
        resource_version: str | None = None,
    ) -> _Read:
        """Return what ``decode`` makes of all objects in one piece, of which little is wanted.

        It raises ValueError for what it cannot read.
        """
        query = _query(resourceVersion=resource_version)
        path = resource.path(namespace)
        return await self._exchange(decode, "GET", path, query, seconds=LIST_SECONDS)

    async def create(
        self, resource: Resource, body: Mapping[str, object], namespace: str | None = None
    ) -> Raw:
        """Create an object."""
        query = {"fieldManager": self._manager, "fieldValidation": "Strict"}
        return await self._ask("POST", resource.path(namespace), query, body)

    async def create_subresource(
        self,
        resource: Resource,
        name: str,
        subresource: str,
        body: Mapping[str, object],
        namespace: str,
    ) -> Raw:
        """Post to a sub-resource: a TokenRequest, an eviction."""
        return await self._ask("POST", resource.path(namespace, name, subresource), {}, body)

    async def replace(
        self,
        resource: Resource,
        name: str,
        body: Mapping[str, object],
        namespace: str | None = None,
        *,
        subresource: str | None = None,
    ) -> Raw:
        """Replace an object; with a resourceVersion in the body only if it is still there."""
        query = {"fieldManager": self._manager}
        return await self._ask("PUT", resource.path(namespace, name, subresource), query, body)

    async def merge_patch(
        self,
        resource: Resource,
        name: str,
        patch: Mapping[str, object],
        namespace: str | None = None,
        *,
        subresource: str | None = None,
    ) -> Raw:
        """Merge into an object; a metadata.resourceVersion in the patch makes it a CAS."""
        query = {"fieldManager": self._manager}
        return await self._ask(
            "PATCH",
            resource.path(namespace, name, subresource),
            query,
            patch,
            "application/merge-patch+json",
        )

    async def apply(
        self,
        resource: Resource,
        name: str,
        body: Mapping[str, object],
        namespace: str | None = None,
        *,
        subresource: str | None = None,
    ) -> Raw:
        """Apply our part of an object (server-side apply, by force: our fields are ours)."""
        query = {"fieldManager": self._manager, "force": "true"}
        return await self._ask(
            "PATCH",
            resource.path(namespace, name, subresource),
            query,
            body,
            "application/apply-patch+yaml",
        )

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        propagation: str = "Background",
    ) -> Raw:
        """Delete an object, only this one (uid) and only at this version where given."""
        preconditions = _query(uid=uid, resourceVersion=resource_version)
        body: Raw = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if preconditions:
            body["preconditions"] = preconditions
        return await self._ask("DELETE", resource.path(namespace, name), {}, body)

    async def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        resource_version: str,
        field_selector: str | None = None,
    ) -> AsyncIterator[Raw]:
        """Yield watch events after a version, until the server or the silence ends it."""
        query = _query(fieldSelector=field_selector, resourceVersion=resource_version)
        query |= {"watch": "true", "allowWatchBookmarks": "true"}
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=10, sock_read=WATCH_SILENCE_SECONDS
        )
        try:
            async with self._request(
                "GET", resource.path(namespace), query, None, None, timeout
            ) as answer:
                await self._check(answer)
                while line := await answer.content.readuntil(b"\n"):
                    event: Raw = json.loads(line)
                    if event["type"] == "ERROR":
                        raise _watch_error(event["object"])
                    yield event
        except (
            OSError,
            aiohttp.ClientError,
            TimeoutError,
            asyncio.IncompleteReadError,
            ValueError,
        ) as error:
            raise ApiUnavailableError(
                f"watch of {resource.plural} ended: {_words(error)}"
            ) from error

    async def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
        content_type: str = "application/json",
        seconds: float | None = None,
    ) -> Raw:
        read: Callable[[bytes], Raw] = json.loads
        return await self._exchange(read, method, path, query, body, content_type, seconds)

    async def _exchange(
        self,
        decode: Callable[[bytes], _Read],
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
        content_type: str = "application/json",
        seconds: float | None = None,
    ) -> _Read:
        longest_s = seconds or (REQUEST_SECONDS if method == "GET" else self._write_s)
        timeout = aiohttp.ClientTimeout(total=longest_s, sock_read=REQUEST_SECONDS)
        encoded = json.dumps(body).encode() if body is not None else None
        try:
            async with self._connections.turns:
                self._check_guard(method, path)
                sent = time.monotonic()
                async with self._request(
                    method, path, query or {}, encoded, content_type, timeout
                ) as answer:
                    self._hear_clock(answer.headers.get("Date"), sent)
                    await self._check(answer)
                    return decode(await answer.read())
        except (OSError, aiohttp.ClientError, TimeoutError, ValueError) as error:
            # A token that cannot be read right now, and a proxy's page, are no answer either.
            self._meter(method, path, None)
            raise NoAnswerError(f"{method} {path}: {_words(error)}") from error

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: bytes | None,
        content_type: str | None,
        timeout: aiohttp.ClientTimeout,
    ) -> Any:
        headers = {"Accept": "application/json", **self._credentials.headers()}
        if body is not None and content_type:
            headers["Content-Type"] = content_type
        url = f"{self._credentials.server}{path}" + (f"?{urlencode(query)}" if query else "")
        return self._connections.session.request(
            method, url, data=body, headers=headers, timeout=timeout
        )

    def _check_guard(self, method: str, path: str) -> None:
        """Ask as late as possible: waiting for our turn may have taken long."""
        if method != "GET" and self._may_write is not None and not self._may_write():
            raise FencedError(f"{method} {path}: not sent: we do not lead, or not for long enough")

    def _hear_clock(self, header: str | None, sent: float) -> None:
        heard = ServerClock.measured(header, sent, time.monotonic())
        if heard is not None:
            self._server_clock = heard.narrowed(self._server_clock)

    async def _check(self, answer: aiohttp.ClientResponse) -> None:
        self._meter(answer.method, answer.url.path, answer.status)
        if answer.status < 400:
            return
        error = error_of(answer.status, await answer.read(), answer.headers.get("Retry-After"))
        if isinstance(error, UnauthorizedError):
            self._credentials.forget_token()
        raise error


def _uncounted(_method: str, _path: str, _status: int | None) -> None:
    """Count nothing."""


def _words(error: Exception) -> str:
    """Return what an error says; some say nothing but their name."""
    return str(error) or repr(error)


def _query(**values: str | None) -> dict[str, str]:
    return {key: value for key, value in values.items() if value is not None}


def _watch_error(status: Raw) -> Exception:
    if status.get("code") == 410:
        return GoneError(f"410: {status.get('message')}")
    return ApiUnavailableError(f"the watch ended with an error: {status.get('message')}")
