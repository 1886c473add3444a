"""The scheduling loop: one place that decides, awake when something changed."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from schedune_kube.client import KubeClient
from schedune_kube.errors import ApiError
from schedune_kube.leader import Elector
from schedune_kube.resources import VMWORKLOADS
from schedune_operator.agenda import Agenda
from schedune_operator.cache import WorkloadCache
from schedune_operator.reconciler import Reconciler
from schedune_operator.seen.meter import Meter
from schedune_operator.settings import OperatorSettings
from schedune_operator.world import World

_LOG: Final = logging.getLogger(__name__)
_GATHER_SECONDS: Final = 0.02
"""Changes that come together are looked at together."""


@dataclass
class SchedulingLoop:
    """Looks at whom a change concerns, and at all workloads now and then."""

    client: KubeClient
    settings: OperatorSettings
    cache: WorkloadCache
    world: World
    elector: Elector
    reconciler: Reconciler
    agenda: Agenda
    clock: Callable[[], datetime]
    meter: Meter = field(default_factory=Meter)
    _swept_at: float = field(default=float("-inf"))

    async def run(self) -> None:
        """Lead, decide, and when leadership is lost wait for it again, for ever."""
        await self.world.wait_until_synced()
        while True:
            await self.elector.wait_until_leading()
            await self._cross_barrier()
            while self.elector.leading():
                await self._turn()
                await self._rest()

    async def _cross_barrier(self) -> None:
        """Let a former leader's last writes land, then look at everything anew."""
        await asyncio.sleep(self.settings.leader.margin_seconds)
        self._swept_at = float("-inf")

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(self.settings.tick_seconds):
                await self.cache.changed.wait()
        except TimeoutError:
            return
        await asyncio.sleep(_GATHER_SECONDS)

    async def _turn(self) -> None:
        self.cache.changed.clear()
        try:
            await self._sweep_if_due()
            keys = self.agenda.pick(self.clock())
        except ApiError as error:
            _LOG.warning("loop.interrupted", extra={"error": str(error)})
            return
        except Exception:  # noqa: BLE001 - the top of a loop: logged, and tried again
            _LOG.exception("loop.failed")
            return
        self.meter.queued(len(keys))
        for key in keys:
            if not self.elector.leading():
                return
            with self.meter.look():
                await self._look_at(key)

    async def _look_at(self, key: tuple[str, str]) -> None:
        """Reconcile one workload; an error of one stops no other."""
        raw = self.cache.workloads.get(key)
        began = self.agenda.begin(key)
        try:
            await self.reconciler.reconcile(key, raw)
            self.agenda.end(key, began)
        except ApiError as error:
            _LOG.warning(
                "workload.interrupted", extra={"workload": "/".join(key), "error": str(error)}
            )
        except Exception:  # noqa: BLE001 - the top of a loop: logged, and tried again
            _LOG.exception("workload.failed", extra={"workload": "/".join(key)})

    async def _sweep_if_due(self) -> None:
        """Look at everything now and then, for what a watch may have lost."""
        now = time.monotonic()
        if now - self._swept_at >= self.settings.sweep_seconds:
            items, version = await self.client.list(VMWORKLOADS)
            self.cache.replace_all(items, version)
            self.agenda.wake_all()
            self._swept_at = now
