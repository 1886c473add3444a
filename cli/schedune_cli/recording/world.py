"""The fleet that a recording is of: nodes, claims, and what is known of its workloads."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import ValidationError

from schedune.api.vmplacement import VMPlacement
from schedune.api.vmworkload import VMWorkloadStatus
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import ClaimRecord, NodeRecord
from schedune.fleet.peers import Peer, peer_of
from schedune.fleet.quota import Quota, read_quota
from schedune.lifecycle.orders import read_orders
from schedune.lifecycle.wants import why_ended, why_no_node
from schedune_cli.problems import Problem
from schedune_cli.reading.objects import Item, Key
from schedune_cli.reading.workloads import Given, read_status
from schedune_cli.recording.claims import claim_of, holds, read_placement, unreadable_claim
from schedune_cli.recording.kubernetes import Lease, Namespace, quota_annotations, read_part
from schedune_cli.recording.nodes import Parts, read_record
from schedune_cli.recording.recording import Recording


@dataclass(frozen=True, slots=True)
class Held:
    """What the fleet knows of a workload of some name."""

    uid: str = ""
    status: VMWorkloadStatus = field(default_factory=VMWorkloadStatus)
    placement: VMPlacement | None = None
    """Where a VM of it is, or may be."""
    namespace_uid: str = ""
    """UID of its namespace, by which Persistent disks are kept; "": it was not recorded."""


@dataclass(slots=True)
class World:
    """A fleet that can be decided on."""

    records: dict[str, NodeRecord] = field(default_factory=dict)
    claims: list[ClaimRecord] = field(default_factory=list)
    placements: dict[Key, VMPlacement] = field(default_factory=dict)
    """Those that hold something."""
    resting: dict[Key, VMPlacement] = field(default_factory=dict)
    """Those of recorded workloads that hold nothing: dry runs, and those that ended."""
    workloads: dict[Key, Item] = field(default_factory=dict)
    quotas: dict[str, Quota] = field(default_factory=dict)
    namespace_uids: dict[str, str] = field(default_factory=dict)
    time: datetime | None = None
    """When all this was so, as far as it says."""
    problems: list[Problem] = field(default_factory=list)
    unread_nodes: list[str] = field(default_factory=list)
    """Those with a NodeTruth of which nothing can be read: VMs may run there."""
    unread_placements: dict[Key, str] = field(default_factory=dict)
    """Those that cannot be read, with their node; "" where they do not even say that."""

    def fleet(self) -> Fleet:
        """Return the columns; made anew, so that whoever changes them spoils nobody's."""
        return Fleet.of(self.records.values(), self.claims, self.quotas)

    def held(self, key: Key) -> Held:
        """Return what is known of a workload of this name.

        One that has a placement is judged as if it were placed anew: its own VM is none
        that keeps it away, so its UID, by which live VMs are known, becomes another one.
        """
        item, placement = self.workloads.get(key), self.placements.get(key)
        status = read_status(item) if item else VMWorkloadStatus()
        bound = placement.spec.workload.namespace_uid if placement else None
        namespace_uid = bound or self.namespace_uids.get(key[0], "")
        return Held("/".join(key) if placement else _uid(item), status, placement, namespace_uid)

    def why_no_node(self, given: Given) -> str:
        """Say why a workload needs no node; "": it wants one, whether it has one or not."""
        return why_no_node(given.workload, given.intent, self.resting.get(given.key))

    def why_ended(self, key: Key) -> str:
        """Say by which order a VM is ended though its spec is refused; "": by none."""
        try:
            return why_ended(read_orders(self.workloads[key].raw, self.placements[key]))
        except ValidationError:  # not even its metadata can be read
            return ""

    def waits(self, given: Given) -> bool:
        """Say whether a workload wants a node and has none, nor may have one."""
        has_one = given.key in self.placements or given.key in self.unread_placements
        return not has_one and not given.refusals and not self.why_no_node(given)


def read_world(recording: Recording) -> World:
    """Read all that a decision asks for; what cannot be read is said and left out."""
    world = World(workloads=recording.workloads)
    for name in sorted({*recording.nodes, *recording.truths}):
        parts = Parts(
            name, recording.nodes.get(name), recording.truths.get(name), recording.leases.get(name)
        )
        record, problems = read_record(parts, is_whole=recording.is_whole)
        world.problems += problems
        if problems and parts.truth and (record is None or record.truth is None):
            world.unread_nodes.append(name)
        if record is not None:
            world.records[name] = record
    for key, item in sorted(recording.placements.items()):
        _count(key, item, world)
    for name, item in recording.namespaces.items():
        if read_part(Namespace, item, world.problems) is None:
            continue
        world.namespace_uids[name] = _uid(item)
        quota = read_quota(quota_annotations(item.raw))
        if quota is not None:
            world.quotas[name] = quota
    world.time = recording.recorded or _latest(world.records.values(), recording.leases.values())
    return world


def _count(key: Key, item: Item, world: World) -> None:
    placement = read_placement(item)
    if not isinstance(placement, VMPlacement):
        world.problems += placement
        claim = unreadable_claim(item)
        world.claims += [claim] if claim else []
        world.unread_placements[key] = claim.node_name if claim else ""
    elif holds(placement):
        world.placements[key] = placement
        world.claims.append(claim_of(placement, _peer(world.workloads.get(key))))
    elif _uid(world.workloads.get(key)) in ("", placement.spec.workload.uid):
        world.resting[key] = placement


def _uid(item: Item | None) -> str:
    """Return the UID of a recorded object; "": it has none, as in a file."""
    metadata = item.raw.get("metadata") if item else None
    return str(metadata.get("uid") or "") if isinstance(metadata, dict) else ""


def _peer(item: Item | None) -> Peer:
    metadata, spec = (item.raw.get(part) if item else None for part in ("metadata", "spec"))
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    return peer_of(labels, spec.get("placement") if isinstance(spec, dict) else None)


def _latest(records: Iterable[NodeRecord], leases: Iterable[Item]) -> datetime | None:
    """Return the last moment of which anything tells; one that cannot be read tells of none."""
    times = [one.last_proof for one in records]
    for item in leases:
        try:
            times.append(Lease.model_validate(item.raw).seen)
        except ValueError:
            continue
    return max((one for one in times if one is not None and one.tzinfo is not None), default=None)
