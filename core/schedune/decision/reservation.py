"""What is reserved for a decision: the same numbers by which the node was judged."""

from dataclasses import replace

import numpy as np

from schedune.api.quantity import render_exact
from schedune.api.vmplacement import Claim
from schedune.decision.decide import Decision
from schedune.eligibility.demand import disk_needed
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import ClaimRecord
from schedune.fleet.peers import NOBODY, Peer
from schedune.fleet.ports import node_ports
from schedune.fleet.view import View
from schedune.launch.intent import Intent
from schedune.launch.overhead import vmm_overhead


def claim_for(decision: Decision, row: int) -> Claim:
    """Return what the VM holds on a node: its disks grow to what they are there."""
    return claim_on(decision.fleet, decision.intent, row)


def record_for(decision: Decision, row: int, placement_uid: str) -> ClaimRecord:
    """Return the same as the fleet counts it."""
    return record_on(decision.fleet, decision.intent, row, placement_uid)


def claim_on(fleet: Fleet, intent: Intent, row: int) -> Claim:
    """Return what a VM holds on a node of a fleet."""
    return Claim(
        vcpus=intent.vcpus,
        memory=intent.spec.resources.memory,
        overhead_memory=render_exact(vmm_overhead(intent.vcpus, intent.acceleration)),
        disk=render_exact(_disk_on(fleet, intent, row)),
        hugepages=intent.spec.resources.hugepages,
    )


def record_on(fleet: Fleet, intent: Intent, row: int, placement_uid: str) -> ClaimRecord:
    """Return the same as the fleet counts it."""
    size = intent.needs.page_size
    overhead = vmm_overhead(intent.vcpus, intent.acceleration)
    return ClaimRecord(
        node_name=fleet.nodes[row].name,
        placement_uid=placement_uid,
        vcpus=intent.vcpus,
        memory_bytes=overhead + (0 if size else intent.memory_bytes),
        disk_bytes=_disk_on(fleet, intent, row),
        hugepage_size=size,
        hugepage_bytes=intent.memory_bytes if size else 0,
        guest_bytes=intent.memory_bytes,
        namespace=intent.namespace,
        namespace_uid=intent.namespace_uid,
        workload=intent.name,
        persistent_disks=frozenset(intent.persistent_disks),
        workload_uid=intent.uid,
        node_ports=node_ports(intent.spec.networks),
        peer=Peer(intent.labels, tuple(intent.spec.placement.anti_affinity)),
    )


def beside(fleet: Fleet, own: ClaimRecord, claim: ClaimRecord) -> ClaimRecord:
    """Return what to count of a claim while another of the same VM counts, too.

    A quota counts the VM once, wherever it is, and so does its node where it stays there:
    then only what exceeds its other claim is counted.
    """
    of_quota = replace(
        claim,
        quota_vcpus=max(0, claim.vcpus - own.vcpus),
        guest_bytes=max(0, claim.guest_bytes - own.guest_bytes),
    )
    if claim.node_name != own.node_name:
        return of_quota
    # Disks that one of the two has and the other has not are kept on the node beside that other.
    stays = _kept_size(fleet, own, own.persistent_disks - claim.persistent_disks)
    comes = _kept_size(fleet, own, claim.persistent_disks - own.persistent_disks)
    pages = own.hugepage_bytes if own.hugepage_size == claim.hugepage_size else 0
    return replace(
        of_quota,
        vcpus=max(0, claim.vcpus - own.vcpus),
        memory_bytes=max(0, claim.memory_bytes - own.memory_bytes),
        disk_bytes=max(0, claim.disk_bytes + stays - own.disk_bytes - comes),
        hugepage_bytes=max(0, claim.hugepage_bytes - pages),
        vms=0,
        persistent_disks=frozenset(),
        peer=NOBODY,
    )


def _kept_size(fleet: Fleet, own: ClaimRecord, names: frozenset[str]) -> int:
    """Return to what disks of a VM may grow that its node lists."""
    row = fleet.row.get(own.node_name)
    facts = None if row is None else fleet.nodes[row].facts
    whose = own.namespace_uid or own.namespace
    return sum(
        disk.size_bytes
        for disk in (facts.persistent_disks if facts else ())
        if disk.disk in names
        and disk.workload == own.workload
        and whose in (disk.namespace_uid, disk.namespace)
    )


def _disk_on(fleet: Fleet, intent: Intent, row: int) -> int:
    return int(disk_needed(View(fleet, np.array([row], np.intp)), intent)[0])
