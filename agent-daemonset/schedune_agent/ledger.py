"""What this node has given away: the agent's own arithmetic, independent of the operator's."""

from dataclasses import dataclass, field

from schedune.api.nodetruth import NodeCapacity
from schedune.api.quantity import parse_bytes, render_bytes, render_needed
from schedune.api.vmplacement import Claim
from schedune.codes import execution as codes
from schedune.codes.networks import NODE_PORT_TAKEN
from schedune.codes.row import Reason


@dataclass
class Ledger:
    """Claims by placement UID; what is held does not depend on who asks again."""

    held: dict[str, Claim] = field(default_factory=dict)
    users: dict[str, int] = field(default_factory=dict)
    """Who each VM runs as."""
    ports: dict[str, frozenset[str]] = field(default_factory=dict)
    """Ports of the node that lead into guests; one leads into one guest."""

    def reserve(
        self,
        placement_uid: str,
        claim: Claim,
        capacity: NodeCapacity | None,
        ports: frozenset[str] = frozenset(),
    ) -> Reason | None:
        """Hold a claim and ports, or say why the node cannot; holding twice is holding once."""
        others = [one for uid, one in self.held.items() if uid != placement_uid]
        offered = capacity.vcpus * (claim.vcpu_overcommit_percent or 100) // 100 if capacity else 0
        vcpus = offered - sum(one.vcpus for one in others)
        memory = (parse_bytes(capacity.memory) if capacity else 0) - sum(map(memory_of, others))
        if claim.vcpus > vcpus or memory_of(claim) > memory:
            return Reason(
                codes.LEDGER_FULL,
                f"{max(0, vcpus)} vCPUs and {render_bytes(max(0, memory))}",
                f"{claim.vcpus} vCPUs and {render_needed(memory_of(claim))}",
            )
        needed, disk = parse_bytes(claim.disk), parse_bytes(capacity.disk) if capacity else 0
        disk -= sum(parse_bytes(one.disk) for one in others)
        if needed and needed > disk:
            told = render_bytes(max(0, disk)), render_needed(needed)
            return Reason(codes.LEDGER_FULL, f"{told[0]} of disk", f"{told[1]} of disk")
        for uid, taken in self.ports.items():
            if uid != placement_uid and taken & ports:
                return Reason(NODE_PORT_TAKEN, f"placement {uid}", min(taken & ports))
        self.hold(placement_uid, claim, ports)
        return None

    def hold(self, placement_uid: str, claim: Claim, ports: frozenset[str] = frozenset()) -> None:
        """Count what runs already, whether it fits or not: it is there."""
        self.held[placement_uid] = claim
        if ports:
            self.ports[placement_uid] = ports

    def hold_user(self, placement_uid: str, number: int | None) -> None:
        """Count who a VM runs as; None: as we do."""
        if number is not None:
            self.users[placement_uid] = number

    def release(self, placement_uid: str) -> None:
        """Give a claim back, and the user; idempotent."""
        self.held.pop(placement_uid, None)
        self.users.pop(placement_uid, None)
        self.ports.pop(placement_uid, None)


def memory_of(claim: Claim) -> int:
    """Return guest memory and overhead in bytes."""
    return parse_bytes(claim.memory) + parse_bytes(claim.overhead_memory)
