"""One leader at a time, by a Lease: an elector whose loss is noticed before a successor acts.

The electors of the Kubernetes libraries keep a lost leader running when the transport
fails (reference/kopf.md 5.2). This one never compares a remote time with the local
clock: a Lease is old when *we* have not seen it change for its duration.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from schedune_kube.client import KubeClient, Raw
from schedune_kube.errors import ApiError, NotFoundError
from schedune_kube.resources import LEASES
from schedune_kube.times import render_micro_time

_MOST_TIMES_OURS: Final = 4
"""However long a Lease says that it counts: no longer than so many of our own."""
_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LeaderTimes:
    """Seconds; ``renew_deadline_s`` plus a writer's time-out must stay below ``duration_s``."""

    duration_s: int = 15
    renew_deadline_s: float = 10.0
    retry_s: float = 2.0
    margin_s: float = 3.0

    @property
    def patience_s(self) -> float:
        """How long one attempt may take, so that another one still comes in time."""
        return self.renew_deadline_s / 2


class Elector:
    """Takes and keeps one Lease."""

    def __init__(
        self,
        client: KubeClient,
        *,
        name: str,
        namespace: str,
        identity: str,
        times: LeaderTimes,
        clock: Callable[[], datetime],
    ) -> None:
        self.epoch = 0
        self._client = client
        self._name = name
        self._namespace = namespace
        self._identity = identity
        self._times = times
        self._clock = clock
        self.acquired_at = float("-inf")
        """When this term of office began, on our monotonic clock."""
        self.succeeds = False
        """Whether somebody led before us and did not hand over in order."""
        self._valid_until = float("-inf")
        self._seen_version = ""
        self._seen_at = 0.0
        self._changed = asyncio.Event()
        self.tried = asyncio.Event()
        """Set once we know, or could not learn, whether the Lease is free."""

    def leading(self, margin_s: float | None = None) -> bool:
        """Say whether we lead and will for another moment: asked before every write."""
        margin = self._times.margin_s if margin_s is None else margin_s
        return time.monotonic() + margin < self._valid_until

    async def wait_until_leading(self) -> None:
        """Return once we lead."""
        while not self.leading():
            self._changed.clear()
            await self._changed.wait()

    async def run(self) -> None:
        """Try, and keep trying, for ever."""
        while True:
            led = self.leading(0)
            try:
                # A slow server must not leave us without a leader; a late answer counts from the
                # moment at which it was asked for.
                async with asyncio.timeout(max(self._times.retry_s, self._times.patience_s)):
                    await self._attempt()
            except (ApiError, TimeoutError) as error:
                _LOG.warning("leader.attempt-failed", extra={"error": repr(error)})
            if self.leading():
                # Also after a renewal that came late: whoever stopped for want of margin waits.
                self._changed.set()
            if self.leading() and not led:
                _LOG.info(
                    "leader.acquired", extra={"epoch": self.epoch, "identity": self._identity}
                )
            self.tried.set()
            await asyncio.sleep(self._times.retry_s * random.uniform(0.8, 1.2))  # noqa: S311 - jitter

    async def release(self) -> None:
        """Give the Lease back at an orderly end, if it is still ours."""
        self._valid_until = float("-inf")
        try:
            lease = await self._client.get(LEASES, self._name, self._namespace)
            if lease["spec"].get("holderIdentity") == self._identity:
                lease["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1}
                await self._client.replace(LEASES, self._name, lease, self._namespace)
        except ApiError as error:
            _LOG.warning("leader.release-failed", extra={"error": str(error)})

    async def _attempt(self) -> None:
        started = time.monotonic()
        try:
            lease = await self._client.get(LEASES, self._name, self._namespace)
        except NotFoundError:
            await self._client.create(LEASES, self._new(), self._namespace)
            # It may have been taken away from under one who does not know that yet.
            self._begin(time.monotonic(), succeeds=bool(self._seen_version))
            self._won(started, 1)
            return
        version = lease["metadata"]["resourceVersion"]
        if version != self._seen_version:
            self._seen_version, self._seen_at = version, started
        spec = lease["spec"]
        holder = spec.get("holderIdentity")
        if holder and holder != self._identity:
            self._valid_until = float("-inf")
        ours = holder == self._identity and self.leading(0)
        if not ours and not self._is_free(spec, started):
            return
        succeeds = bool(holder)
        spec["renewTime"] = render_micro_time(self._clock())
        spec["leaseDurationSeconds"] = self._times.duration_s
        if not ours:
            self._sign(spec)
        written = await self._client.replace(LEASES, self._name, lease, self._namespace)
        self._seen_version = written["metadata"]["resourceVersion"]
        self._seen_at = started
        if not ours:
            self._begin(time.monotonic(), succeeds=succeeds)
        self._won(started, int(spec.get("leaseTransitions") or 1))

    def _sign(self, spec: Raw) -> None:
        """Write ourselves into a Lease that is free: a new term of office."""
        spec["holderIdentity"] = self._identity
        spec["acquireTime"] = spec["renewTime"]
        spec["leaseTransitions"] = int(spec.get("leaseTransitions") or 0) + 1

    def _is_free(self, spec: Raw, now: float) -> bool:
        """Say whether nobody holds it, or its holder was silent for a whole duration."""
        if not spec.get("holderIdentity"):
            return True
        told = int(spec.get("leaseDurationSeconds") or self._times.duration_s)
        # Somebody may have edited it: the holder writes its own again, if it lives.
        return now >= self._seen_at + min(told, _MOST_TIMES_OURS * self._times.duration_s)

    def _begin(self, moment: float, *, succeeds: bool) -> None:
        self.acquired_at, self.succeeds = moment, succeeds

    def _won(self, started: float, epoch: int) -> None:
        self._valid_until = started + self._times.renew_deadline_s
        self.epoch = epoch

    def _new(self) -> Raw:
        now = render_micro_time(self._clock())
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": self._times.duration_s,
                "acquireTime": now,
                "renewTime": now,
                "leaseTransitions": 1,
            },
        }


class Fence:
    """Lets writes through in one term of office only: asked right before each of them.

    A leader that was stopped and wakes may find that it leads again, in another term; what
    it decided in the former one must not be written any more.
    """

    def __init__(self, elector: Elector) -> None:
        self._elector = elector
        self._epoch: int | None = None

    def open(self, epoch: int) -> None:
        """Let writes through as long as this term lasts."""
        self._epoch = epoch

    def close(self) -> None:
        """Let nothing through."""
        self._epoch = None

    def __call__(self) -> bool:
        """Say whether a write may start now."""
        return self._epoch == self._elector.epoch and self._elector.leading()
