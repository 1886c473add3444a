"""A decision explained whole: counts, nearest nodes, candidates, what would have to change."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from schedune.codes.row import Row
from schedune.decision.causes import Cause, causes_of
from schedune.decision.decide import Decision
from schedune.decision.matrix import Effective, Matrix, unique_rows
from schedune.decision.relaxations import Relaxations
from schedune.fleet.column import Mask, Rows


@dataclass(frozen=True, slots=True)
class Count:
    """On how many nodes a code stands in the way, and on which first."""

    row: Row
    nodes: int
    first_rows: tuple[int, ...]
    example: Effective


@dataclass(frozen=True, slots=True)
class Signature:
    """A set of codes that some nodes share."""

    codes: tuple[str, ...]
    nodes: int
    first_rows: tuple[int, ...]


class Explanation:
    """Everything that can be told about a decision; each part is made when asked for."""

    def __init__(self, decision: Decision) -> None:
        self.decision = decision
        self.matrix = Matrix(decision)
        self.relaxations = Relaxations(self.matrix)

    @cached_property
    def rejected(self) -> Rows:
        """Rows of the rejected nodes, those that come nearest first, then by name."""
        rows = np.flatnonzero(self.matrix.rejected)
        return rows[np.lexsort((rows, self.matrix.distances[rows]))]

    def causes(self, row: int) -> tuple[Cause, ...]:
        """Return everything against one rejected node."""
        return causes_of(self.matrix, row)

    @cached_property
    def _by_code(self) -> dict[str, tuple[Row, Mask, Effective]]:
        found: dict[str, tuple[Row, Mask, Effective]] = {}
        for one in self.matrix.findings:
            told = self.matrix.applies(one)
            if not told.any():
                continue
            row = one.finding.row
            held = found.get(row.code)
            merged = told if held is None else held[1] | told
            example = one if held is None else held[2]
            found[row.code] = (row, merged, example)
        return found

    @cached_property
    def counts(self) -> tuple[Count, ...]:
        """Codes by how many nodes they reject, then by name."""
        counts = [
            Count(row, int(mask.sum()), tuple(np.flatnonzero(mask)[:3].tolist()), example)
            for row, mask, example in self._by_code.values()
        ]
        return tuple(sorted(counts, key=lambda one: (-one.nodes, one.row.code)))

    def signatures(self, most: int) -> tuple[list[Signature], int]:
        """Return the sets of codes that most nodes share, and how many sets there are.

        Their counts, all of them, add up to the rejected nodes. Sets with equal counts are
        ordered by their codes, the first codes first.
        """
        rows = np.flatnonzero(self.matrix.rejected)
        if not len(rows):
            return [], 0
        names = sorted(self._by_code)
        words = np.zeros((len(rows), max(1, -(-len(names) // 64))), np.uint64)
        for number, name in enumerate(names):
            word, bit = divmod(number, 64)
            held = self._by_code[name][1][rows]
            words[:, word] |= np.where(held, np.uint64(1 << (63 - bit)), np.uint64(0))
        distinct, which, counts = unique_rows(words)
        order = np.lexsort((*(~distinct).T[::-1], -counts))
        told = [
            Signature(
                tuple(name for at, name in enumerate(names) if _has(distinct[group], at)),
                int(counts[group]),
                tuple(rows[np.flatnonzero(which == group)[:3]].tolist()),
            )
            for group in order[:most].tolist()
        ]
        return told, len(distinct)


def _has(words: np.ndarray, at: int) -> bool:
    return bool(int(words[at // 64]) >> (63 - at % 64) & 1)
