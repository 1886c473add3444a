"""VMs leave a node that is being drained: a few at a time, each for a node that waits for it.

Where a VM is to go is decided before it is ended, and held for it until it is decided on
anew. One that no other node can run stays and runs on. Nothing is remembered that a restart
would miss: who leaves stands in the placements, and what is held is decided again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from schedune.api.nodetruth import Scheduling
from schedune.api.scheduling_policy import SchedulingPolicy
from schedune.api.vmplacement import VMPlacement
from schedune.api.vmworkload import LaunchMode
from schedune.codes import summary as codes
from schedune.codes.row import Reason
from schedune.decision.decide import Decision
from schedune.decision.explanation import Explanation
from schedune.decision.reservation import record_for
from schedune.decision.sentence import headline, nearest_open
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import ClaimRecord
from schedune.launch.intent import Intent
from schedune_kube.reflector import Key
from schedune_operator.replacement import Order, as_if_gone
from schedune_operator.world import World

_Found = tuple[Reason, ClaimRecord | None]
MOST_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class _Hold:
    """What waits on another node for a VM that was told to leave its own."""

    told: Reason
    claim: ClaimRecord
    """As it counts once the VM has no other."""


@dataclass
class Drains:
    """Who leaves which node, and what is held for them."""

    world: World
    policy: SchedulingPolicy
    clock: Callable[[], datetime]
    at_once: int
    """How many VMs of one node are under way at a time."""
    _held: dict[Key, _Hold] = field(default_factory=dict, init=False)
    """Those under way, and what is held for them."""
    _stuck: dict[Key, Reason] = field(default_factory=dict, init=False)
    """Those that stay, and what they lack."""

    def begin_term(self) -> None:
        """Hold nothing any more: another may have led meanwhile, and all is decided anew."""
        for key in [*self._held, *self._stuck]:
            self.let_go(key)

    def let_go(self, key: Key) -> None:
        """Give back what is held for a VM whose placement is gone: it is decided on now."""
        self._stuck.pop(key, None)
        if self._held.pop(key, None) is not None:
            self.world.fleet().release(_name_of_hold(key))

    def take_over(self, key: Key, fleet: Fleet) -> None:
        """Count what is held for a VM whole, now that what it had counts no more: its quota too."""
        if (hold := self._held.get(key)) is not None:
            fleet.reserve(hold.claim)

    def order(self, intent: Intent, placement: VMPlacement) -> Order:
        """Say whether a VM has to leave its node now, or why it cannot."""
        key, node, stop = (
            (intent.namespace, intent.name),
            placement.spec.node_name,
            placement.spec.stop,
        )
        self._stuck.pop(key, None)
        leaves = stop is not None and stop.reason == codes.DRAIN_MOVES.reason
        if not leaves and not self.is_draining(node):
            return Order()
        if key in self._held:
            if leaves:
                return Order(stop=codes.DRAIN_MOVES, told=self._held[key].told)
            self.let_go(key)  # nothing was ordered, or another placement was
        if placement.spec.mode is not LaunchMode.EXECUTE or placement.status.ended is not None:
            return Order()
        if not leaves and (stop is not None or self._is_full(node)):
            return Order()
        return self._decide(key, intent, placement, leaves=leaves)

    def keep(self, placement: VMPlacement, refusal: Reason) -> Order:
        """Let a VM stay whose spec is refused: once ended it would be placed nowhere."""
        node, key = (
            placement.spec.node_name,
            (placement.metadata.namespace, placement.metadata.name),
        )
        self._stuck.pop(key, None)
        if placement.spec.stop is not None or not self.is_draining(node):
            return Order()
        if placement.spec.mode is not LaunchMode.EXECUTE or placement.status.ended is not None:
            return Order()
        self.let_go(key)
        lacks = f"a corrected {refusal.subject}"
        self._stuck[key] = Reason(codes.DRAIN_WAITS, refusal.message, lacks, node)
        return Order(stays=self._stuck[key])

    def _decide(self, key: Key, intent: Intent, placement: VMPlacement, *, leaves: bool) -> Order:
        fleet, node = self.world.fleet(), placement.spec.node_name
        asked = replace(intent, namespace_uid=placement.spec.workload.namespace_uid or "")

        def find(decision: Decision) -> _Found:
            return _target(key, node, decision)

        told, claim = as_if_gone(fleet, asked, placement, self.policy, self.clock(), find)
        if claim is not None:
            # While it has its own claim, what is held is not counted beside that.
            fleet.reserve(replace(claim, namespace="", labels={}))
            self._held[key] = _Hold(told, claim)
            return Order(stop=codes.DRAIN_MOVES, told=told)
        if leaves:
            return Order()
        self._stuck[key] = told
        return Order(stays=told)

    def is_draining(self, node_name: str) -> bool:
        """Say whether the VMs of a node have to leave it."""
        truth = self.world.truth(node_name)
        return truth is not None and truth.spec.scheduling is Scheduling.DRAINING

    def _is_full(self, node_name: str) -> bool:
        placements = self.world.placements.store
        held = [placements.get(key) for key in self._held]
        under_way = [one for one in held if one and one["spec"]["nodeName"] == node_name]
        return len(under_way) >= self.at_once

    def tell(self, node_name: str) -> str:
        """Say how far the draining of a node has come, and who stays with what they lack."""
        left = [
            key
            for key, raw in self.world.placements.store.items()
            if raw["spec"]["nodeName"] == node_name
            and raw["spec"]["mode"] == LaunchMode.EXECUTE.value
            and not (raw.get("status") or {}).get("ended")
        ]
        if not left:
            return "the node is drained: no VM is left on it"
        stuck = sorted(key for key in left if key in self._stuck)
        count = f"{len(left)} VMs are left" if len(left) > 1 else "1 VM is left"
        if not stuck:
            return f"the node is being drained: {count}"
        named = [f"{'/'.join(key)}: {self._stuck[key].required}" for key in stuck[:MOST_NAMED]]
        named += [f"and {len(stuck) - MOST_NAMED} more"] if len(stuck) > MOST_NAMED else []
        told = f"{count}, {len(stuck)} of them without another node"
        return f"the node is being drained: {told} ({'; '.join(named)})"


def _name_of_hold(key: Key) -> str:
    return f"drain/{key[0]}/{key[1]}"


def _target(key: Key, node: str, decision: Decision) -> _Found:
    """Return where a VM goes with the claim to hold there, or what it lacks."""
    explanation = Explanation(decision)
    if decision.chosen is None:
        lacks = nearest_open(explanation) or "no other node comes near"
        return Reason(codes.DRAIN_WAITS, headline(explanation), lacks, node), None
    chosen = decision.node(decision.chosen).name
    told = f"{chosen} (score {decision.scores[decision.chosen]}); {headline(explanation)}"
    claim = record_for(decision, decision.chosen, _name_of_hold(key))
    return Reason(codes.DRAIN_MOVES, told, "", node), claim
