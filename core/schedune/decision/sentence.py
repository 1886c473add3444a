"""Sentences about a decision, for people."""

from collections.abc import Sequence

from schedune.decision.causes import Cause
from schedune.decision.explanation import Explanation


def headline(explanation: Explanation) -> str:
    """Say in one sentence how many nodes can run the VM, and what stops the others."""
    decision = explanation.decision
    nodes, eligible = len(decision.question.view), int(decision.eligible.sum())
    return headline_of(nodes, eligible, what_stops(explanation))


def headline_of(nodes: int, eligible: int, stops: str) -> str:
    """Say the same from its parts."""
    if nodes == 0:
        return "0/0 nodes can run this VM: no nodes are known"
    return f"{eligible}/{nodes} nodes can run this VM" + (f": {stops}" if stops else "")


def what_stops(explanation: Explanation) -> str:
    """Count the causes on the nodes that cannot run the VM."""
    counts = sorted(explanation.counts, key=lambda one: (-one.nodes, one.row.reason))
    return ", ".join(f"{one.nodes} {one.row.reason}" for one in counts)


def would_change(causes: Sequence[Cause]) -> str:
    """Say everything that would have to change, each with its bound."""
    return " and ".join(cause.change for cause in causes)
