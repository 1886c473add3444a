"""A mirror of a collection: LIST, then WATCH, and a LIST again that loses no deletion.

A re-list replaces the store, so that objects deleted while nobody watched are
reported as deleted; kopf's own watcher does not do that (reference/kopf.md 7.1).
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from schedune_kube.back_off import BackOff
from schedune_kube.client import KubeClient, Raw
from schedune_kube.errors import ApiError, GoneError, NoAnswerError, TooManyRequestsError
from schedune_kube.resources import Resource

Key = tuple[str, str]
"""Namespace ("" for cluster-scoped kinds) and name."""

OnChange = Callable[[Key, Raw | None], None]
"""Called with the new object as it is kept, or None when it is gone; must not block."""

_LOG: Final = logging.getLogger(__name__)
_SHORTEST_S: Final = 0.2
_LONGEST_S: Final = 10.0


class Reflector:
    """Keeps ``store`` equal to a collection on the API server."""

    def __init__(
        self,
        client: KubeClient,
        resource: Resource,
        *,
        namespace: str | None = None,
        field_selector: str | None = None,
        on_change: OnChange | None = None,
        remember: Callable[[Raw], Raw] | None = None,
    ) -> None:
        """``remember`` returns what is kept of an object: its names, UID and version at least.

        None: all of it.
        """
        self.store: dict[Key, Raw] = {}
        self.synced = asyncio.Event()
        self.listed_at = float("-inf")
        """When the last list that was taken in was asked for, on our monotonic clock."""
        self.refused_since = float("inf")
        """Since when a server that answers gives no list (monotonic); an outage is no refusal."""
        self._asked_at = float("-inf")
        """When the last list was asked for at all."""
        self._listed = asyncio.Condition()
        self._wanted = asyncio.Event()
        """Set by whoever wants a list that is newer than the last."""
        self._version = 0
        self._client = client
        self._resource = resource
        self._namespace = namespace
        self._selector = field_selector
        self._on_change = on_change
        self._remember = remember

    async def run(self) -> None:
        """Mirror for ever; outages are waited out with growing, jittered pauses."""
        failures, forgotten = BackOff(_SHORTEST_S, _LONGEST_S), BackOff(_SHORTEST_S, _LONGEST_S)
        while True:
            since = time.monotonic()
            try:
                version = await self._relist()
                since = time.monotonic()
                self.refused_since = float("inf")
                failures.succeeded()
                await self._follow_until_wanted(version)
            except GoneError as error:
                # Whoever forgets at once what was just listed is not asked for it without end.
                if time.monotonic() - since > _LONGEST_S:
                    forgotten.succeeded()
                await asyncio.sleep(forgotten.failed(error))
            except ApiError as error:
                if not isinstance(error, NoAnswerError | TooManyRequestsError):
                    self.refused_since = min(self.refused_since, time.monotonic())
                _LOG.warning(
                    "reflector.interrupted",
                    extra={"kind": self._resource.plural, "error": str(error)},
                )
                await asyncio.sleep(failures.failed(error))

    async def listed_since(self, moment: float) -> None:
        """Return once a list is taken in that was asked for after a moment (monotonic).

        One that is under way and was asked for after it is not asked for again.
        """
        async with self._listed:
            while self.listed_at < moment:
                if self._asked_at < moment:
                    self._wanted.set()
                await self._listed.wait()

    def absorb(self, item: Raw) -> None:
        """Hold an object that we just wrote, before the watch brings it, or a later one."""
        held = self.store.get(_key(item))
        if held is None or _number(held) < _number(item):
            self.store[_key(item)] = self._kept(item)

    async def _relist(self) -> str:
        """Take in a whole list: what is not in it, and not newer than it, is gone."""
        self._wanted.clear()
        self._asked_at = asked_at = time.monotonic()
        items, version = await self._client.list(
            self._resource,
            self._namespace,
            field_selector=self._selector,
            remember=self._kept,
        )
        # A count that went backwards is another history (a restored etcd): nothing is newer.
        newest = int(version) if int(version) >= self._version else None
        self._version = int(version)
        listed = {_key(item): item for item in items}
        for key in [key for key in self.store if key not in listed]:
            if newest is None or _number(self.store[key]) <= newest:
                self._forget(key)
        for key, item in listed.items():
            if newest is None or not self._is_older(key, item):
                self._keep(key, item)
        self.synced.set()
        async with self._listed:
            self.listed_at = asked_at
            self._listed.notify_all()
        return version

    async def _follow_until_wanted(self, version: str) -> None:
        follow = asyncio.create_task(self._follow(version))
        wanted = asyncio.create_task(self._wanted.wait())
        try:
            await asyncio.wait({follow, wanted}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (follow, wanted):
                task.cancel()
            ended, _ = await asyncio.gather(follow, wanted, return_exceptions=True)
        if isinstance(ended, Exception):
            raise ended

    async def _follow(self, version: str) -> None:
        stream = self._client.watch(
            self._resource, self._namespace, resource_version=version, field_selector=self._selector
        )
        async for event in stream:
            item: Raw = event["object"]
            if event["type"] == "BOOKMARK":
                continue
            key = _key(item)
            if event["type"] == "DELETED":
                held = self.store.get(key)
                # What we wrote ourselves may be here before the end of what it replaces.
                if held is not None and held["metadata"]["uid"] == item["metadata"]["uid"]:
                    self._forget(key)
            elif not self._is_older(key, item):
                self._keep(key, self._kept(item))

    def _is_older(self, key: Key, item: Raw) -> bool:
        held = self.store.get(key)
        return held is not None and _number(item) < _number(held)

    def _kept(self, item: Raw) -> Raw:
        """Return what is kept of an object; nothing is made anew of a version that is held."""
        held = self.store.get(_key(item))
        if held is not None and _version(held) == _version(item):
            return held
        return self._remember(item) if self._remember else item

    def _keep(self, key: Key, item: Raw) -> None:
        known = self.store.get(key)
        if known is not None and _version(known) == _version(item):
            return
        self.store[key] = item
        if self._on_change:
            self._on_change(key, item)

    def _forget(self, key: Key) -> None:
        if self.store.pop(key, None) is not None and self._on_change:
            self._on_change(key, None)


def _key(item: Raw) -> Key:
    metadata = item["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def _version(item: Raw) -> str:
    return str(item["metadata"].get("resourceVersion"))


def _number(item: Raw) -> int:
    """Read a version as a number: all objects of a server share one count."""
    return int(_version(item))
