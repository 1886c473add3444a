"""Publish the truth: facts when they changed, a heartbeat that vouches for them always.

A Lease never vouches for facts that the API server does not hold, nor for facts that
nobody has looked at lately. There is no queue: what is published is always the latest.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from schedune.api.nodetruth import LiveVM, NodeTruthStatus, Orphan, OrphanAction, OrphanOrder
from schedune_agent.capacity import settle_capacity
from schedune_agent.facts import FactSource, digest_facts
from schedune_agent.identity import NodeIdentity
from schedune_agent.lease import Heartbeat
from schedune_agent.own_node import NodeReplacedError
from schedune_agent.own_truth import OwnTruth
from schedune_agent.probes.memory import free_pages
from schedune_agent.publishing import (
    HeldTruth,
    Pace,
    says_the_same,
    status_body,
    would_grow_stale,
)
from schedune_agent.settings import AgentSettings
from schedune_kube.back_off import BackOff
from schedune_kube.client import KubeClient
from schedune_kube.errors import (
    ApiError,
    ApiUnavailableError,
    ConflictError,
    NoAnswerError,
    NotFoundError,
)

_SHORTEST_S: Final = 1.0
_LONGEST_S: Final = 30.0
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
        orders: Callable[[], Sequence[OrphanOrder]],
        clock: Callable[[], datetime],
    ) -> None:
        self.known = asyncio.Event()
        """Set once the first round of probes is through."""
        self.settled = asyncio.Event()
        """Set once it is known too what administrators and the kubelet leave to VMs."""
        self._settings = settings
        self._identity = identity
        self._source = source
        self._live_vms = live_vms
        self._orphans = orphans
        self._orders = orders
        self._clock = clock
        self._truth = OwnTruth(client, settings, identity)
        self._one_at_a_time = asyncio.Lock()
        """Held by whoever writes the truth or the Lease."""
        self._heartbeat = Heartbeat(
            client,
            settings,
            identity,
            one_at_a_time=self._one_at_a_time,
            catch_up=self._catch_up,
            vouched=self._vouched,
            is_replaced=lambda: self._truth.replaced,
            clock=clock,
        )
        self._taken: NodeTruthStatus | None = None
        self._taken_at = float("-inf")
        self._pace = Pace(settings.write_gap_seconds, settings.write_burst)
        self._pauses = BackOff(_SHORTEST_S, _LONGEST_S)
        self._failure: ApiError | None = None
        """What came of the last attempt to publish."""
        self._refused_since: float | None = None
        """Since when it answers, but does not take what we publish (monotonic)."""
        self._asked_until = float("-inf")
        """Until when the API server has asked us to wait (monotonic)."""
        self._news = asyncio.Event()
        self._changed = asyncio.Event()

    @property
    def ordered(self) -> Sequence[OrphanAction]:
        """What administrators order about orphans, as it was last seen."""
        return self._truth.ordered

    @property
    def facts(self) -> NodeTruthStatus | None:
        """The latest facts, published or not; None until the first round is through."""
        facts = self._taken
        if facts is None:
            return None
        capacity = settle_capacity(
            facts.capacity,
            self._truth.declared,
            self._truth.node.raw,
            self._settings.system_reserve,
            facts.capacity.hugepages if facts.capacity else free_pages(facts.memory),
        )
        return facts.model_copy(update={"capacity": capacity})

    async def look_at_declared(self) -> None:
        """See now what administrators leave to VMs.

        Raises:
            NodeReplacedError: our Node is another.
            ApiError: the API server did not tell.
        """
        async with self._one_at_a_time:
            await self._truth.look()

    def look_again(self) -> None:
        """Take the facts soon: something on the machine changed."""
        self._changed.set()

    def nudge(self) -> None:
        """Publish soon: live VMs changed."""
        self._news.set()

    async def withdraw(self, placement_uid: str) -> None:
        """Return once the API server holds no truth of ours that names such a VM as live.

        Raises:
            ApiError: it may still hold one that does.
        """
        written = self._truth.written
        live = written.get("status", {}).get("liveVMs", [])
        if not written or any(one["placementUID"] == placement_uid for one in live):
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
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.probe_period_seconds * _jitter()):
                    await self._changed.wait()
            self._changed.clear()

    async def _take(self) -> None:
        self._taken = await self._source.take_facts()
        self._taken_at = time.monotonic()

    async def _publish_for_ever(self) -> None:
        await self.known.wait()
        await self._settle()
        await asyncio.sleep(random.uniform(0, self._settings.first_delay_seconds))  # noqa: S311
        async with asyncio.TaskGroup() as group:
            pause = await self._try_to_publish()
            group.create_task(self._heartbeat.run())
            while True:
                await asyncio.sleep(pause)
                await self._news.wait()
                self._news.clear()
                await asyncio.sleep(self._pace.wait_s(time.monotonic()))
                pause = await self._try_to_publish()

    async def _settle(self) -> None:
        """Look at what others say of our capacity: no VM is admitted or refused before."""
        while not self.settled.is_set():
            try:
                async with self._one_at_a_time:
                    await self._truth.look_if_due()
            except NodeReplacedError:
                pass  # every placement is of another Node, and says so
            except ApiError as error:
                _LOG.warning("truth.not-looked-at", extra={"error": str(error)})
                await asyncio.sleep(_SHORTEST_S)
                continue
            self.settled.set()

    async def _try_to_publish(self) -> float:
        """Publish, and return after how many seconds to try again, had it to be."""
        try:
            await self._publish()
        except ApiError as error:
            pause = self._pauses.failed(error)
            _LOG.warning("truth.not-published", extra={"error": str(error), "pause_s": pause})
            self._news.set()
            return pause
        return 0.0

    async def _catch_up(self) -> None:
        """Publish before a heartbeat after a failure, so that it can vouch for the latest facts.

        Raises:
            NoAnswerError: the API server is not there for a heartbeat either.
        """
        if self._failure is None or time.monotonic() < self._asked_until:
            return
        try:
            await self._publish()
        except NoAnswerError:
            raise
        except ApiError as error:
            _LOG.warning("truth.not-published", extra={"error": str(error)})

    async def _publish(self) -> None:
        """Bring the API server up to date; nothing is sent where it is.

        Raises:
            ApiError: it is not known to be.
        """
        async with self._one_at_a_time:
            try:
                await self._bring_up_to_date()
            except NodeReplacedError:
                pass  # nothing is ours to publish; the heartbeat still says that we live
            except ApiError as error:
                self._note_failure(error)
                raise
            self._failure = self._refused_since = None
            self._pauses.succeeded()

    def _note_failure(self, error: ApiError) -> None:
        self._failure, now = error, time.monotonic()
        if isinstance(error, NoAnswerError):
            self._refused_since = None
        elif self._refused_since is None:
            self._refused_since = now
        if isinstance(error, ApiUnavailableError):
            self._asked_until = now + error.retry_after_s

    async def _bring_up_to_date(self) -> None:
        vouched = self._vouched()
        try:
            await self._write_if_due()
        except (NotFoundError, ConflictError):
            # It changed since we looked, is gone, or is another one: look again, once.
            await self._write_if_due()
        if self._vouched() != vouched:
            await self._heartbeat.beat()

    async def _write_if_due(self) -> None:
        await self._truth.look_if_due()
        facts, held = self.facts, self._truth.held
        if facts is None or held is None:
            return
        digest = digest_facts(facts)
        body = status_body(
            self._identity.name,
            facts,
            digest,
            held,
            self._clock(),
            live=self._live_vms(),
            orphans=self._orphans(),
            orders=self._orders(),
        )
        if self._is_due(body, held):
            await self._truth.write(body)
            self._pace.wrote(time.monotonic())
            _LOG.info("truth.published", extra={"digest": digest})

    def _is_due(self, body: dict[str, Any], held: HeldTruth) -> bool:
        written = self._truth.written
        return (
            held.digest != body["status"]["digest"]
            or not says_the_same(body, written)
            or would_grow_stale(body, written)
            or self._truth.rewrite_is_due
        )

    def _vouched(self) -> str:
        """Return the digest that a heartbeat may repeat; "": we can vouch for nothing.

        While a changed fact waits for its write, the former facts are let stand for that
        moment; not when the API server goes on refusing it.
        """
        facts, held = self.facts, self._truth.held
        if facts is None or held is None or held.digest is None:
            return ""
        now, lease_s = time.monotonic(), self._settings.lease_duration_seconds
        refused = self._refused_since is not None and now - self._refused_since > lease_s / 3
        if now - self._taken_at > lease_s or (refused and digest_facts(facts) != held.digest):
            return ""
        return held.digest


def _jitter() -> float:
    return random.uniform(0.9, 1.1)  # noqa: S311 - jitter
