"""Heartbeats: when each node's facts were last vouched for, by our own monotonic clock.

Neither a node's clock nor our time of day is ever compared with anything: what counts is
that *we* saw its Lease change. After a restart the server's stamp in managedFields stands
in for that, by the server's own clock.
"""

import asyncio
import logging
import math
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from schedune.fleet.node import MOST_LEASE_SECONDS
from schedune_kube.client import KubeClient
from schedune_kube.errors import ApiError
from schedune_kube.resources import LEASES
from schedune_operator.leases import (
    DEFAULT_LEASE_SECONDS,
    LEASE_NAMESPACE,
    Lease,
    LeaseList,
    read_leases,
)

_NEVER: Final = float("-inf")
_STAMP_S: Final = 0.5
"""Half of what a stamp in managedFields leaves open."""
CLOCKS_AGREE_S: Final = 2.0
"""Closer than this, two clocks are not told apart."""
_ON_ITS_WAY_S: Final = 10.0
"""Leases are polled and truths are watched: so long one may be ahead of the other."""
_POLLS_MISSED: Final = 3
_SLOW_POLL_S: Final = 5.0
"""We are deaf when so many looks at heartbeats failed, and not just because one is slow."""
_RETRY_S: Final = 1.0
"""After this a look that failed is repeated for whoever waits for one."""
_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """One node's Lease as we saw it change."""

    version: int
    seen: float
    """When it changed, in seconds of our monotonic clock; -inf: nobody knows."""
    digest: str
    duration_s: int
    written: datetime | None
    """When it changed, by the server's clock."""
    ahead_s: int
    """By how much the node's clock is ahead of the server's; 0 where they agree."""
    since: float = _NEVER
    """When we first saw it vouch for these facts."""
    former: tuple[str, float] = ("", _NEVER)
    """The digest that it vouched for before, and when last."""
    machine: str = ""
    """The machine that renewed it."""
    former_machine: tuple[str, float] = ("", _NEVER)
    """The machine that renewed it before, and when last."""

    def is_late(self, now: float) -> bool:
        """Say whether one was missed: one is due each third of a lease."""
        return now - self.seen > self.duration_s / 2

    def is_silent(self, now: float) -> bool:
        """Say whether it is overdue."""
        return now - self.seen > self.duration_s

    def heard_from(self, machine: str) -> float:
        """Return when a machine renewed it; one that nobody knows may be any. -inf: never."""
        if machine in ("", self.machine) or not self.machine:
            return self.seen
        former, seen = self.former_machine
        return seen if former == machine else _NEVER


def observe(
    known: Mapping[str, Heartbeat],
    leases: Iterable[Lease],
    now: float,
    server_now: datetime | None,
) -> dict[str, Heartbeat]:
    """Return the heartbeats after a look at all Leases; one that is gone vouches for nothing.

    A Lease that we know is younger only when it changed before our eyes.
    """
    beats = {}
    for lease in leases:
        name, version = lease.node_name, lease.version
        held = known.get(name)
        if held is not None and held.version == version:
            beats[name] = held
        else:
            seen = now if held is not None else seen_by_stamp(lease.written(), now, server_now)
            beats[name] = _after(held, _heartbeat(lease, seen), now)
    return beats


def _after(held: Heartbeat | None, beat: Heartbeat, now: float) -> Heartbeat:
    """Remember what it vouched for before."""
    if held is None:
        return replace(beat, since=now)
    is_other = held.machine != beat.machine
    former = (held.machine, held.seen) if is_other else held.former_machine
    beat = replace(beat, former_machine=former)
    if held.digest == beat.digest:
        return replace(beat, since=held.since, former=held.former)
    return replace(beat, since=now, former=(held.digest, held.seen))


def seen_by_stamp(stamp: datetime | None, now: float, server_now: datetime | None) -> float:
    """Return when, by our monotonic clock, the server stamped what we see for the first time."""
    if stamp is None or server_now is None:
        return _NEVER
    return now - max(0.0, (server_now - stamp).total_seconds())


def _heartbeat(lease: Lease, seen: float) -> Heartbeat:
    written = lease.written()
    return Heartbeat(
        version=lease.version,
        seen=seen,
        digest=sys.intern(lease.digest),
        duration_s=min(lease.duration_s, MOST_LEASE_SECONDS),
        written=written,
        machine=sys.intern(lease.machine),
        ahead_s=_ahead_s(lease.renewed(), written),
    )


def _ahead_s(renewed: datetime | None, written: datetime | None) -> int:
    """Compare the node's clock with the server's, at one write that both have dated."""
    if renewed is None or written is None:
        return 0
    ahead = (renewed - written).total_seconds() - _STAMP_S
    return round(ahead) if abs(ahead) > CLOCKS_AGREE_S else 0


@dataclass(frozen=True, slots=True)
class Vouching:
    """How far a truth is vouched for; moments in seconds of our monotonic clock."""

    now: float
    proved: float
    """When exactly these facts were last vouched for; -inf: never."""
    heard: float
    """When the node was last heard of at all; -inf: never."""
    lease_s: int
    """How long that counts."""
    is_unsettled: bool = False
    """Whether the facts that the last heartbeat vouches for may be on their way to us."""

    @property
    def proof_age_s(self) -> float:
        """Return the seconds since the facts were vouched for; inf: never."""
        return self.now - self.proved

    @property
    def is_fresh(self) -> bool:
        """Whether the facts may be believed."""
        return self.proof_age_s <= self.lease_s

    @property
    def is_late(self) -> bool:
        """Whether the node missed a heartbeat: one is due each third of a lease."""
        return self.now - self.heard > self.lease_s / 2

    @property
    def is_silent(self) -> bool:
        """Whether the node's heartbeat is overdue."""
        return self.now - self.heard > self.lease_s


def vouch(
    beat: Heartbeat | None, digest: str | None, written: tuple[datetime, float] | None, now: float
) -> Vouching:
    """Say how far facts of a digest are vouched for.

    Facts are proved by a heartbeat that repeats their digest, or by being written, as long as
    no later heartbeat vouches for others. ``written`` is when, by the server's clock and ours.
    """
    proof = _NEVER
    if beat is not None and digest:
        proof = _proved_by(beat, digest, now)
    if written is not None and digest and not _speaks_against(beat, digest, written[0], now):
        proof = max(proof, written[1])
    if beat is None:
        return Vouching(now, proof, _NEVER, DEFAULT_LEASE_SECONDS)
    unsettled = beat.digest != digest and _may_be_on_its_way(beat, now)
    return Vouching(now, proof, beat.seen, beat.duration_s, unsettled)


def _proved_by(beat: Heartbeat, digest: str, now: float) -> float:
    if beat.digest == digest:
        return beat.seen
    former, seen = beat.former
    return seen if former == digest and _may_be_on_its_way(beat, now) else _NEVER


def _may_be_on_its_way(beat: Heartbeat, now: float) -> bool:
    """Say whether we may just not have seen yet the facts that a new heartbeat vouches for."""
    return bool(beat.digest) and now - beat.since <= _ON_ITS_WAY_S


def _speaks_against(beat: Heartbeat | None, digest: str, written: datetime, now: float) -> bool:
    if beat is None or beat.digest == digest or _may_be_on_its_way(beat, now):
        return False
    return beat.written is not None and beat.written > written


def deaf_after_s(period_s: float) -> float:
    """Return after how long without a look at heartbeats, one each period, we hear nothing."""
    return _POLLS_MISSED * period_s + _SLOW_POLL_S


class Heartbeats:
    """All nodes' heartbeats."""

    def __init__(self, client: KubeClient, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.synced = asyncio.Event()
        """Set once all Leases were looked at."""
        self._client = client
        self._monotonic = monotonic
        self._known: dict[str, Heartbeat] = {}
        self._gone: dict[str, Heartbeat] = {}
        """The last that was seen of Leases that are not there any more."""
        self._version = 0
        self._looked_at = _NEVER
        self._began = _NEVER
        """When the last look that succeeded began."""
        self._looked = asyncio.Condition()
        self._wanted = asyncio.Event()
        self._wanted_since = _NEVER
        """Somebody waits for a look that begins after this."""
        self._watched_since = math.inf
        self._deaf_after_s = math.inf

    def looked_ago_s(self) -> float:
        """Return the seconds since we could last look at the Leases; inf: never."""
        return self._monotonic() - self._looked_at

    def is_deaf(self) -> bool:
        """Say whether the last look is too long ago for anybody's silence to prove anything.

        So it is in an outage, and where we stood still ourselves and have only just woken.
        """
        return self.looked_ago_s() > self._deaf_after_s

    def watched_for_s(self) -> float:
        """Return the seconds for which every look at the Leases has succeeded."""
        return 0.0 if self.is_deaf() else max(0.0, self._monotonic() - self._watched_since)

    async def looked_since(self, moment: float) -> None:
        """Return once there was a look that began after a moment (monotonic)."""
        self._wanted_since = max(self._wanted_since, moment)
        self._wanted.set()
        async with self._looked:
            await self._looked.wait_for(lambda: self._began >= moment)

    async def run(self, period_s: float, on_change: Callable[[set[str]], None]) -> None:
        """Look at all Leases again and again, for ever; tell which nodes' changed."""
        self._deaf_after_s = deaf_after_s(period_s)
        while True:
            self._wanted.clear()
            try:
                on_change(await self.poll())
            except ApiError as error:
                self._watched_since = math.inf
                _LOG.warning("heartbeats.not-seen", extra={"error": str(error)})
            else:
                async with self._looked:
                    self._looked.notify_all()
            await self._pause(period_s)

    async def _pause(self, period_s: float) -> None:
        """Wait until the next look is due, or is wanted."""
        if self._began < self._wanted_since:
            period_s = min(period_s, _RETRY_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(period_s):
                await self._wanted.wait()

    async def poll(self) -> set[str]:
        """Look at all Leases once; return the nodes whose Lease changed, came or went."""
        began = self._monotonic()
        seen = await self._list("0")
        if seen.version < self._version:
            # The cache of a server that lags behind: what it shows would look like changes.
            seen = await self._list()
        before = self._known
        if seen.version < self._version:
            # The history itself is another one (a restored etcd): nothing we knew compares.
            before = {}
        self._version = seen.version
        now = self._monotonic()
        # We may have stood still ourselves since the last look, or in the middle of this one.
        if math.isinf(self._watched_since) or now - self._looked_at > self._deaf_after_s:
            self._watched_since = now
        self._looked_at, self._began = now, began
        self._known = observe(before, seen.items or (), now, self._client.server_time())
        self._gone |= {name: beat for name, beat in before.items() if name not in self._known}
        self._gone = {name: one for name, one in self._gone.items() if name not in self._known}
        self.synced.set()
        changed = {name for name, beat in self._known.items() if before.get(name) is not beat}
        return changed | (before.keys() - self._known.keys())

    async def _list(self, resource_version: str | None = None) -> LeaseList:
        return await self._client.read_list(
            LEASES, read_leases, LEASE_NAMESPACE, resource_version=resource_version
        )

    def get(self, node_name: str) -> Heartbeat | None:
        """Return the last heartbeat of a node."""
        return self._known.get(node_name)

    def is_silent(self, node_name: str) -> bool:
        """Say whether a node's heartbeat is overdue, or there is none."""
        beat = self._known.get(node_name)
        return beat is None or beat.is_silent(self._monotonic())

    def last(self, node_name: str) -> Heartbeat | None:
        """Return the last heartbeat of a node, even if its Lease is gone since."""
        return self._known.get(node_name) or self._gone.get(node_name)
