"""Which single repair of the fleet would help most, over many workloads."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from schedune.decision.explanation import Explanation


@dataclass(frozen=True, slots=True)
class Unblocking:
    """One state of nodes which, put right everywhere, would free some for workloads."""

    atom: str
    change: str
    """What would be put right, in the words of the first node."""
    workloads: tuple[str, ...]
    """Names of those that have no node now and would have one."""
    pairs: int
    """How many (workload, node) pairs would become eligible."""
    nodes: tuple[str, ...]
    """Names of the nodes that would be freed for any of them."""


@dataclass(slots=True)
class _Tally:
    change: str
    workloads: list[str] = field(default_factory=list)
    pairs: int = 0
    nodes: set[str] = field(default_factory=set)


def rank_repairs(explanations: Iterable[Explanation]) -> tuple[Unblocking, ...]:
    """Return the repairs, those that give most workloads a node first, then most pairs."""
    tallies: dict[str, _Tally] = {}
    for explanation in explanations:
        decision, matrix = explanation.decision, explanation.matrix
        for repair in explanation.relaxations.repairs:
            tally = tallies.setdefault(repair.atom.name, _Tally(repair.change))
            rows = matrix.freed_by(matrix.mask_of([matrix.numbers[repair.atom]]))
            tally.pairs += len(rows)
            tally.nodes |= {decision.node(row).name for row in rows.tolist()}
            if decision.chosen is None:
                intent = decision.intent
                tally.workloads.append(f"{intent.namespace}/{intent.name}")
    found = [
        Unblocking(
            atom, one.change, tuple(sorted(one.workloads)), one.pairs, tuple(sorted(one.nodes))
        )
        for atom, one in tallies.items()
    ]
    return tuple(sorted(found, key=lambda one: (-len(one.workloads), -one.pairs, one.atom)))
