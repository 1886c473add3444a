"""Publish the truth: facts when they changed, a heartbeat that vouches for them always.

A Lease never vouches for facts that the API server does not hold, nor for facts that
nobody has looked at lately. There is no queue: what is published is always the latest.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from schedune.api.nodetruth import LiveVM, NodeTruthStatus, Orphan
from schedune_agent.capacity import settle_capacity
from schedune_agent.facts import FactSource, digest_facts
from schedune_agent.identity import NodeIdentity
from schedune_agent.lease import Heartbeat
from schedune_agent.own_node import NodeReplacedError, OwnNode
from schedune_agent.publishing import (
    HeldTruth,
    Pace,
    new_truth,
    read_held,
    says_the_same,
    status_body,
    would_grow_stale,
)
from schedune_agent.settings import AgentSettings
from schedune_kube.back_off import BackOff
from schedune_kube.client import KubeClient, Raw
from schedune_kube.errors import (
    AlreadyExistsError,
    ApiError,
    ConflictError,
    NotFoundError,
)
from schedune_kube.resources import NODETRUTHS

_SHORTEST_S: Final = 1.0
_LONGEST_S: Final = 30.0
_NODE_EVERY: Final = 5
"""Every so many looks at the truth, its Node is looked at too."""
_LOG: Final = logging.getLogger(__name__)


class TruthPublisher:
    """Keeps the node's NodeTruth and Lease true."""

    def __init__(
        self,
        client: KubeClient,
        settings: AgentSettings,
        identity: NodeIdentity,
        source: FactSource,
        *,
        live_vms: Callable[[], Sequence[LiveVM]],
        orphans: Callable[[], Sequence[Orphan]],
        clock: Callable[[], datetime],
    ) -> None:
        self.known = asyncio.Event()
        """Set once the first round of probes is through."""
        self._client = client
        self._settings = settings
        self._identity = identity
        self._source = source
        self._live_vms = live_vms
        self._orphans = orphans
        self._clock = clock
        self._node = OwnNode(client, identity)
        self._heartbeat = Heartbeat(
            client,
            settings,
            identity,
            vouched=self._vouched,
            is_replaced=lambda: self._replaced,
            clock=clock,
        )
        self._taken: NodeTruthStatus | None = None
        self._taken_at = float("-inf")
        self._held: HeldTruth | None = None
        self._written: Raw = {}
        """What we last wrote; empty: the API server may hold anything."""
        self._look_at = self._rewrite_at = float("-inf")
        self._looks = 0
        self._replaced = False
        self._pace = Pace(settings.write_gap_seconds, settings.write_burst)
        self._pauses = BackOff(_SHORTEST_S, _LONGEST_S)
        self._one_at_a_time = asyncio.Lock()
        self._news = asyncio.Event()

    @property
    def facts(self) -> NodeTruthStatus | None:
        """The latest facts, published or not; None until the first round is through."""
        facts = self._taken
        if facts is None:
            return None
        declared = self._held.declared if self._held else None
        capacity = settle_capacity(
            facts.capacity, declared, self._node.raw, self._settings.system_reserve
        )
        return facts.model_copy(update={"capacity": capacity})

    def nudge(self) -> None:
        """Publish soon: live VMs changed."""
        self._news.set()

    async def withdraw(self, placement_uid: str) -> None:
        """Return once the API server holds no truth of ours that names such a VM as live.

        Raises:
            ApiError: it may still hold one that does.
        """
        live = self._written.get("status", {}).get("liveVMs", [])
        if not self._written or any(one["placementUID"] == placement_uid for one in live):
            if self._taken is None:
                await self._take()
            await self._publish()

    async def run(self) -> None:
        """Probe, publish and renew, each in its own rhythm, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._probe_for_ever())
            group.create_task(self._publish_for_ever())

    async def _probe_for_ever(self) -> None:
        while True:
            await self._take()
            self.known.set()
            self._news.set()
            await asyncio.sleep(_jitter(self._settings.probe_period_seconds))

    async def _take(self) -> None:
        self._taken = await self._source.take_facts()
        self._taken_at = time.monotonic()

    async def _publish_for_ever(self) -> None:
        await self.known.wait()
        await asyncio.sleep(random.uniform(0, self._settings.first_delay_seconds))  # noqa: S311
        async with asyncio.TaskGroup() as group:
            await self._try_to_publish()
            group.create_task(self._heartbeat.run())
            while True:
                await self._news.wait()
                self._news.clear()
                await asyncio.sleep(self._pace.wait_s(time.monotonic()))
                await self._try_to_publish()

    async def _try_to_publish(self) -> None:
        try:
            await self._publish()
            self._pauses.succeeded()
        except ApiError as error:
            pause = self._pauses.failed(error)
            _LOG.warning("truth.not-published", extra={"error": str(error), "pause_s": pause})
            await asyncio.sleep(pause)
            self._news.set()

    # --- writing ---------------------------------------------------------------------

    async def _publish(self) -> None:
        """Bring the API server up to date; nothing is sent where it is.

        Raises:
            ApiError: it is not known to be.
        """
        async with self._one_at_a_time:
            try:
                await self._look_if_due()
                try:
                    news = await self._write_if_due()
                except (NotFoundError, ConflictError):
                    # Changed, gone or another one since we looked: look again, once.
                    await self._look_if_due()
                    news = await self._write_if_due()
            except NodeReplacedError as error:
                if not self._replaced:
                    _LOG.error("truth.node-replaced", extra={"error": str(error)})
                self._replaced, self._held, self._written = True, None, {}
                return
            self._replaced = False
            if news:
                await self._heartbeat.beat()

    async def _look_if_due(self) -> None:
        now = time.monotonic()
        if self._held is not None and now < self._look_at:
            return
        if self._node.raw is None or self._replaced or self._looks % _NODE_EVERY == 0:
            await self._node.look()
        self._looks += 1
        routine = self._held is not None and not self._replaced
        held = await self._get_or_make("0" if routine else None)
        if held.owner_uid not in (None, self._identity.uid):
            # Garbage collection removes it with its Node; to write it would be to speak for that.
            raise NodeReplacedError(
                f"NodeTruth {self._identity.name} belongs to the Node with UID {held.owner_uid}"
                f" (our token: {self._identity.uid}); kubectl delete nodetruth"
                f" {self._identity.name} if that Node is gone"
            )
        if self._held is None or held.version > self._held.version:
            self._held = held
        self._look_at = now + self._settings.heartbeat_seconds

    async def _get_or_make(self, version: str | None) -> HeldTruth:
        name = self._identity.name
        try:
            return read_held(await self._client.get(NODETRUTHS, name, resource_version=version))
        except NotFoundError:
            self._held, self._written = None, {}
            await self._node.look()
        try:
            made = await self._client.create(NODETRUTHS, new_truth(name, self._identity.uid))
        except AlreadyExistsError:
            made = await self._client.get(NODETRUTHS, name)
        return read_held(made)

    async def _write_if_due(self) -> bool:
        """Write what is not written; return whether a heartbeat has something new to say."""
        facts, held = self.facts, self._held
        if facts is None or held is None:
            return False
        name, digest = self._identity.name, digest_facts(facts)
        body = status_body(
            name,
            facts,
            digest,
            held,
            self._clock(),
            live=self._live_vms(),
            orphans=self._orphans(),
        )
        if not self._is_due(body, held):
            return False
        before = self._vouched()
        # Whether a write that fails arrived is not known: until the next, nothing is held.
        self._written = {}
        try:
            stored = await self._client.apply(NODETRUTHS, name, body, subresource="status")
        except (NotFoundError, ConflictError):
            self._held = None
            raise
        self._held, self._written = read_held(stored), body
        now = time.monotonic()
        self._pace.wrote(now)
        self._rewrite_at = now + self._settings.rewrite_seconds * random.uniform(0.8, 1.2)  # noqa: S311
        _LOG.info("truth.published", extra={"digest": digest})
        return digest != before

    def _is_due(self, body: Raw, held: HeldTruth) -> bool:
        return (
            held.digest != body["status"]["digest"]
            or not says_the_same(body, self._written)
            or would_grow_stale(body, self._written)
            or time.monotonic() >= self._rewrite_at
        )

    def _vouched(self) -> str:
        """Return the digest that a heartbeat may repeat; "": we can vouch for nothing.

        While a changed fact waits for its write, the former facts are let stand for that
        moment; not when the API server has refused it.
        """
        written = str(self._written.get("status", {}).get("digest", ""))
        facts = self.facts
        if (
            facts is None
            or time.monotonic() - self._taken_at > self._settings.lease_duration_seconds
        ):
            return ""
        if self._pauses.failing and digest_facts(facts) != written:
            return ""
        return written


def _jitter(seconds: float) -> float:
    return seconds * random.uniform(0.9, 1.1)  # noqa: S311 - jitter
