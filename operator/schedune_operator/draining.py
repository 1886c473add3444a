"""VMs leave a node that is being drained: a few at a time, each for a node that waits for it.

Where a VM is to go is decided and held before it is ended. One that no other node can run
stays and runs on.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Final

from schedune.api.nodetruth import Scheduling
from schedune.api.vmplacement import VMPlacement
from schedune.api.vmworkload import LaunchMode
from schedune.codes import summary as codes
from schedune.codes.row import Reason
from schedune.decision.explanation import Explanation
from schedune.decision.sentence import headline, nearest_open
from schedune.launch.intent import Intent
from schedune_kube.reflector import Key
from schedune_operator.holds import Holds, is_told
from schedune_operator.replacement import Order
from schedune_operator.world import World

MOST_NAMED: Final = 3


@dataclass
class Drains:
    """Who leaves which node, and who stays on it."""

    world: World
    holds: Holds
    at_once: int
    """How many VMs of one node are under way at a time."""
    _stuck: dict[Key, Reason] = field(default_factory=dict, init=False)
    """Those that stay, and what they lack."""

    def begin_term(self) -> None:
        """Hold nothing any more: another may have led meanwhile, and all is decided anew."""
        self._stuck.clear()
        self.holds.begin_term()

    def let_go(self, key: Key) -> None:
        """Forget a VM whose placement is gone, or that nobody wants: nothing is held for it."""
        self._stuck.pop(key, None)
        self.holds.let_go(key)

    def order(self, intent: Intent, placement: VMPlacement) -> Order:
        """Say whether a VM has to leave its node now, or why it cannot."""
        key, node = (intent.namespace, intent.name), placement.spec.node_name
        self._stuck.pop(key, None)
        leaves = is_told(placement, codes.DRAIN_MOVES)
        if not leaves and not self.is_draining(node):
            return Order()
        if leaves and (told := self.holds.told_of(key)) is not None:
            return Order(stop=codes.DRAIN_MOVES, told=told)
        if placement.spec.mode is not LaunchMode.EXECUTE or placement.status.ended is not None:
            return Order()
        if not leaves and (placement.spec.stop is not None or self._is_full(node)):
            return Order()
        found = self.holds.seek(intent, placement, partial(_tell, node))
        if found.has_place:
            return Order(stop=codes.DRAIN_MOVES, told=found.told)
        if leaves:
            return Order()
        self._stuck[key] = found.told
        return Order(stays=found.told)

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

    def is_draining(self, node_name: str) -> bool:
        """Say whether the VMs of a node have to leave it."""
        truth = self.world.truth(node_name)
        return truth is not None and truth.spec.scheduling is Scheduling.DRAINING

    def _is_full(self, node_name: str) -> bool:
        placements = self.world.placements.store
        held = [placements.get(key) for key in self.holds]
        under_way = [one for one in held if one and one["spec"]["nodeName"] == node_name]
        return len(under_way) >= self.at_once

    def tell(self, node_name: str) -> str:
        """Say how far the draining of a node has come, and who stays with what they lack."""
        store = self.world.placements.store
        there = [(key, store[key]) for key in self.world.tenants.on(node_name) if key in store]
        left = [
            key
            for key, raw in there
            if raw["spec"]["mode"] == LaunchMode.EXECUTE.value
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


def _tell(node: str, explanation: Explanation) -> Reason:
    """Tell where a VM goes that leaves a node, or what it lacks."""
    decision = explanation.decision
    if decision.chosen is None:
        lacks = nearest_open(explanation) or "no other node comes near"
        return Reason(codes.DRAIN_WAITS, headline(explanation), lacks, node)
    chosen = decision.node(decision.chosen).name
    told = f"{chosen} (score {decision.scores[decision.chosen]}); {headline(explanation)}"
    return Reason(codes.DRAIN_MOVES, told, "", node)
