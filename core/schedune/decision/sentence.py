"""Sentences about a decision, for people."""

from collections.abc import Sequence
from typing import Final

from schedune.decision.causes import Cause
from schedune.decision.explanation import Explanation


def headline(explanation: Explanation) -> str:
    """Say in one sentence how many nodes can run the VM, and what stops the others."""
    decision = explanation.decision
    nodes, eligible = len(decision.question.view), int(decision.eligible.sum())
    if nodes == 0:
        return "0/0 nodes can run this VM: no nodes are known"
    counts = sorted(explanation.counts, key=lambda one: (-one.nodes, one.row.reason))
    stops = ", ".join(f"{one.nodes} {one.row.reason}" for one in counts)
    return f"{eligible}/{nodes} nodes can run this VM" + (f": {stops}" if stops else "")


CLOSED: Final = frozenset({"nodeDraining", "nodeOpen"})
"""Atoms of nodes that administrators have closed: to open them is no advice."""


def nearest_open(explanation: Explanation) -> str:
    """Say of the nearest node that nobody has closed what would have to change there; "": none."""
    for row in explanation.rejected.tolist():
        causes = explanation.causes(row)
        if not any(cause.atom in CLOSED for cause in causes):
            return f"{explanation.decision.node(row).name} if {would_change(causes)}"
    return ""


def would_change(causes: Sequence[Cause]) -> str:
    """Say everything that would have to change, each with its bound."""
    return " and ".join(cause.change for cause in causes)


def verdict_now(explanation: Explanation) -> str:
    """Say in one line how many nodes can run the VM now, and what the nearest one lacks."""
    decision = explanation.decision
    nodes, eligible = len(decision.question.view), int(decision.eligible.sum())
    told = f"{eligible}/{nodes} nodes can run this now"
    if nodes == 0:
        return f"{told}: no nodes are known"
    if eligible or not len(explanation.rejected):
        return told
    row = int(explanation.rejected[0])
    lacks = ", ".join(cause.shortfall or cause.change for cause in explanation.causes(row))
    return f"{told}; nearest {decision.node(row).name} ({lacks})"
