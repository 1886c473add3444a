"""What waits on a node for a VM that is ended to be placed anew: one that leaves, or is changed.

Where it is to go is decided before it is ended, and held for it until it is decided on
anew. Nothing is remembered that a restart would miss: who was told to end stands in the
placements, and what is held for them is decided again.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from schedune.api.scheduling_policy import SchedulingPolicy
from schedune.api.vmplacement import VMPlacement
from schedune.codes import summary as codes
from schedune.codes.row import Reason, Row
from schedune.decision.decide import decide
from schedune.decision.explanation import Explanation
from schedune.decision.reservation import beside, record_for
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import ClaimRecord
from schedune.launch.intent import Intent
from schedune_kube.client import Raw
from schedune_kube.reflector import Key
from schedune_operator.world import World

_MOVES: Final = (codes.DRAIN_MOVES, codes.SPEC_CHANGED)
"""Why a VM is ended for which a place was found before."""


@dataclass(frozen=True, slots=True)
class _Hold:
    """What waits for a VM that was told to end."""

    intent: Intent
    placement_uid: str
    """The placement that ends for it."""
    told: Reason
    claim: ClaimRecord
    """As it counts once the VM has no other."""


@dataclass(frozen=True, slots=True)
class Found:
    """Whether a VM that is to be placed anew has a place, and what is told of that."""

    told: Reason
    has_place: bool


@dataclass
class Holds:
    """Decides where VMs go that have one now, and holds that for them."""

    world: World
    policy: SchedulingPolicy
    clock: Callable[[], datetime]
    _held: dict[Key, _Hold] = field(default_factory=dict, init=False)

    def __iter__(self) -> Iterator[Key]:
        """Return for whom something is held."""
        return iter(self._held)

    def begin_term(self) -> None:
        """Hold nothing any more: another may have led meanwhile, and all is decided anew."""
        for key in list(self._held):
            self.let_go(key)

    def let_go(self, key: Key) -> None:
        """Give back what is held for a VM: it is decided on now, or nobody asks for it any more."""
        if self._held.pop(key, None) is not None:
            self.world.fleet().release(name_of_hold(key))

    def take_over(self, key: Key, fleet: Fleet) -> None:
        """Count what is held for a VM whole, now that what it had counts no more: its quota too."""
        if (hold := self._held.get(key)) is not None:
            fleet.reserve(hold.claim)

    def told_of(self, key: Key) -> Reason | None:
        """Return what is told of a VM for which something is held; None: nothing is."""
        hold = self._held.get(key)
        return None if hold is None else hold.told

    def review(self, placement: VMPlacement, intent: Intent | None) -> None:
        """Give back what is held for a VM that was not told to end, or is wanted otherwise by now.

        No intent: what is wanted now cannot be meant, and nothing else is found for it.
        """
        key = (placement.metadata.namespace, placement.metadata.name)
        hold = self._held.get(key)
        if hold is not None and not (
            (intent is None or _asks_the_same(hold.intent, intent))
            and hold.placement_uid == placement.metadata.uid
            and any(is_told(placement, row) for row in _MOVES)
        ):
            self.let_go(key)

    def seek(
        self, intent: Intent, placement: VMPlacement, tell: Callable[[Explanation], Reason]
    ) -> Found:
        """Decide on a VM as if it had ended, hold what it gets, and tell of it.

        Its claim is freed for that, and its life is in nobody's way.
        """
        key, uid = (intent.namespace, intent.name), placement.metadata.uid
        self.let_go(key)
        fleet = self.world.fleet()
        own = fleet.claims.held.get(uid)
        namespace_uid = placement.spec.workload.namespace_uid or ""
        asked = replace(intent, uid="", namespace_uid=namespace_uid)
        with fleet.without(uid):
            decision = decide(fleet, asked, now=self.clock(), policy=self.policy)
            told, row = tell(Explanation(decision)), decision.chosen
            if row is None:
                return Found(told, has_place=False)
            claim = record_for(decision, row, name_of_hold(key))
        claim = replace(claim, workload_uid=intent.uid)
        fleet.reserve(claim if own is None else beside(fleet, own, claim))
        self._held[key] = _Hold(intent, uid, told, claim)
        return Found(told, has_place=True)


def name_of_hold(key: Key) -> str:
    """Return under which name the fleet counts what is held for a VM: nothing else has it."""
    return f"{key[0]}/{key[1]} (on its way)"


def is_wanted(raw: Raw | None, placement: VMPlacement | None) -> bool:
    """Say whether there is a workload, and it is the one that a placement was made for."""
    if raw is None or raw["metadata"].get("deletionTimestamp"):
        return False
    return placement is None or placement.spec.workload.uid == raw["metadata"]["uid"]


def is_on_its_way(raw: Raw) -> bool:
    """Say whether a placement ends, or has ended, for one elsewhere that its VM was promised."""
    stop = raw["spec"].get("stop")
    return bool(stop) and stop.get("reason") in {row.reason for row in _MOVES}


def is_told(placement: VMPlacement, row: Row) -> bool:
    """Say whether the VM was told to end for a reason."""
    stop = placement.spec.stop
    return stop is not None and stop.reason == row.reason


def _asks_the_same(one: Intent, other: Intent) -> bool:
    return one.demands == other.demands and one.labels == other.labels
