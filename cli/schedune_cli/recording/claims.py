"""What the placements of a fleet hold on its nodes."""

from schedune.api.vmplacement import VMPlacement
from schedune.api.vmworkload import DiskAccess, LaunchMode
from schedune.fleet.amounts import EVERYTHING, amounts_of
from schedune.fleet.node import ClaimRecord
from schedune.fleet.peers import NOBODY, Peer
from schedune.fleet.ports import node_ports
from schedune_cli.problems import Problem
from schedune_cli.reading.numbers import uncountable_amount
from schedune_cli.reading.objects import Item
from schedune_cli.reading.validation import validate


def read_placement(item: Item) -> VMPlacement | list[Problem]:
    """Return a placement whose claim can be counted with."""
    found = validate(VMPlacement, item)
    if not isinstance(found, VMPlacement):
        return found
    claim = found.spec.claim
    amounts = {"memory": claim.memory, "overheadMemory": claim.overhead_memory, "disk": claim.disk}
    if claim.hugepages is not None:
        amounts["hugepages"] = claim.hugepages
    problems = [
        problem
        for name, text in amounts.items()
        for problem in uncountable_amount(text, f"spec.claim.{name}", item)
    ]
    return problems or found


def holds(placement: VMPlacement) -> bool:
    """Say whether it claims anything: dry runs and ended ones do not."""
    return placement.spec.mode is LaunchMode.EXECUTE and placement.status.ended is None


def claim_uid(placement: VMPlacement) -> str:
    """Return what a claim is known by; a file may leave the UID out."""
    metadata = placement.metadata
    return metadata.uid or f"{metadata.namespace}/{metadata.name}"


def claim_of(placement: VMPlacement, peer: Peer) -> ClaimRecord:
    """Return what a placement holds, as the fleet counts it."""
    metadata, spec = placement.metadata, placement.spec
    return ClaimRecord(
        node_name=spec.node_name,
        placement_uid=claim_uid(placement),
        namespace=metadata.namespace,
        namespace_uid=spec.workload.namespace_uid or "",
        workload=metadata.name,
        persistent_disks=frozenset(
            one.name for one in spec.launch.disks if one.access is DiskAccess.PERSISTENT
        ),
        workload_uid=spec.workload.uid,
        peer=peer,
        node_ports=node_ports(spec.launch.networks),
        **amounts_of(spec.claim),
    )


def unreadable_claim(item: Item) -> ClaimRecord | None:
    """Return the claim of a placement that cannot be read: unknown is not available."""
    spec = item.raw.get("spec")
    node = spec.get("nodeName") if isinstance(spec, dict) else None
    if not isinstance(node, str):
        return None
    namespace, name = item.key
    uid = f"{namespace}/{name}"
    return ClaimRecord(
        node_name=node,
        placement_uid=uid,
        namespace=namespace,
        namespace_uid="",
        workload=name,
        persistent_disks=frozenset(),
        workload_uid="",
        peer=NOBODY,
        node_ports=frozenset(),
        **EVERYTHING,
    )
