"""The operator's part of a NodeTruth: Fresh and Ready, written on transitions only."""

import asyncio
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from schedune.api.base import API_VERSION, Condition
from schedune.api.nodetruth import HealthState, NodeTruth, Scheduling
from schedune.codes import eligibility, summary
from schedune.codes.row import Reason, Row
from schedune.fleet.node import NodeRecord
from schedune.lifecycle.situation import Claim, Status
from schedune_kube.client import KubeClient
from schedune_kube.errors import ApiError
from schedune_kube.events import EventRecorder, Subject
from schedune_kube.resources import NODETRUTHS
from schedune_operator.calm import Grounds, says_fresh
from schedune_operator.freshness import Vouching
from schedune_operator.outage import OutageWatch
from schedune_operator.world import World

MOST_WRITES: Final = 20
"""Of one pass; passes are at least a second apart."""
_PASS_SECONDS: Final = 1.0
_SLICE: Final = 200
"""Truths that are looked at in one go, after which others have their turn."""
_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pending:
    """A truth whose conditions do not say what is the case."""

    node: NodeRecord
    truth: NodeTruth
    claims: dict[str, Claim]


@dataclass
class _Sight:
    """What is seen of all nodes that publish facts, before any of them is judged."""

    known: set[str] = field(default_factory=set)
    heard: set[str] = field(default_factory=set)
    believed: set[str] = field(default_factory=set)
    """Of those that are not calm: whose published condition says that they are fresh."""
    uneasy: list[Grounds] = field(default_factory=list)
    """Of whom there may be something to tell."""


@dataclass
class TruthJudge:
    """Says of every truth whether it may be believed, and of every node whether it serves."""

    client: KubeClient
    world: World
    events: EventRecorder
    clock: Callable[[], datetime]
    leading: Callable[[], bool]
    lease: Subject
    """Our own Lease, of which the cluster is told when we are deaf."""
    deaf_after_s: float
    """When we could not look at heartbeats for so long, silence proves nothing, in seconds."""
    expire_s: float
    """After this much silence nothing is known of a node any more, in seconds."""
    outage: OutageWatch
    drain: Callable[[str], str]
    """Says how far the draining of a node has come."""
    _last: str = field(default="", init=False)
    """Where the last pass ended, so that none waits for ever behind others."""
    _calm: dict[str, Grounds] = field(default_factory=dict, init=False)
    """Nodes at which nothing is to be seen unless something changed, since the last pass."""
    _told: bool = field(default=False, init=False)
    _deaf: bool = field(default=False, init=False)
    _hearing_since: float = field(default=float("-inf"), init=False)

    async def run(self, pause_s: float) -> None:
        """Judge for ever, while we lead; sooner again while something is left to be written."""
        await self.world.wait_until_synced()
        while True:
            # Also while we do not lead: an outage that makes us deaf takes the leadership first.
            left, hears = False, not self._is_deaf()
            if hears and self.leading():
                left = await self.judge()
            else:
                await self._observe()
            await asyncio.sleep(min(_PASS_SECONDS, pause_s) if left else pause_s)

    async def judge(self) -> bool:
        """Write what changed, a bounded number at a time; return whether more is left.

        A Fresh that only grew older is no change.
        """
        due = await self.look()
        await self._tell_of_outage()
        for one in due[:MOST_WRITES]:
            if not self.leading():
                return False
            await self._write(one)
            self._last = one.node.name
        return len(due) > MOST_WRITES

    def _is_deaf(self) -> bool:
        """Say whether we cannot look at heartbeats, and remember since when we can again."""
        deaf = self.world.heartbeats.looked_ago_s() > self.deaf_after_s
        if self._deaf and not deaf:
            self._hearing_since = self.world.monotonic()
        self._deaf = deaf
        return deaf

    def _may_have_called(self, vouching: Vouching) -> bool:
        """Say whether a silence falls into our deafness, and the node had no time to end it."""
        since = self._hearing_since
        return vouching.heard < since and vouching.now - since < vouching.lease_s

    async def look(self) -> list[Pending]:
        """Return what is out of date: as much as one pass writes, and one more if there is more.

        Where thousands wait to be told, each pass judges only those whose turn it is.
        """
        seen = await self._observe()
        uneasy = [one for one in seen.uneasy if one.name not in self.outage.withheld]
        uneasy.sort(key=lambda one: (one.name <= self._last, one.name))
        found: list[Pending] = []
        for number, grounds in enumerate(uneasy, start=1):
            if number % _SLICE == 0:
                await asyncio.sleep(0)
            if (news := self._look_at(grounds)) is not None:
                found.append(news)
            if len(found) > MOST_WRITES:
                break
        return found

    async def _observe(self) -> _Sight:
        """Look around, and take in how many fell silent.

        Also while we are deaf: else whoever calls first afterwards makes the others look few.
        """
        seen = await self._look_around()
        self.outage.observe(seen.heard, seen.known, self.world.monotonic(), seen.believed)
        return seen

    async def _look_around(self) -> _Sight:
        """Look whose heartbeats come, and who is not as calm as before."""
        seen, before, self._calm = _Sight(), self._calm, {}
        for number, raw in enumerate(list(self.world.nodes.store.values()), start=1):
            if number % _SLICE == 0:
                await asyncio.sleep(0)
            grounds, now = self.world.grounds(raw), self.world.monotonic()
            truth = grounds.read
            if truth is None:
                continue
            name = grounds.name
            seen.known.add(name)
            if grounds.is_heard(now):
                seen.heard.add(name)
            if grounds.stay_calm(before.get(name), now):
                self._calm[name] = grounds
                continue
            seen.uneasy.append(grounds)
            if says_fresh(truth):
                seen.believed.add(name)
        return seen

    def _look_at(self, grounds: Grounds) -> Pending | None:
        """Judge one truth; None: what its conditions say is right, or not to be told now."""
        node = self.world.record(grounds.node)
        truth = node.truth
        if truth is None:
            return None
        vouching = self.world.vouching(node.name, truth.status.digest)
        if vouching.is_unsettled or self._may_have_called(vouching):
            return None
        held = {one.type: one for one in truth.status.conditions}
        is_draining = truth.spec.scheduling is Scheduling.DRAINING
        drain = self.drain(node.name) if is_draining else ""
        claims = claims_of(node, truth, vouching, self.expire_s, drain)
        if any(_is_news(held.get(kind), claim) for kind, claim in claims.items()):
            return Pending(node, truth, claims)
        if not is_draining and grounds.vouch_for(truth.status.digest, vouching.now):
            self._calm[node.name] = grounds
        return None

    async def _tell_of_outage(self) -> None:
        """Tell once that we hear nothing, and once that it is over."""
        silent = len(self.outage.withheld)
        if bool(silent) == self._told:
            return
        self._told = bool(silent)
        if not silent:
            _LOG.info("fleet.heard-again")
            return
        reason = Reason(summary.FLEET_SILENT, str(silent), str(self.outage.total))
        _LOG.warning("fleet.silent", extra={"silent": silent, "nodes": self.outage.total})
        if self.leading():
            told = f"{reason.message}; {reason.row.remedy}"
            await self.events.record(self.lease, "Warning", reason.row.reason, told)

    async def _write(self, one: Pending) -> None:
        now, name = self.clock(), one.node.name
        held = {known.type: known for known in one.truth.status.conditions}
        generation = one.truth.metadata.generation
        body = {
            "apiVersion": API_VERSION,
            "kind": "NodeTruth",
            "metadata": {"name": name},
            "status": {
                "conditions": [
                    _condition(kind, claim, held.get(kind), generation, now)
                    for kind, claim in one.claims.items()
                ]
            },
        }
        try:
            stored = await self.client.apply(NODETRUTHS, name, body, subresource="status")
        except ApiError as error:
            # One truth that cannot be written must not keep the others from being told.
            _LOG.warning("truth.unwritable", extra={"node": name, "error": str(error)})
        else:
            self.world.absorb_truth(stored)


def claims_of(
    node: NodeRecord, truth: NodeTruth, vouching: Vouching, expire_s: float, drain: str = ""
) -> dict[str, Claim]:
    """Return what Fresh and Ready have to say; ``drain`` is how far its draining has come."""
    fresh = _fresh(node, truth, vouching, expire_s)
    return {"Fresh": fresh, "Ready": _ready(node, truth, fresh, drain)}


def _fresh(node: NodeRecord, truth: NodeTruth, vouching: Vouching, expire_s: float) -> Claim:
    identity = truth.status.identity
    if identity is None or truth.status.digest is None:
        return _claim("Unknown", eligibility.TRUTH_MISSING, "its NodeTruth holds no facts yet")
    if identity.node_uid != node.uid:
        about = f"its NodeTruth is about the Node with UID {identity.node_uid}"
        return _claim("False", eligibility.TRUTH_MISSING, about)
    age, limit = vouching.proof_age_s, f"{vouching.lease_s} s"
    if vouching.is_fresh:
        return Claim("True", summary.TRUTH_FRESH, summary.TRUTH_FRESH.sentence)
    if not vouching.is_silent:
        other = "the heartbeat does not vouch for these facts: they are not what the node sees now"
        return Claim("False", eligibility.TELEMETRY_STALE, other)
    if math.isinf(age):
        return _claim("Unknown", summary.TRUTH_EXPIRED, "at any time", limit)
    since = f"{node.last_proof:%Y-%m-%dT%H:%M:%SZ}" if node.last_proof else "an unknown time"
    if age > max(expire_s, vouching.lease_s):
        return _claim("Unknown", summary.TRUTH_EXPIRED, f"since {since}", f"{expire_s:g} s")
    return Claim(
        "False", eligibility.TELEMETRY_STALE, f"no heartbeat since {since} (limit {limit})"
    )


def _ready(node: NodeRecord, truth: NodeTruth, fresh: Claim, drain: str) -> Claim:
    if fresh.status != "True":
        return Claim("Unknown", fresh.row, fresh.message)
    health = truth.status.health
    if health is None or health.state not in (HealthState.HEALTHY, HealthState.WARNING):
        state = health.state.value if health else "Unknown"
        return Claim("False", eligibility.NODE_UNHEALTHY, f"health is {state}")
    if drain:
        return Claim("False", eligibility.NODE_DRAINING, drain)
    if node.unschedulable or truth.spec.scheduling.value != "Enabled":
        return Claim("False", eligibility.NODE_CORDONED, "the node takes no new VMs")
    return Claim("True", summary.NODE_USABLE, summary.NODE_USABLE.sentence)


def _claim(status: Status, row: Row, observed: str, required: str = "") -> Claim:
    return Claim(status, row, Reason(row, observed, required).message)


def _is_news(held: Condition | None, claim: Claim) -> bool:
    if held is None or (held.status, held.reason) != (claim.status, claim.row.reason):
        return True
    return claim.row is eligibility.NODE_DRAINING and held.message != claim.message


def _condition(
    kind: str, claim: Claim, held: Condition | None, generation: int, now: datetime
) -> dict[str, object]:
    since = held.last_transition_time if held and held.status == claim.status else now
    return Condition(
        type=kind,
        status=claim.status,
        reason=claim.row.reason,
        message=claim.message,
        observed_generation=generation,
        last_transition_time=since,
    ).render()
