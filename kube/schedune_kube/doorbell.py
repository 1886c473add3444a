"""How an agent learns of its placements: by a bell of its own node's, not by watching all.

A watch with a field selector on a custom resource is tested against every event of every
node; a watch of one object by its name is indexed and free (docs/decisions/0012). So the
operator writes the names of what changed into a small ConfigMap of the node's, and its
agent gets those objects. A ring carries no authority and may be lost: a list now and then
is the net.
"""

import asyncio
import json
import logging
import random
import re
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from schedune_kube.client import WATCH_SILENCE_SECONDS, KubeClient, Raw
from schedune_kube.errors import ApiError, InvalidError, NotFoundError
from schedune_kube.lean import lean
from schedune_kube.reflector import Key, OnChange, Reflector
from schedune_kube.resources import CONFIGMAPS, VMPLACEMENTS

NAMESPACE: Final = "schedune-node-lease"
MOST: Final = 32
"""Rings that a bell keeps; whoever missed more of them lists."""
_RINGS: Final = "rings"
_LOG: Final = logging.getLogger(__name__)
_FIRST_LOOK_S: Final = 5.0
"""How long the bell is waited for at the start; without it all is listed, only more often."""
_DEAF_AFTER_S: Final = 2 * WATCH_SILENCE_SECONDS
"""Who may not look at its bell for so long hears it no more."""
_RETRY_S: Final = 2.0
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


def bell_name(node_name: str) -> str:
    """Return the name of a node's bell."""
    return f"doorbell.{node_name}"


@dataclass(frozen=True, slots=True)
class Rings:
    """What a bell says: the last names that were rung, each with its number."""

    numbered: tuple[tuple[int, Key], ...] = ()

    @property
    def last(self) -> int:
        """Return the number of the last ring; 0: there was none."""
        return self.numbered[-1][0] if self.numbered else 0

    def after(self, number: int) -> list[Key] | None:
        """Return the names rung after a number; None: some of them are forgotten already."""
        if self.last < number or (self.numbered and self.numbered[0][0] > number + 1):
            return None
        return list(dict.fromkeys(key for one, key in self.numbered if one > number))

    def rung(self, keys: Iterable[Key]) -> "Rings":
        """Return what it says after further rings."""
        fresh = tuple(enumerate(keys, start=self.last + 1))
        return Rings((*self.numbered, *fresh)[-MOST:])

    def render(self) -> dict[str, str]:
        """Return the data of the ConfigMap."""
        told = [[number, *key] for number, key in self.numbered]
        return {_RINGS: json.dumps(told, separators=(",", ":"))}


def read_rings(raw: Raw | None) -> Rings:
    """Read a bell; what cannot be read is as if it had not rung."""
    text = ((raw or {}).get("data") or {}).get(_RINGS, "[]")
    try:
        told = [(int(number), _key(ns, name)) for number, ns, name in json.loads(text)]
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        _LOG.warning("bell.unreadable", extra={"error": str(error)})
        return Rings()
    return Rings(tuple(told))


def _key(namespace: str, name: str) -> Key:
    """Return whose bell it is.

    Raises:
        ValueError: it is no name that an object can have.
    """
    if not (_NAME.fullmatch(namespace) and _NAME.fullmatch(name)):
        raise ValueError(f"no object is called {namespace!r}/{name!r}"[:200])
    return namespace, name


class CalledMirror(Reflector):
    """The placements of one node: listed at the start and now and then, got when the bell rings."""

    def __init__(
        self,
        client: KubeClient,
        node_name: str,
        *,
        on_change: OnChange,
        list_s: float,
        list_without_bell_s: float,
    ) -> None:
        super().__init__(
            client,
            VMPLACEMENTS,
            field_selector=f"spec.nodeName={node_name}",
            on_change=on_change,
            remember=lean,
        )
        self._node = node_name
        self._list_s = list_s
        self._list_without_bell_s = list_without_bell_s
        self._heard = 0
        self._rang = asyncio.Event()
        self._bell = Reflector(
            client,
            CONFIGMAPS,
            namespace=NAMESPACE,
            field_selector=f"metadata.name={bell_name(node_name)}",
            on_change=lambda _key, _raw: self._rang.set(),
        )

    async def run(self) -> None:
        """Mirror for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._bell.run())
            with suppress(TimeoutError):
                async with asyncio.timeout(_FIRST_LOOK_S):
                    await self._bell.synced.wait()
            await super().run()

    def _rings(self) -> Rings:
        return read_rings(next(iter(self._bell.store.values()), None))

    def _apart_s(self) -> float:
        """Return how far apart lists may be: far only while a bell is there and heard."""
        is_heard = time.monotonic() - self._bell.refused_since < _DEAF_AFTER_S
        return self._list_s if is_heard and self._rings().last else self._list_without_bell_s

    async def _relist(self) -> str:
        # Read before the list: what is rung meanwhile is got once more.
        self._heard = self._rings().last
        return await super()._relist()

    async def _follow(self, version: str) -> None:
        """Get what is rung, until it is time to list again or a ring was missed."""
        del version
        listed, spread = time.monotonic(), random.uniform(0.8, 1.2)  # noqa: S311 - jitter
        while (left_s := listed + self._apart_s() * spread - time.monotonic()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left_s, self._list_without_bell_s)):
                    await self._rang.wait()
            self._rang.clear()
            rings = self._rings()
            keys = rings.after(self._heard)
            if keys is None:
                return
            for key in keys:
                await self._fetch(key)
            self._heard = rings.last

    async def _fetch(self, key: Key) -> None:
        """Get one object until the server has said what is the case.

        Raises:
            InvalidError: it is none that can be asked for; a list says what is the case.
        """
        while True:
            try:
                raw = await self._client.get(VMPLACEMENTS, key[1], key[0])
            except NotFoundError:
                self._forget(key)
                return
            except InvalidError:
                raise
            except ApiError as error:
                told = {"placement": "/".join(key), "error": str(error)}
                _LOG.warning("placement.not-got", extra=told)
                await asyncio.sleep(_RETRY_S * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
                continue
            if raw["spec"]["nodeName"] != self._node:
                self._forget(key)
            elif not self._is_older(key, raw):
                self._keep(key, self._kept(raw))
            return
