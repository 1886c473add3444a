"""What a VM takes of a node: the numbers that capacity, scores and the claim agree on."""

from collections.abc import Iterator

import numpy as np

from schedune.api.quantity import parse_bytes
from schedune.api.scheduling_policy import SchedulingPolicy
from schedune.api.vmworkload import Disk, DiskAccess
from schedune.fleet.column import Column
from schedune.fleet.profile import ArtifactProfile, HeldDisk
from schedune.fleet.view import View
from schedune.launch.boot_memory import MEBI
from schedune.launch.intent import Intent
from schedune.launch.overhead import base_overhead, overhead_per_vcpu, vmm_overhead


def ordinary_memory(intent: Intent) -> int:
    """Return the bytes taken of ordinary memory: the VMM's, and the guest's without huge pages."""
    guest = 0 if intent.needs.page_size else intent.memory_bytes
    return guest + vmm_overhead(intent.vcpus, intent.acceleration)


def free_vcpus(view: View, policy: SchedulingPolicy) -> Column:
    """Return the vCPUs that may still be placed on each row, never below 0."""
    offered = view.number("vcpus") * policy.vcpu_overcommit_percent // 100
    return np.asarray(np.maximum(offered - view.claimed("vcpus"), 0), np.int64)


def free_memory(view: View) -> Column:
    """Return what is declared of memory and not claimed, never below 0."""
    return np.asarray(np.maximum(view.number("memory") - view.claimed("memory"), 0), np.int64)


def most_guest_memory(view: View, intent: Intent, policy: SchedulingPolicy) -> Column:
    """Return the most guest memory, in whole MiB, that would fit on each row.

    It is beside the overhead of the vCPUs that are free: a change of both is applied together.
    """
    left_vcpus = free_vcpus(view, policy)
    vcpus = np.where(left_vcpus > 0, np.minimum(left_vcpus, intent.vcpus), intent.vcpus)
    overhead = base_overhead(intent.acceleration) + vcpus * overhead_per_vcpu(intent.acceleration)
    return np.asarray(np.maximum(free_memory(view) - overhead, 0) // MEBI * MEBI, np.int64)


def free_disk(view: View, kept: Column) -> Column:
    """Return what is declared of disk and neither claimed nor kept, never below 0."""
    left = view.number("disk") - view.claimed("disk") - kept
    return np.asarray(np.maximum(left, 0), np.int64)


def kept_for_others(view: View, intent: Intent) -> Column:
    """Return the bytes of Persistent disks that wait for other VMs."""
    own = np.zeros(len(view), np.int64)
    for at, disk in _own_disks(view, intent):
        if not view.fleet.claims.counts(view.node(at).name, disk):
            own[at] += disk.size_bytes
    return np.asarray(view.kept() - own, np.int64)


def _own_disks(view: View, intent: Intent) -> Iterator[tuple[int, HeldDisk]]:
    """Return where Persistent disks of the intent are."""
    names = frozenset(intent.persistent_disks)
    for at in range(len(view)) if names else ():
        facts = view.node(at).facts
        for disk in facts.persistent_disks if facts else ():
            if disk.workload == intent.name and disk.disk in names and intent.owns(disk):
                yield at, disk


def free_pages(view: View, size: int) -> Column:
    """Return the bytes in free huge pages of a size."""
    return np.asarray(
        np.maximum(view.keyed_number("pages", size) - view.claimed_pages(size), 0), np.int64
    )


def disk_needed(view: View, intent: Intent) -> Column:
    """Return the bytes to which overlays and disks may grow, on each row.

    A Persistent disk that is there keeps its size, whatever is asked for by now.
    """
    needed = np.zeros(len(view), np.int64)
    of_disk: dict[str, Column] = {}
    for disk in intent.spec.disks:
        if disk.source.empty is not None:
            of_disk[disk.name] = np.full(len(view), parse_bytes(disk.source.empty.size))
        elif disk.access is not DiskAccess.READ_ONLY:
            of_disk[disk.name] = _virtual_size(view, disk)
    for at, held in _own_disks(view, intent):
        of_disk[held.disk][at] = max(of_disk[held.disk][at], held.size_bytes)
    return sum(of_disk.values(), needed)


def _virtual_size(view: View, disk: Disk) -> Column:
    """Return the size of a disk's artefact; where it is absent its own check objects."""
    column = view.fleet.keyed("artifact", disk.source.artifact or disk.source.host_path or "")
    sizes = [
        one.virtual_size_bytes if isinstance(one, ArtifactProfile) else 0 for one in column.values
    ]
    return np.asarray(np.array(sizes, np.int64)[view.codes(column)], np.int64)
