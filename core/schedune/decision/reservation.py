"""What is reserved for a decision: the same numbers by which the node was judged."""

import numpy as np

from schedune.api.quantity import render_exact
from schedune.api.vmplacement import Claim
from schedune.decision.decide import Decision
from schedune.eligibility.demand import disk_needed
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import ClaimRecord
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
        labels=intent.labels,
    )


def _disk_on(fleet: Fleet, intent: Intent, row: int) -> int:
    return int(disk_needed(View(fleet, np.array([row], np.intp)), intent)[0])
