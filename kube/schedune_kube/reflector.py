"""A mirror of a collection: LIST, then WATCH, and a LIST again that loses no deletion.

A re-list replaces the store, so that objects deleted while nobody watched are
reported as deleted; kopf's own watcher does not do that (reference/kopf.md 7.1).
"""

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Final

from schedune_kube.client import KubeClient, Raw
from schedune_kube.errors import ApiError, GoneError, TooManyRequestsError
from schedune_kube.resources import Resource

Key = tuple[str, str]
"""Namespace ("" for cluster-scoped kinds) and name."""

OnChange = Callable[[Key, Raw | None], None]
"""Called with the new object, or None when it is gone; must not block."""

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
        """``remember`` returns what of an object the store keeps: its names and version at least.

        None: all of it. ``on_change`` is given the whole object either way.
        """
        self.store: dict[Key, Raw] = {}
        self.synced = asyncio.Event()
        self._client = client
        self._resource = resource
        self._namespace = namespace
        self._selector = field_selector
        self._on_change = on_change
        self._remember = remember

    async def run(self) -> None:
        """Mirror for ever; outages are waited out with growing, jittered pauses."""
        pause = _SHORTEST_S
        while True:
            try:
                version = await self._relist()
                pause = _SHORTEST_S
                await self._follow(version)
            except GoneError:
                continue
            except ApiError as error:
                _LOG.warning(
                    "reflector.interrupted",
                    extra={"kind": self._resource.plural, "error": str(error)},
                )
                patience = error.retry_after_s if isinstance(error, TooManyRequestsError) else 0.0
                await asyncio.sleep(max(patience, pause * random.uniform(0.5, 1.0)))  # noqa: S311 - jitter
                pause = min(pause * 2, _LONGEST_S)

    def absorb(self, item: Raw) -> None:
        """Hold an object that we just wrote, before the watch brings it, or a later one."""
        held = self.store.get(_key(item))
        if held is None or int(_version(held)) < int(_version(item)):
            self.store[_key(item)] = item

    async def _relist(self) -> str:
        items, version = await self._client.list(
            self._resource, self._namespace, field_selector=self._selector
        )
        listed = {_key(item): item for item in items}
        for key in [key for key in self.store if key not in listed]:
            self._forget(key)
        for key, item in listed.items():
            self._keep(key, item)
        self.synced.set()
        return version

    async def _follow(self, version: str) -> None:
        stream = self._client.watch(
            self._resource, self._namespace, resource_version=version, field_selector=self._selector
        )
        async for event in stream:
            item: Raw = event["object"]
            if event["type"] == "BOOKMARK":
                continue
            if event["type"] == "DELETED":
                self._forget(_key(item))
            else:
                self._keep(_key(item), item)

    def _keep(self, key: Key, item: Raw) -> None:
        known = self.store.get(key)
        if known is not None and _version(known) == _version(item):
            return
        self.store[key] = self._remember(item) if self._remember else item
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
