"""The scheduling loop: one place that decides, awake when something changed.

Decisions are made one after another, against one fleet in which everything counts that
was decided before; their writes are under way side by side, a bounded number of them.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from schedune_kube.client import KubeClient
from schedune_kube.errors import ApiError, ApiUnavailableError, FencedError, TooManyRequestsError
from schedune_kube.leader import Elector, Fence
from schedune_kube.reflector import Key
from schedune_kube.resources import VMWORKLOADS
from schedune_operator.agenda import Agenda
from schedune_operator.auditor import Auditor
from schedune_operator.bells import Bells
from schedune_operator.cache import WorkloadCache
from schedune_operator.garbage import set_aside_what_stays
from schedune_operator.reconciler import Reconciler
from schedune_operator.seen.meter import Meter
from schedune_operator.settings import OperatorSettings
from schedune_operator.slots import Slots
from schedune_operator.world import World

_LOG: Final = logging.getLogger(__name__)
_GATHER_S: Final = 0.02
"""Changes that come together are looked at together."""
_TURN_S: Final = 0.05
"""While there is work, the fleet and the time are asked so often whom else they concern."""


async def _nothing_to_say() -> None:
    """Say nothing."""


@dataclass
class SchedulingLoop:
    """Looks at whom a change concerns, and at all workloads now and then."""

    client: KubeClient
    settings: OperatorSettings
    cache: WorkloadCache
    world: World
    elector: Elector
    fence: Fence
    reconciler: Reconciler
    agenda: Agenda
    auditor: Auditor
    bells: Bells
    clock: Callable[[], datetime]
    meter: Meter = field(default_factory=Meter)
    last_words: Callable[[], Awaitable[None]] = _nothing_to_say
    """Awaited at an orderly end, for as long as that may take: what still has to be told."""
    _slots: Slots = field(default_factory=Slots)
    _work: set[asyncio.Task[None]] = field(default_factory=set)
    _leaving: bool = False
    _opened: int = 0
    """The last term of office in which we wrote; 0: there was none."""
    _idle: asyncio.Event = field(default_factory=asyncio.Event)
    _swept_at: float = field(default=float("-inf"))
    _ticked_at: float = field(default=float("-inf"))
    _turned_at: float = field(default=float("-inf"))

    async def run(self) -> None:
        """Lead, decide, and when leadership is lost wait for it again, until we leave."""
        while not self._leaving:
            await self.elector.wait_until_leading()
            epoch = self.elector.epoch
            try:
                await self._cross_barrier()
                if self.elector.epoch != epoch or not self.elector.leading():
                    continue
                self.fence.open(epoch)
                self._opened = epoch
                self.bells.begin_term()
                _LOG.info("loop.leads", extra={"epoch": epoch, "waiting": len(self.agenda.lanes)})
                await self._lead()
            except ApiError as error:
                _LOG.warning("barrier.interrupted", extra={"error": str(error)})
                await asyncio.sleep(self.settings.leader.retry_seconds)
            finally:
                self.fence.close()
                await self._end_work()
                self._hold_nothing()
                self._idle.set()

    async def drain(self) -> None:
        """Begin nothing more, and let what was begun end: the process leaves in order."""
        self._leaving = True
        self.cache.changed.set()
        if self.fence():
            self._idle.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self.settings.leader.margin_seconds):
                    await self._idle.wait()

    async def _cross_barrier(self) -> None:
        """Let a former leader's last writes land, see them all, look at everything anew.

        Whoever stopped for want of margin and goes on in the same term was that leader himself.

        Raises:
            ApiError: not everything could be seen.
        """
        follows = self.elector.succeeds or self.elector.epoch == self._opened
        if follows:
            await asyncio.sleep(self.settings.leader.margin_seconds)
        since = time.monotonic() if follows else self.elector.acquired_at
        world = self.world
        mirrors = (world.placements, world.nodes, world.truths)
        await asyncio.gather(
            *(one.listed_since(since) for one in mirrors),
            world.heartbeats.looked_since(since),
            self._sweep(),
        )
        await world.wait_until_synced()
        self._hold_nothing()
        await world.catch_up()
        self.agenda.wake_all()
        set_aside_what_stays()

    def _hold_nothing(self) -> None:
        """Count nothing that only we know of: another may lead, or have led meanwhile."""
        self.world.give_up_all()
        self.reconciler.drains.begin_term()

    async def _lead(self) -> None:
        while self.fence() and not self._leaving:
            await self._look_around()
            key = self.agenda.pop()
            if key is None:
                await self._rest()
                continue
            await self._slots.take()
            task = asyncio.create_task(self._look_at(key))
            self._work.add(task)
            task.add_done_callback(self._work.discard)
            # It decides before the next one does: the order of the agenda is that of the fleet.
            await asyncio.sleep(0)
        if self._leaving:
            if self._work:
                await asyncio.wait(self._work, timeout=self.settings.leader.margin_seconds)
            await self.last_words()

    async def _end_work(self) -> None:
        """End what was begun: nothing of a term of office outlives it."""
        for task in list(self._work):
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)

    async def _rest(self) -> None:
        left_s = self._ticked_at + self.settings.tick_seconds - time.monotonic()
        left_s = min(left_s, self.agenda.next_alarm_s())
        try:
            async with asyncio.timeout(max(left_s, 0.0)):
                await self.cache.changed.wait()
        except TimeoutError:
            self._turned_at = float("-inf")
            return
        self.cache.changed.clear()
        await asyncio.sleep(_GATHER_S)
        self._turned_at = float("-inf")

    async def _look_around(self) -> None:
        """Ask the fleet and the time whom they concern, if that was not just asked."""
        now = time.monotonic()
        if now - self._turned_at < _TURN_S:
            return
        self._turned_at = now
        try:
            await self.world.catch_up()
            self.agenda.turn(self.clock())
            if now - self._ticked_at >= self.settings.tick_seconds:
                self._ticked_at = now
                self.agenda.tick(self.clock())
                await self.auditor.audit()
            if now - self._swept_at >= self.settings.sweep_seconds:
                await self._sweep()
                set_aside_what_stays()
        except ApiError as error:
            _LOG.warning("loop.interrupted", extra={"error": str(error)})
        except Exception:  # noqa: BLE001 - the top of a loop: logged, and tried again
            _LOG.exception("loop.failed")
            return
        self.meter.queued(len(self.agenda.lanes))

    async def _look_at(self, key: Key) -> None:
        """Reconcile one workload; an error of one stops no other."""
        asked_for_patience = False
        began = self.agenda.begin(key)
        try:
            with self.meter.look():
                await self.reconciler.reconcile(key, self.cache.workloads.get(key))
        except ApiError as error:
            asked_for_patience = isinstance(error, TooManyRequestsError)
            patience = error.retry_after_s if isinstance(error, ApiUnavailableError) else 0.0
            self.agenda.fail(key, patience)
            if not isinstance(error, FencedError):
                told = {"workload": "/".join(key), "error": str(error)}
                _LOG.warning("workload.interrupted", extra=told)
        except Exception:  # noqa: BLE001 - the top of a loop: logged, and tried again
            self.agenda.fail(key)
            _LOG.exception("workload.failed", extra={"workload": "/".join(key)})
        except asyncio.CancelledError:
            self.agenda.fail(key)
            raise
        else:
            self.agenda.end(key, began)
        finally:
            self._slots.give_back(asked_for_patience=asked_for_patience)

    async def _sweep(self) -> None:
        """List all workloads anew, for what a watch may have lost."""
        self._swept_at = time.monotonic()
        items, version = await self.client.list(VMWORKLOADS, remember=self.cache.kept)
        self.cache.replace_all(items, version)
