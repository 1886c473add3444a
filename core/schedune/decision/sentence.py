"""Sentences about a decision, for people."""

from schedune.decision.decide import Cause, Decision


def count_causes(decision: Decision) -> dict[str, int]:
    """Count the nodes under each cause's reason, most frequent first."""
    counts: dict[str, int] = {}
    for index in range(len(decision.fleet)):
        if not decision.eligible[index]:
            for reason in sorted({cause.reason.row.reason for cause in decision.causes(index)}):
                counts[reason] = counts.get(reason, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def headline(decision: Decision) -> str:
    """Say in one sentence how many nodes can run the VM, and what stops the others."""
    nodes, eligible = len(decision.fleet), int(decision.eligible.sum())
    if nodes == 0:
        return "0/0 nodes can run this VM: no nodes are known"
    counts = count_causes(decision)
    told = ", ".join(f"{count} {reason}" for reason, count in counts.items())
    return f"{eligible}/{nodes} nodes can run this VM" + (f": {told}" if told else "")


def would_change(causes: tuple[Cause, ...]) -> str:
    """Say everything that would have to change, each with its bound."""
    return " and ".join(cause.bound or _needs(cause) for cause in causes)


def _needs(cause: Cause) -> str:
    reason = cause.reason
    return f"it has {reason.required} (now: {reason.observed})"
