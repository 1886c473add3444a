"""Does the VM fit into what is declared, minus what is claimed?"""

from collections.abc import Iterable

import numpy as np

from schedune.api.quantity import render_bytes, render_needed
from schedune.api.scheduling_policy import SchedulingPolicy
from schedune.codes import eligibility as codes
from schedune.codes.row import Actor, Reason
from schedune.eligibility.boot_memory import memory_bound, memory_floors
from schedune.eligibility.demand import (
    disk_needed,
    free_disk,
    free_memory,
    free_pages,
    free_vcpus,
    kept_for_others,
    most_guest_memory,
    ordinary_memory,
)  # fmt: skip
from schedune.eligibility.finding import Bound, Finding, Question
from schedune.fleet.column import Rows
from schedune.fleet.view import View
from schedune.launch.overhead import vmm_overhead


def check_declared(question: Question) -> Iterable[Finding]:
    """Object where nobody has said what VMs may use: unknown is not available."""
    view = question.view
    yield Finding(
        "capacity",
        codes.CAPACITY_UNDECLARED,
        view.known & ~view.declared,
        lambda at: Reason(codes.CAPACITY_UNDECLARED, "nothing declared", "a declared capacity"),
        change=lambda at: "its VM capacity is declared",
    )


def check_vcpus(question: Question) -> Iterable[Finding]:
    """Object where fewer vCPUs are free than asked for."""
    view, intent = question.view, question.intent
    left, offered = free_vcpus(view, question.policy), view.number("vcpus")
    short = view.declared & (left < intent.vcpus)

    def reason(at: int) -> Reason:
        return Reason(
            codes.INSUFFICIENT_VCPUS, f"{left[at]} of {max(int(offered[at]), 0)}", str(intent.vcpus)
        )

    bound = Bound("vcpus", "AtMost", left, str, str(intent.vcpus), intent.vcpus)
    yield Finding("vcpus", codes.INSUFFICIENT_VCPUS, short & (left > 0), reason, bound=bound)
    yield Finding(
        "vcpus",
        codes.INSUFFICIENT_VCPUS,
        short & (left == 0),
        reason,
        change=lambda at: f"{intent.vcpus} vCPUs are freed (none is left)",
        actor=Actor.ADMINISTRATOR,
    )


def check_memory(question: Question) -> Iterable[Finding]:
    """Object where less ordinary memory is free than the guest and its VMM need.

    What passes is the most guest memory beside the overhead of the vCPUs that are free: a
    change of both is applied together. Where that is less than the kernel takes, or the
    kernel takes more than is asked for and that is not free either, only the node can give.
    """
    view, intent = question.view, question.intent
    left, offered = free_memory(view), view.number("memory")
    overhead = vmm_overhead(intent.vcpus, intent.acceleration)
    most, paged = most_guest_memory(view, intent, question.policy), bool(intent.needs.page_size)
    least, floor = memory_floors(question, most)
    asked = ordinary_memory(intent)
    wanted = np.full(len(view), asked) if paged else np.maximum(asked, least + overhead)
    can_shrink = (most >= floor) & (not paged)
    short = view.declared & ((left < asked) | ((left < wanted) & ~can_shrink))

    def reason(at: int) -> Reason:
        guest = render_needed(int(wanted[at]) - overhead)
        return Reason(
            codes.INSUFFICIENT_MEMORY,
            f"{render_bytes(int(left[at]))} of {render_bytes(max(int(offered[at]), 0))}",
            f"{guest} + {render_bytes(overhead)} for the VMM",
        )

    bound = memory_bound(most, intent.memory_bytes)
    # Beside as many vCPUs as are free it has the room: nothing is asked but fewer of those.
    with_fewer = short & can_shrink & (most >= intent.memory_bytes)
    yield Finding(
        "memory",
        codes.INSUFFICIENT_MEMORY,
        short & can_shrink & ~with_fewer,
        reason,
        bound=bound,
    )
    yield Finding(
        "memory",
        codes.INSUFFICIENT_MEMORY,
        with_fewer,
        reason,
        change=lambda at: "fewer vCPUs are asked for",
        follows="vcpus",
    )
    yield Finding(
        "memory",
        codes.INSUFFICIENT_MEMORY,
        short & ~can_shrink,
        reason,
        change=lambda at: (
            f"{render_needed(int(wanted[at]))} of memory is freed"
            f" ({render_bytes(int(left[at]))} is left)"
        ),
        actor=Actor.ADMINISTRATOR,
    )


def overcommitted_rows(view: View, policy: SchedulingPolicy) -> Rows:
    """Return the rows that hold more than is declared of them; where nothing is, none is told."""
    offered = view.number("vcpus") * policy.vcpu_overcommit_percent // 100
    over = view.claimed("vcpus") > offered
    for name in ("memory", "disk"):
        over |= view.claimed(name) > view.number(name)
    return np.flatnonzero(over & view.known & view.declared)


def check_hugepages(question: Question) -> Iterable[Finding]:
    """Object where the free huge pages of the asked size are less than the guest's memory."""
    view, intent = question.view, question.intent
    size = intent.needs.page_size
    if not size:
        return
    left = free_pages(view, size)
    most = np.asarray(left // size * size, np.int64)
    pages = render_bytes(size)
    least, floor = memory_floors(question, most)
    wanted = np.maximum(least, intent.memory_bytes)
    short = view.declared & (left < wanted)

    def reason(at: int) -> Reason:
        needed = render_needed(int(wanted[at]))
        return Reason(codes.INSUFFICIENT_HUGEPAGES, render_bytes(int(left[at])), needed, pages)

    can_shrink = most >= floor
    bound = memory_bound(most, intent.memory_bytes)
    yield Finding(
        "hugepages", codes.INSUFFICIENT_HUGEPAGES, short & can_shrink, reason, bound=bound
    )
    yield Finding(
        "hugepages",
        codes.INSUFFICIENT_HUGEPAGES,
        short & ~can_shrink,
        reason,
        change=lambda at: f"{render_needed(int(wanted[at]))} in huge pages of {pages} are freed",
        actor=Actor.ADMINISTRATOR,
    )


def check_disk(question: Question) -> Iterable[Finding]:
    """Object where less disk is free than overlays and new disks may grow to."""
    view = question.view
    if not question.intent.spec.disks:
        return
    needed, kept = disk_needed(view, question.intent), kept_for_others(view, question.intent)
    left = free_disk(view, kept)
    yield Finding(
        "disk",
        codes.INSUFFICIENT_DISK,
        view.declared & (left < needed),
        lambda at: Reason(
            codes.INSUFFICIENT_DISK, render_bytes(int(left[at])), render_needed(int(needed[at]))
        ),
        change=lambda at: (
            f"{render_needed(int(needed[at]))} of disk is free"
            f" ({render_bytes(int(left[at]))} is left{_tell_kept(int(kept[at]))})"
        ),
        actor=Actor.ADMINISTRATOR,
    )


def _tell_kept(kept: int) -> str:
    return f", {render_bytes(kept)} is kept for VMs that are not placed" if kept else ""


def check_count(question: Question) -> Iterable[Finding]:
    """Object where the node holds as many VMs as the policy allows."""
    view, limit = question.view, question.policy.max_vms_per_node
    held = view.claimed("vms")
    yield Finding(
        "vmsPerNode",
        codes.TOO_MANY_VMS,
        np.asarray(held >= limit, np.bool_),
        lambda at: Reason(codes.TOO_MANY_VMS, str(held[at]), str(limit)),
        change=lambda at: f"one of its {held[at]} VMs ends (limit {limit})",
    )
