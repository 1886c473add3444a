"""Does the VM fit into what its namespace may claim? The same answer on every node."""

from collections.abc import Callable, Iterable

import numpy as np

from schedune.api.quantity import render_bytes
from schedune.codes import placement as codes
from schedune.codes.row import Actor, Reason, Row
from schedune.eligibility.finding import Bound, Finding, Question
from schedune.fleet.quota import MAX_MEMORY, MAX_VCPUS


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
    if quota.vcpus is not None and vcpus + intent.vcpus > quota.vcpus:
        yield _short(question, codes.QUOTA_VCPUS, ("vcpus", MAX_VCPUS), str,
                     used=vcpus, limit=quota.vcpus, asked=intent.vcpus)  # fmt: skip
    if quota.memory_bytes is not None and memory + intent.memory_bytes > quota.memory_bytes:
        yield _short(question, codes.QUOTA_MEMORY, ("memory", MAX_MEMORY), render_bytes,
                     used=memory, limit=quota.memory_bytes, asked=intent.memory_bytes)  # fmt: skip


def _short(
    question: Question,
    row: Row,
    names: tuple[str, str],
    render: Callable[[int], str],
    *,
    used: int,
    limit: int,
    asked: int,
) -> Finding:
    view, namespace = question.view, question.intent.namespace
    left, (quantity, annotation) = max(limit - used, 0), names

    def reason(_at: int) -> Reason:
        return Reason(row, f"{render(used)} of {render(limit)}", render(asked), namespace)

    if left:
        values = np.full(len(view), left, np.int64)
        bound = Bound(quantity, "AtMost", values, render, render(asked), asked)
        return Finding(f"quota/{quantity}", row, view.every(), reason, bound=bound)
    return Finding(
        f"quota/{quantity}",
        row,
        view.every(),
        reason,
        change=lambda at: (
            f"{annotation} of the namespace >= {render(used + asked)} (is {render(limit)})"
        ),
        actor=Actor.ADMINISTRATOR,
    )
