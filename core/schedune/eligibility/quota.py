"""Does the VM fit into what its namespace may claim? Asked alike of every node.

Only what a kernel takes differs from node to node: less memory than that helps nobody.
"""

from collections.abc import Iterable

import numpy as np

from schedune.api.quantity import render_bytes, render_needed
from schedune.codes import placement as codes
from schedune.codes.row import Actor, Reason
from schedune.eligibility.boot_memory import memory_bound, memory_floors
from schedune.eligibility.finding import Bound, Finding, Question
from schedune.fleet.quota import MAX_MEMORY, MAX_VCPUS
from schedune.launch.boot_memory import MEBI


def check_quota(question: Question) -> Iterable[Finding]:
    """Object everywhere where a limit of the namespace would be passed, or cannot be read.

    Counted are the claims that hold now, also those that were made a moment ago.
    """
    intent, fleet = question.intent, question.view.fleet
    quota = fleet.quotas.get(intent.namespace)
    if quota is None:
        return
    if quota.unreadable:
        yield Finding(
            "quota",
            codes.QUOTA_UNREADABLE,
            question.view.every(),
            lambda at: Reason(
                codes.QUOTA_UNREADABLE,
                quota.unreadable,
                "a number and a quantity",
                intent.namespace,
            ),
            change=lambda at: "the quota of the namespace can be read",
        )
    vcpus, memory = fleet.claims.of_namespace(intent.namespace)
    if quota.vcpus is not None:
        yield from _short_of_vcpus(question, vcpus, quota.vcpus)
    if quota.memory_bytes is not None:
        yield from _short_of_memory(question, memory, quota.memory_bytes)


def _short_of_vcpus(question: Question, used: int, limit: int) -> Iterable[Finding]:
    asked, left = question.intent.vcpus, max(limit - used, 0)
    if asked <= left:
        return
    everywhere, atom = question.view.every(), "quota/vcpus"
    reason = Reason(codes.QUOTA_VCPUS, f"{used} of {limit}", str(asked), question.intent.namespace)
    if left:
        values = np.full(len(question.view), left, np.int64)
        bound = Bound("vcpus", "AtMost", values, str, str(asked), asked)
        yield Finding(atom, codes.QUOTA_VCPUS, everywhere, lambda at: reason, bound=bound)
        return
    change = f"{MAX_VCPUS} of the namespace >= {used + asked} (is {limit})"
    yield Finding(
        atom,
        codes.QUOTA_VCPUS,
        everywhere,
        lambda at: reason,
        change=lambda at: change,
        actor=Actor.ADMINISTRATOR,
    )


def _short_of_memory(question: Question, used: int, limit: int) -> Iterable[Finding]:
    """Object to more than is left; less than the kernel takes would help nobody."""
    view, intent, atom = question.view, question.intent, "quota/memory"
    asked = intent.memory_bytes
    unit = intent.needs.page_size or MEBI
    left = max(limit - used, 0)
    most = np.full(len(view), left // unit * unit, np.int64)
    least, floor = memory_floors(question, most)
    wanted = np.maximum(least, asked)
    short = np.asarray(wanted > left, np.bool_)
    can_shrink = np.asarray(most >= floor, np.bool_)
    told = f"{render_bytes(used)} of {render_bytes(limit)}"

    def reason(at: int) -> Reason:
        return Reason(codes.QUOTA_MEMORY, told, render_needed(int(wanted[at])), intent.namespace)

    bound = memory_bound(most, asked)
    yield Finding(atom, codes.QUOTA_MEMORY, short & can_shrink, reason, bound=bound)
    yield Finding(
        atom,
        codes.QUOTA_MEMORY,
        short & ~can_shrink,
        reason,
        change=lambda at: (
            f"{MAX_MEMORY} of the namespace >= {render_needed(used + int(wanted[at]))}"
            f" (is {render_bytes(limit)})"
        ),
        actor=Actor.ADMINISTRATOR,
    )
