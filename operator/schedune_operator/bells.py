"""Rings at the nodes: tells an agent which of its placements are others than it knows.

What only the agent itself writes, its status, is no cause. Whoever else changed a
placement, a person or the garbage collector, the leader sees it and rings.
"""

import asyncio
import logging
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from schedune.api.vmplacement import FINALIZER
from schedune_kube.client import KubeClient, Raw
from schedune_kube.doorbell import NAMESPACE, Rings, bell_name, read_rings
from schedune_kube.errors import ApiError, NotFoundError
from schedune_kube.leader import Fence
from schedune_kube.reflector import Key
from schedune_kube.resources import CONFIGMAPS, NODES
from schedune_operator.world import World

_LOG: Final = logging.getLogger(__name__)
_GATHER_S: Final = 0.01
_AT_ONCE: Final = 16
_RETRY_S: Final = 1.0
_UNHEARD_S: Final = 20.0
"""An agent that has not taken up what it was rung for is rung again after this."""


@dataclass
class Bells:
    """The bells of all nodes, rung by the leader."""

    client: KubeClient
    world: World
    fence: Fence
    _known: dict[Key, tuple[str, object]] = field(default_factory=dict)
    """Of each placement its node, and what of it the agent has been told."""
    _pending: dict[str, dict[Key, None]] = field(default_factory=lambda: defaultdict(dict))
    _rings: dict[str, tuple[Rings, str]] = field(default_factory=dict)
    """What each bell says, and at which version; one that is another is read when a ring fails."""
    _awake: asyncio.Event = field(default_factory=asyncio.Event)
    _rung_again_at: float = field(default_factory=time.monotonic)

    def note(self, key: Key) -> None:
        """Ring if something about a placement is another that its agent has to know."""
        raw = self.world.placements.store.get(key)
        before = self._known.pop(key, None)
        told = None if raw is None else (raw["spec"]["nodeName"], _matter(raw))
        if told is not None:
            self._known[key] = told
        for one in {each[0] for each in (before, told) if each is not None and before != told}:
            self._pending[one][key] = None
            self._awake.set()

    def begin_term(self) -> None:
        """Ring for all that a former leader may owe, whatever the bells said when we last knew."""
        self._rings.clear()
        self.ring_again()

    def ring_again(self) -> None:
        """Ring for all that waits for its agent: a ring may have been lost."""
        for key, raw in self.world.placements.store.items():
            if _waits_for_agent(raw):
                self._pending[raw["spec"]["nodeName"]][key] = None
        self._awake.set()

    async def run(self) -> None:
        """Ring for ever, while we lead; now and then again where nobody came to the door."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause_s()):
                    await self._awake.wait()
            if time.monotonic() - self._rung_again_at >= _UNHEARD_S:
                # However much else there is to be rung for: who did not hear waits no longer.
                self._rung_again_at = time.monotonic()
                self.ring_again() if self.fence() else self._forget_who_is_gone()
            self._awake.clear()
            await asyncio.sleep(_GATHER_S)
            await self._ring_all()

    def _pause_s(self) -> float:
        """Return how long to wait if nothing happens; less while something is owed."""
        left_s = max(0.0, self._rung_again_at + _UNHEARD_S - time.monotonic())
        return min(left_s, _RETRY_S) if self._pending else left_s

    def _forget_who_is_gone(self) -> None:
        """Owe nothing for placements that went while another led: they would grow for ever."""
        held = self.world.placements.store
        left = {
            name: {key: None for key in keys if key in held} for name, keys in self._pending.items()
        }
        self._pending = defaultdict(dict, {name: keys for name, keys in left.items() if keys})

    async def _ring_all(self) -> None:
        """Ring where something is pending; what may not be written now stays so."""
        if not self.fence():
            return
        pending, self._pending = self._pending, defaultdict(dict)
        turns = asyncio.Semaphore(_AT_ONCE)

        async def ring(node_name: str, keys: dict[Key, None]) -> None:
            async with turns:
                try:
                    await self._ring(node_name, keys)
                except ApiError as error:
                    _LOG.warning("bell.not-rung", extra={"node": node_name, "error": str(error)})
                    self._rings.pop(node_name, None)
                    self._pending[node_name].update(keys)

        await asyncio.gather(*(ring(name, keys) for name, keys in pending.items()))
        if self._pending:
            await asyncio.sleep(_RETRY_S)
            self._awake.set()

    async def _ring(self, node_name: str, keys: dict[Key, None]) -> None:
        """Add names to a bell; a node that is gone has none."""
        node = self.world.nodes.store.get(("", node_name))
        if node is None:
            return
        held = self._rings.get(node_name) or await self._read(node_name)
        rings = (held[0] if held else Rings()).rung(keys)
        if held is None:
            stored = await self.client.create(CONFIGMAPS, _bell(node, rings), NAMESPACE)
        else:
            patch = {"metadata": {"resourceVersion": held[1]}, "data": rings.render()}
            name = bell_name(node_name)
            stored = await self.client.merge_patch(CONFIGMAPS, name, patch, NAMESPACE)
        self._rings[node_name] = (rings, stored["metadata"]["resourceVersion"])

    async def _read(self, node_name: str) -> tuple[Rings, str] | None:
        """Read a bell from the server's cache: by one out of date a ring fails, and is repeated."""
        name = bell_name(node_name)
        try:
            raw = await self.client.get(CONFIGMAPS, name, NAMESPACE, resource_version="0")
        except NotFoundError:
            return None
        return read_rings(raw), raw["metadata"]["resourceVersion"]


def _matter(raw: Raw) -> object:
    """Return what of a placement its agent has to know: all but what it wrote itself."""
    metadata = raw["metadata"]
    return metadata["uid"], metadata.get("generation"), metadata.get("deletionTimestamp")


def _waits_for_agent(raw: Raw) -> bool:
    """Say whether it is the agent's turn."""
    metadata, status = raw["metadata"], raw.get("status") or {}
    is_deleted = bool(metadata.get("deletionTimestamp"))
    if status.get("ended"):
        return is_deleted and FINALIZER in (metadata.get("finalizers") or [])
    return not status.get("state") or is_deleted or bool(raw["spec"].get("stop"))


def _bell(node: Raw, rings: Rings) -> Raw:
    """Return a new bell; it goes with its Node."""
    name, uid = node["metadata"]["name"], node["metadata"]["uid"]
    owner = {"apiVersion": NODES.api_version, "kind": NODES.kind, "name": name, "uid": uid}
    return {
        "apiVersion": CONFIGMAPS.api_version,
        "kind": CONFIGMAPS.kind,
        "metadata": {"name": bell_name(name), "namespace": NAMESPACE, "ownerReferences": [owner]},
        "data": rings.render(),
    }
