"""Kubernetes Events without spam: one object per message, counted, and rate limited.

kopf's own event functions neither aggregate nor work outside handlers, and name a
namespace that hides them from ``kubectl describe`` of cluster-scoped objects
(reference/kubernetes.md 3.2, whose constants these are).
"""

import asyncio
import hashlib
import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from schedune_kube.client import KubeClient, Raw
from schedune_kube.errors import (
    AlreadyExistsError,
    ApiError,
    ApiUnavailableError,
    NotFoundError,
)
from schedune_kube.resources import EVENTS, Resource
from schedune_kube.times import render_time

_LOG: Final = logging.getLogger(__name__)
_BURST: Final = 25.0
_REFILL_S: Final = 300.0
_MESSAGE_BYTES: Final = 1024
_MOST_QUEUED: Final = 10_000
"""News of each kind that waits to be told."""
_MOST_BUCKETS: Final = 20_000
"""Objects of which we remember how much was told."""
_PAUSE_S: Final = 0.02
"""Between two Events: never more than 50 a second, whatever else is written."""
_PAUSE_WHILE_BUSY_S: Final = 0.2
"""After good news while somebody is busy, besides; a warning ends it."""
_SHORTEST_S: Final = 1.0
"""After this the server is asked again that could not take an Event."""
_MOST_TRIES: Final = 60
"""One that could not be told after so many is not: others wait behind it."""
Kind = Literal["Normal", "Warning"]


@dataclass(frozen=True, slots=True)
class Subject:
    """The object that an Event is about."""

    resource: Resource
    name: str
    namespace: str
    uid: str


@dataclass(frozen=True, slots=True)
class _News:
    """What happened, and when."""

    subject: Subject
    kind: Kind
    reason: str
    message: str
    when: datetime


class EventRecorder:
    """Writes Events of one component; what cannot be written is dropped with a log line.

    Events are news, never state: everything a user must act on stands in status too.
    """

    def __init__(self, client: KubeClient, component: str, clock: Callable[[], datetime]) -> None:
        self._client = client
        self._component = component
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    async def record(self, subject: Subject, kind: Kind, reason: str, message: str) -> None:
        """Tell that something happened to an object."""
        if self._may_speak(subject.uid):
            await self._write(_News(subject, kind, reason, message, self._clock()))

    async def _write(self, news: _News) -> None:
        try:
            await self._send(news)
        except ApiError as error:
            _drop(news, error)

    async def _send(self, news: _News) -> None:
        """Write it, or count it where it was told before.

        Raises:
            ApiError: neither could be done.
        """
        body = self._body(news)
        try:
            await self._client.create(EVENTS, body, news.subject.namespace or "default")
        except AlreadyExistsError:
            await self._count_up(body, news.subject)

    async def _count_up(self, body: Raw, subject: Subject) -> None:
        namespace, name = subject.namespace or "default", body["metadata"]["name"]
        try:
            known = await self._client.get(EVENTS, name, namespace)
        except NotFoundError:
            return
        patch = {"count": int(known.get("count") or 1) + 1, "lastTimestamp": body["lastTimestamp"]}
        await self._client.merge_patch(EVENTS, name, patch, namespace)

    def _body(self, news: _News) -> Raw:
        subject, when = news.subject, render_time(news.when)
        message = news.message.encode()[:_MESSAGE_BYTES].decode(errors="ignore")
        key = "\0".join((subject.uid, news.kind, news.reason, message)).encode()
        digest = hashlib.sha256(key).hexdigest()[:16]
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{subject.name}.{digest}",
                "namespace": subject.namespace or "default",
            },
            "involvedObject": {
                "apiVersion": subject.resource.api_version,
                "kind": subject.resource.kind,
                "name": subject.name,
                "namespace": subject.namespace,
                "uid": subject.uid,
            },
            "type": news.kind,
            "reason": news.reason,
            "message": message,
            "source": {"component": self._component},
            "firstTimestamp": when,
            "lastTimestamp": when,
            "count": 1,
        }

    def _may_speak(self, uid: str) -> bool:
        """Allow a burst per object, then one Event in five minutes."""
        tokens, seen = self._buckets.get(uid, (_BURST, time.monotonic()))
        now = time.monotonic()
        tokens = min(_BURST, tokens + (now - seen) / _REFILL_S)
        self._buckets[uid] = (tokens - 1 if tokens >= 1 else tokens, now)
        if len(self._buckets) > _MOST_BUCKETS:
            del self._buckets[next(iter(self._buckets))]
        return tokens >= 1


def _drop(news: _News, error: ApiError) -> None:
    _LOG.warning("event.dropped", extra={"reason": news.reason, "error": str(error)})


class QueuedEvents(EventRecorder):
    """Tells of what happened behind the back of whoever decides: no write waits for an Event.

    While somebody is busy good news waits, bad news does not. Each says when it happened. While
    the server takes none all wait: what has to be told of is often what overloads it.
    """

    def __init__(
        self,
        client: KubeClient,
        component: str,
        clock: Callable[[], datetime],
        is_busy: Callable[[], bool],
    ) -> None:
        super().__init__(client, component, clock)
        self._is_busy = is_busy
        self._queues: dict[Kind, deque[_News]] = {"Warning": deque(), "Normal": deque()}
        """By what goes first."""
        self._filled = asyncio.Event()
        self._warned = asyncio.Event()
        """Set by bad news: it ends a pause."""
        self._told = asyncio.Event()
        """Set while nothing is left to be told."""
        self._told.set()
        self._tries = 0
        """How often the news that is next could not be told."""

    async def record(self, subject: Subject, kind: Kind, reason: str, message: str) -> None:
        """Take it down; where too much is to be told, the oldest news goes untold."""
        if not self._may_speak(subject.uid):
            return
        queue = self._queues[kind]
        if len(queue) >= _MOST_QUEUED:
            queue.popleft()
        queue.append(_News(subject, kind, reason, message, self._clock()))
        self._told.clear()
        self._filled.set()
        if kind == "Warning":
            self._warned.set()

    async def run(self) -> None:
        """Tell for ever, at a bounded rate."""
        while True:
            await self._filled.wait()
            while (queue := next((one for one in self._queues.values() if one), None)) is not None:
                news = queue.popleft()
                await asyncio.sleep(await self._try_to_tell(news))
                if news.kind == "Normal" and self._is_busy() and not self._queues["Warning"]:
                    self._warned.clear()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(_PAUSE_WHILE_BUSY_S):
                            await self._warned.wait()
            self._filled.clear()
            self._told.set()

    async def say_the_rest(self) -> None:
        """Return once nothing is left to be told: who leaves in order waits for that a moment."""
        self._is_busy = lambda: False
        self._warned.set()
        await self._told.wait()

    async def _try_to_tell(self, news: _News) -> float:
        """Tell it, or take it back to tell it first; return after how long to go on."""
        try:
            await self._send(news)
        except ApiUnavailableError as error:
            queue = self._queues[news.kind]
            self._tries += 1
            if self._tries < _MOST_TRIES and len(queue) < _MOST_QUEUED:
                queue.appendleft(news)
                return max(error.retry_after_s, _SHORTEST_S)
            _drop(news, error)
        except ApiError as error:
            _drop(news, error)
        self._tries = 0
        return _PAUSE_S
