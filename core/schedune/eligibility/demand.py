"""What a VM takes of a node: the numbers that capacity, scores and the claim agree on."""

import numpy as np

from schedune.api.quantity import parse_bytes
from schedune.api.scheduling_policy import SchedulingPolicy
from schedune.api.vmworkload import Disk, DiskAccess
from schedune.fleet.column import Column
from schedune.fleet.profile import ArtifactProfile
from schedune.fleet.view import View
from schedune.launch.intent import Intent
from schedune.launch.overhead import vmm_overhead


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


def free_disk(view: View, intent: Intent) -> Column:
    """Return what is declared of disk and neither claimed nor kept for others, never below 0."""
    left = view.number("disk") - view.claimed("disk") - view.kept()
    for disk in intent.persistent_disks:
        left = left + _kept_for(view, intent, disk)
    return np.asarray(np.maximum(left, 0), np.int64)


def _kept_for(view: View, intent: Intent, disk: str) -> Column:
    """Return the bytes that are kept for the intent itself."""
    kept = np.zeros(len(view), np.int64)
    for at in np.flatnonzero(view.kept()).tolist():
        found = view.fleet.kept_disks(view.row(at))
        kept[at] = sum(one.size_bytes for one in found if intent.owns(one, disk))
    return kept


def free_pages(view: View, size: int) -> Column:
    """Return the bytes in free huge pages of a size."""
    return np.asarray(
        np.maximum(view.keyed_number("pages", size) - view.claimed_pages(size), 0), np.int64
    )


def disk_needed(view: View, intent: Intent) -> Column:
    """Return the bytes to which overlays and new disks may grow, on each row."""
    needed = np.zeros(len(view), np.int64)
    for disk in intent.spec.disks:
        if disk.source.empty is not None:
            needed += parse_bytes(disk.source.empty.size)
        elif disk.access is not DiskAccess.READ_ONLY:
            needed += _virtual_size(view, disk)
    return needed


def _virtual_size(view: View, disk: Disk) -> Column:
    """Return the size of a disk's artefact; where it is absent its own check objects."""
    column = view.fleet.keyed("artifact", disk.source.artifact or disk.source.host_path or "")
    sizes = [
        one.virtual_size_bytes if isinstance(one, ArtifactProfile) else 0 for one in column.values
    ]
    return np.asarray(np.array(sizes, np.int64)[view.codes(column)], np.int64)
