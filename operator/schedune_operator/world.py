"""The world as the operator sees it now: mirrors, and the fleet that the core decides on.

The fleet is kept, not made anew: what changed since it was last asked for touches its own
rows. It changes only when ``fleet()`` is called, so that a decision and its explanation
see the same.
"""

import asyncio
import itertools
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from pydantic import ValidationError

from schedune.api.nodetruth import NodeTruth
from schedune.api.vmplacement import VMPlacement
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import ClaimRecord, NodeRecord, Taint
from schedune.fleet.peers import Peer
from schedune_kube.client import KubeClient, Raw
from schedune_kube.lean import lean
from schedune_kube.reflector import Key, Reflector
from schedune_kube.resources import NODES, NODETRUTHS, VMPLACEMENTS
from schedune_operator.calm import Grounds, says_fresh
from schedune_operator.claims import claim_of
from schedune_operator.freshness import (
    CLOCKS_AGREE_S,
    Heartbeats,
    Vouching,
    seen_by_stamp,
    vouch,
)
from schedune_operator.namespaces import Namespaces
from schedune_operator.priorities import Priorities
from schedune_operator.tenants import Tenants
from schedune_operator.truth_mirror import remember_truth

_LOG: Final = logging.getLogger(__name__)
PeerOf = Callable[[Key], Peer]
_SLICE: Final = 100
"""So many nodes are read in one go: some 50 ms, after which others have their turn."""
_JUMP_S: Final = 1.0
"""By how much our time of day may part from the monotonic clock before moments are read anew."""


@dataclass(frozen=True, slots=True)
class _Counted:
    """What the fleet counts under one name, and what that was read from."""

    source: Raw | ClaimRecord
    peer: Peer
    claim: ClaimRecord | None
    """None: it holds nothing."""


class World:
    """Mirrors of Nodes, NodeTruths and VMPlacements, the heartbeats, and the fleet."""

    def __init__(
        self,
        client: KubeClient,
        on_change: Callable[[], None],
        peer_of: PeerOf,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.nodes = Reflector(client, NODES, on_change=self._note_node, remember=lean)
        self.truths = Reflector(
            client, NODETRUTHS, on_change=self._note_node, remember=remember_truth
        )
        self.placements = Reflector(
            client, VMPLACEMENTS, on_change=self._note_placement, remember=lean
        )
        self.namespaces = Namespaces(client, on_change)
        self.heartbeats = Heartbeats(client, monotonic)
        self.tenants = Tenants()
        self.priorities = Priorities(client)
        self.ours: dict[Key, str] = {}
        """The version of each placement that we wrote or read ourselves: no news to us."""
        self.on_placement: Callable[[Key], None] = lambda _key: None
        """Told of every name whose placement is another."""
        self.on_absorb: Callable[[Key], None] = lambda _key: None
        """Told of every placement that we wrote or read ourselves."""
        self.on_freed: Callable[[Key, Fleet], None] = lambda _key, _fleet: None
        """Told of every name that has just ceased to hold anything."""
        self.on_node: Callable[[str], None] = lambda _name: None
        """Told of every node about which something was ordered."""
        self._client = client
        self._clock = clock
        self.monotonic = monotonic
        """By which moments are counted, in seconds."""
        self._shift = clock().timestamp() - monotonic()
        """What makes a time of day of a monotonic moment."""
        self._written: dict[str, tuple[datetime, float]] = {}
        self._on_change = on_change
        self._peer_of = peer_of
        self._fleet = Fleet(())
        self._touched_nodes: set[str] = set()
        self._touched_placements: set[Key] = set()
        self._counted: dict[Key, _Counted] = {}
        self._assumed: dict[Key, ClaimRecord] = {}
        """What placements hold whose creation is under way, or of which nobody knows."""

    async def wait_until_synced(self) -> None:
        """Return once every mirror holds a whole list."""
        for synced in self._synced():
            await synced.wait()

    async def follow_heartbeats(self, period_s: float) -> None:
        """Look at the heartbeats for ever; those that beat make their rows younger."""
        await self.heartbeats.run(period_s, self._touched_nodes.update)

    def is_synced(self) -> bool:
        """Say whether every mirror holds a whole list."""
        return all(one.is_set() for one in self._synced())

    def _synced(self) -> list[asyncio.Event]:
        """Return what is set once all is known that decisions are made on."""
        objects = (self.nodes, self.truths, self.placements)
        limits = (self.namespaces.mirror, self.priorities.mirror)
        return [one.synced for one in (*objects, *limits, self.heartbeats)]

    def _note_node(self, key: Key, _raw: Raw | None) -> None:
        name = key[1]
        self._touched_nodes.add(name)
        node, truth = self.nodes.store.get(("", name)), self.truths.store.get(("", name))
        if self.tenants.is_another(name, node, truth):
            self.on_node(name)
        self._on_change()

    def _note_placement(self, key: Key, raw: Raw | None) -> None:
        self.tenants.note(key, raw)
        self.note_placement(key)
        if raw is None:
            self.ours.pop(key, None)
        else:
            self._assumed.pop(key, None)  # it was made after all, by a request without an answer
        self.on_placement(key)
        self._on_change()

    def note_placement(self, key: Key) -> None:
        """Look at a placement's claim again: it, or the labels of its workload, changed.

        What neither is nor was counted has none: who never asks for the fleet remembers no name.
        """
        if key in self.placements.store or key in self._assumed or key in self._counted:
            self._touched_placements.add(key)
        else:
            self._touched_placements.discard(key)

    def absorb(self, raw: Raw) -> None:
        """Hold a placement that we just wrote or read, before the watch brings it."""
        key = (raw["metadata"]["namespace"], raw["metadata"]["name"])
        self.placements.absorb(raw)
        self.ours[key] = str(raw["metadata"]["resourceVersion"])
        self._assumed.pop(key, None)
        self.tenants.note(key, self.placements.store[key])
        self.note_placement(key)
        self.on_absorb(key)

    def absorb_truth(self, raw: Raw) -> None:
        """Hold a NodeTruth that we just wrote; it may bring what others wrote a moment before."""
        self.truths.absorb(raw)
        self._note_node(("", raw["metadata"]["name"]), raw)

    def assume(self, key: Key, claim: ClaimRecord) -> None:
        """Count what a placement will hold that is about to be made."""
        self._assumed[key] = claim
        self.note_placement(key)

    def give_up(self, key: Key) -> None:
        """Count nothing any more for a placement that was not made after all."""
        if self._assumed.pop(key, None) is not None:
            self.note_placement(key)

    def give_up_all(self) -> None:
        """Count nothing for what an earlier term of office was about to make."""
        for key in list(self._assumed):
            self.give_up(key)

    # --- what is known ---------------------------------------------------------------

    def placement(self, key: Key) -> VMPlacement | None:
        """Return the placement of a workload's name, whoever's it is."""
        raw = self.placements.store.get(key)
        if raw is None:
            return None
        try:
            return VMPlacement.model_validate(raw)
        except ValidationError as error:
            _LOG.error("placement.unreadable", extra={"placement": key[1], "error": str(error)})
            return None

    def truth(self, name: str) -> NodeTruth | None:
        """Return what is known of a node; what cannot be read is not known."""
        raw = self.truths.store.get(("", name))
        read: NodeTruth | None = raw["read"] if raw is not None else None
        return read

    def record(self, raw: Raw) -> NodeRecord:
        """Return a node as it is known now."""
        name, spec = raw["metadata"]["name"], raw.get("spec") or {}
        truth = self.truth(name)
        vouching = self.vouching(name, truth.status.digest if truth is not None else None)
        return NodeRecord(
            name=name,
            uid=raw["metadata"]["uid"],
            truth=truth,
            last_proof=self.time_of_day(vouching.proved),
            lease_seconds=vouching.lease_s,
            last_heard=self.last_beat(name),
            clock_ahead_seconds=self._clock_ahead_s(name),
            node_ready=_is_ready(raw),
            unschedulable=bool(spec.get("unschedulable")),
            labels=raw["metadata"].get("labels") or {},
            taints=tuple(
                Taint(one["key"], one.get("value", ""), one["effect"])
                for one in spec.get("taints") or ()
            ),
        )

    def vouching(self, node_name: str, digest: str | None) -> Vouching:
        """Say how far facts of a digest, published by a node, are vouched for now."""
        beat = self.heartbeats.get(node_name)
        return vouch(beat, digest, self._truth_written(node_name), self.monotonic())

    def _truth_written(self, name: str) -> tuple[datetime, float] | None:
        """Return when its agent last wrote a truth, by the server's clock and by ours."""
        raw = self.truths.store.get(("", name))
        stamp: datetime | None = raw["written"] if raw is not None else None
        if stamp is None:
            self._written.pop(name, None)
            return None
        held = self._written.get(name)
        if held is None or held[0] != stamp:
            seen = seen_by_stamp(stamp, self.monotonic(), self._client.server_time())
            held = self._written[name] = (stamp, seen)
        return held

    def _clock_ahead_s(self, node_name: str) -> int:
        """Return by how much a node's clock is ahead of our time of day."""
        beat = self.heartbeats.get(node_name)
        server = self._client.server_clock_offset(self._clock()) or 0.0
        server_ahead = round(server) if abs(server) > CLOCKS_AGREE_S else 0
        return (beat.ahead_s if beat is not None else 0) + server_ahead

    def last_beat(self, node_name: str) -> datetime | None:
        """Return when the node was last heard of at all."""
        beat = self.heartbeats.get(node_name)
        return self.time_of_day(beat.seen) if beat is not None else None

    def is_silent(self, node_name: str) -> bool:
        """Say whether a node's heartbeat is overdue."""
        return self.heartbeats.is_silent(node_name)

    def is_told_silent(self, node_name: str) -> bool:
        """Say whether its VMs are told that a node is silent: not before its NodeTruth is.

        What is told of nodes is told at a bounded rate, and not at all in an outage of our own.
        """
        if not self.is_silent(node_name):
            return False
        truth = self.truth(node_name)
        if truth is None or ("", node_name) not in self.nodes.store:
            return True
        return not says_fresh(truth)

    def grounds(self, raw: Raw) -> Grounds:
        """Return what is held of a node that is in the mirror."""
        name = raw["metadata"]["name"]
        return Grounds(raw, self.truths.store.get(("", name)), self.heartbeats.get(name))

    def time_of_day(self, moment: float) -> datetime | None:
        """Return when a monotonic moment was; None: -inf never was."""
        if math.isinf(moment):
            return None
        return datetime.fromtimestamp(moment + self._shift, UTC)

    def _follow_clock(self) -> None:
        """Read every moment anew where our time of day was set: ages are by the monotonic clock."""
        shift = self._clock().timestamp() - self.monotonic()
        if abs(shift - self._shift) > _JUMP_S:
            _LOG.warning("clock.jumped", extra={"seconds": round(shift - self._shift, 1)})
            self._shift = shift
            self._touched_nodes |= {name for _, name in self.nodes.store}

    # --- the fleet -------------------------------------------------------------------

    def seen_fleet(self) -> Fleet:
        """Return the fleet as it was last brought up to date: for whoever only looks."""
        return self._fleet

    async def catch_up(self) -> None:
        """Bring the fleet up to date in slices, so that nothing else waits for long."""
        while len(self._touched_nodes) > _SLICE:
            some = set(itertools.islice(self._touched_nodes, _SLICE))
            self._touched_nodes -= some
            self._prepare(some)
            await asyncio.sleep(0)

    def _prepare(self, names: set[str]) -> None:
        """Take in what is known of some nodes; new ones become rows with the next ``fleet()``."""
        gone = []
        for name in sorted(names):
            raw = self.nodes.store.get(("", name))
            if raw is None:
                gone.append(name)
            else:
                self._fleet.prepare(self.record(raw))
        self._fleet.remove(*gone)

    def fleet(self) -> Fleet:
        """Return the fleet, brought up to date."""
        self._follow_clock()
        self._prepare(self._touched_nodes)
        self._touched_nodes.clear()
        self._fleet.add_prepared()
        for key in sorted(self._touched_placements):
            self._count(key)
        self._touched_placements.clear()
        self._fleet.quotas = self.namespaces.quotas
        return self._fleet

    def _count(self, key: Key) -> None:
        """Bring the claim under one name up to date; another placement may bear it now."""
        raw, peer = self.placements.store.get(key), self._peer_of(key)
        source = self._assumed.get(key) if raw is None else raw
        held = self._counted.get(key)
        if held is not None and held.source is source and held.peer == peer:
            return
        if held is not None and held.claim is not None:
            self._fleet.release(held.claim.placement_uid)
        claim = self._assumed.get(key) if raw is None else claim_of(raw, peer)
        if claim is not None:
            self._fleet.reserve(claim)
        elif held is not None and held.claim is not None:
            self.on_freed(key, self._fleet)
        if source is None:
            self._counted.pop(key, None)
        else:
            self._counted[key] = _Counted(source, peer, claim)


def _is_ready(raw: Raw) -> bool | None:
    for one in (raw.get("status") or {}).get("conditions") or ():
        if one["type"] == "Ready":
            return {"True": True, "False": False}.get(one["status"])
    return None
