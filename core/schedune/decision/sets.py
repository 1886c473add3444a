"""Smallest sets that free a node, and smallest sets that exclude every node (peers.md 8).

Caps count work, never time, so that the same input gives the same answer everywhere;
``complete`` says whether one bit.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from schedune.decision.matrix import Words
from schedune.fleet.column import Mask

MOST_MINIMAL: Final = 512
"""Minimal sets that are looked for."""
MOST_CORES: Final = 64
"""Partial cores that are carried from one set to the next."""
Set = frozenset[int]
"""Numbers of atoms."""


@dataclass(frozen=True, slots=True)
class Found:
    """Sets, smallest first, and whether these are all."""

    sets: tuple[Set, ...]
    complete: bool


def minimal_rows(rows: Words, most: int = MOST_MINIMAL) -> tuple[Words, bool]:
    """Return the inclusion-minimal rows of distinct ones that come smallest first."""
    alive = rows
    kept: list[Words] = []
    while len(alive) and len(kept) < most:
        smallest = alive[0]
        kept.append(smallest)
        alive = alive[((alive & smallest) != smallest).any(axis=1)]
    return np.array(kept, np.uint64).reshape(len(kept), rows.shape[1]), not len(alive)


def members(words: Words) -> Set:
    """Return the numbers of the bits that are set."""
    return frozenset(
        64 * place + bit
        for place, word in enumerate(words.tolist())
        for bit in range(word.bit_length())
        if word >> bit & 1
    )


def conflict_cores(rows: Words, most: int = MOST_CORES) -> Found:
    """Return the minimal hitting sets of the rows: each excludes every node.

    Berge's way, one row at a time. Cutting the partial list leaves true cores, but maybe
    not minimal ones, so each is shrunk; where not all minimal rows were found, each is
    first grown until it hits every row.
    """
    if not len(rows) or not rows.any(axis=1).all():
        return Found((), complete=True)
    minimal, complete = minimal_rows(rows)
    sets = [members(row) for row in minimal]
    partial: list[Set] = [frozenset()]
    for one in sets:
        grown = {
            core if core & one else core | {bit} for core in partial for bit in _needed(core, one)
        }
        partial = _minimal(grown)
        if len(partial) > most:
            partial, complete = partial[:most], False
    cores = partial if complete else _repaired(partial, rows)
    return Found(tuple(_minimal(set(cores))), complete)


def _needed(core: Set, one: Set) -> Sequence[int]:
    """Return the bits by which a core may grow; one that hits already needs none."""
    return [-1] if core & one else sorted(one)


def _minimal(sets: set[Set] | Sequence[Set]) -> list[Set]:
    kept: list[Set] = []
    for one in sorted(set(sets), key=lambda found: (len(found), sorted(found))):
        if not any(small <= one for small in kept):
            kept.append(one)
    return kept


def _repaired(cores: Sequence[Set], rows: Words) -> Iterator[Set]:
    for core in cores:
        yield _shrunk(_grown(core, rows), rows)


def _grown(core: Set, rows: Words) -> Set:
    """Add, until every row is hit, the bit that most of the missed rows have."""
    missed = rows[~_hits(core, rows)]
    while len(missed):
        counts = {
            bit: int(_hits(frozenset({bit}), missed).sum()) for bit in members(_union(missed))
        }
        best = min(counts, key=lambda bit: (-counts[bit], bit))
        core |= {best}
        missed = missed[~_hits(frozenset({best}), missed)]
    return core


def _shrunk(core: Set, rows: Words) -> Set:
    """Drop every bit that is not needed."""
    for bit in sorted(core, reverse=True):
        if _hits(core - {bit}, rows).all():
            core -= {bit}
    return core


def _union(rows: Words) -> Words:
    return np.asarray(np.bitwise_or.reduce(rows, axis=0), np.uint64)


def _hits(core: Set, rows: Words) -> Mask:
    words = np.zeros(rows.shape[1], np.uint64)
    for bit in core:
        words[bit // 64] |= np.uint64(1 << (bit % 64))
    return np.asarray((rows & words).any(axis=1), np.bool_)
