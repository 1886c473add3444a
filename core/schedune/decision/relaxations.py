"""What would have to give: relaxations, conflict cores, and the repair that frees most."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from schedune.codes.row import Actor
from schedune.decision.causes import change_at
from schedune.decision.matrix import Atom, Effective, Matrix
from schedune.decision.sets import Set, conflict_cores, members, minimal_rows
from schedune.fleet.column import Column, Rows

MOST_TOLD: Final = 8
MOST_ALTERNATIVES: Final = 3
SAMPLES: Final = 3
_MOST_WORDS: Final = 64
"""So many ways of saying what would have to change are looked at, those for most nodes first."""


@dataclass(frozen=True, slots=True)
class Way:
    """One smallest set of changes that makes nodes eligible."""

    atoms: tuple[Atom, ...]
    who: Actor
    nodes: int
    """How many nodes the changes free as they are told, by any of their numbers."""
    sample_rows: tuple[int, ...]
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Core:
    """One smallest set of demands and states that together exclude every node."""

    atoms: tuple[Atom, ...]
    demands: tuple[str, ...]
    after_repair: bool
    """True: the demands contradict even on a fleet on which everything is repaired."""


@dataclass(frozen=True, slots=True)
class Repair:
    """One state which, put right everywhere, would free nodes."""

    atom: Atom
    change: str
    nodes: int
    sample_rows: tuple[int, ...]


class Relaxations:
    """Everything that follows from which atoms stand against which pairs."""

    def __init__(self, matrix: Matrix) -> None:
        self._matrix = matrix
        self.complete = True
        """Whether no cap was reached."""

    @cached_property
    def _asks(self) -> Set:
        atoms = self._matrix.atoms
        return frozenset(n for n, atom in enumerate(atoms) if atom.who is Actor.USER)

    @cached_property
    def ways(self) -> tuple[Way, ...]:
        """The relaxations: those of the user alone first, then fewer changes, then more nodes."""
        matrix = self._matrix
        if not len(matrix.pairs):
            return ()
        repairs = matrix.mask_of([n for n in range(len(matrix.atoms)) if n not in self._asks])
        alone = matrix.pairs[((matrix.pairs & repairs) == 0).all(axis=1)]
        sets: list[Set] = []
        for rows in (alone, matrix.pairs):
            minimal, complete = minimal_rows(rows)
            self.complete = self.complete and complete
            sets += [members(row) for row in minimal]
        found = sorted(set(sets), key=lambda one: (not one <= self._asks, len(one), sorted(one)))
        near = [one for one in found if one][: 4 * MOST_TOLD]
        if len(found) > MOST_TOLD:
            self.complete = False
        ways = [self._way(one) for one in near]
        return tuple(sorted(ways, key=_order)[:MOST_TOLD])

    def _way(self, chosen: Set) -> Way:
        matrix = self._matrix
        rows = matrix.freed_by(matrix.mask_of(sorted(chosen)))
        who = Actor.USER if chosen <= self._asks else Actor.ADMINISTRATOR
        atoms = tuple(matrix.atoms[number] for number in sorted(chosen))
        changes, freed = self._changes(chosen, rows)
        return Way(atoms, who, len(freed), tuple(freed[:SAMPLES].tolist()), changes)

    def _finding(self, number: int, row: int) -> Effective | None:
        atom = self._matrix.atoms[number]
        for one in self._matrix.findings:
            if one.atom == atom and one.objects[row]:
                return one
        return None

    def _changes(self, chosen: Set, rows: Rows) -> tuple[tuple[str, ...], Rows]:
        """Tell each change, and give the rows that they free as they are told.

        Numbers that trade off are told together, each pair from one node.
        """
        numeric = [one for one in sorted(chosen) if self._is_number(one, int(rows[0]))]
        plain = [one for one in sorted(chosen) if one not in numeric]
        parts = self._alike([one for one in plain if one in self._asks], rows)
        if len(chosen) == 1 and not numeric:
            parts = parts[:MOST_ALTERNATIVES]
            told = " or ".join(text for part in parts for text in self._told(plain, part))
            return (told,), np.sort(np.concatenate(parts))
        rows = parts[0]
        if not numeric:
            return self._told(plain, rows), rows
        numbers, freed = self._numbers(numeric, rows)
        return (numbers, *self._told(plain, rows)), freed

    def _is_number(self, number: int, row: int) -> bool:
        one = self._finding(number, row)
        return one is not None and one.finding.bound is not None

    def _told(self, plain: Sequence[int], rows: Rows) -> tuple[str, ...]:
        """Tell changes in the words of the first of the rows."""
        row = int(rows[0])
        found = [self._finding(number, row) for number in plain]
        return tuple(change_at(one, row) for one in found if one is not None)

    def _alike(self, numbers: Sequence[int], rows: Rows) -> list[Rows]:
        """Part rows by the words in which these changes are told there: the most rows first."""
        keys = [key for one in numbers if (key := self._words(one, rows)) is not None]
        if not keys:
            return [rows]
        alike = np.zeros(len(rows), np.int64)
        for key in keys:
            alike = np.unique(alike * (int(key.max()) + 1) + key, return_inverse=True)[1]
        first, sizes = np.unique(alike, return_index=True, return_counts=True)[1:]
        parts: dict[tuple[str, ...], list[int]] = {}
        for group in np.lexsort((first, -sizes))[:_MOST_WORDS].tolist():
            text = self._told(numbers, rows[first[group] :])
            parts.setdefault(text, []).append(group)
        found = [rows[np.isin(alike, groups)] for groups in parts.values()]
        return sorted(found, key=lambda part: (-len(part), int(part[0])))

    def _words(self, number: int, rows: Rows) -> Column | None:
        """Number the words in which a change is told on each row; None: all are the same."""
        atom = self._matrix.atoms[number]
        found = [one for one in self._matrix.findings if one.atom == atom]
        if len(found) == 1 and found[0].finding.words is None:
            return None
        key, fresh = np.zeros(len(rows), np.int64), 0
        for one in found:
            words = one.finding.words() if one.finding.words is not None else None
            here = one.objects[rows]
            key[here] = fresh if words is None else fresh + words[rows][here]
            fresh += 1 if words is None else int(words.max()) + 1
        return key

    def _numbers(self, numeric: Sequence[int], rows: Rows) -> tuple[str, Rows]:
        """Give the best reachable numbers and the rows that reach one of them.

        They are one front of values, each from one node.
        """
        columns = [self._values(number) for number in numeric]
        points = np.array([column[0][rows] * column[1] for column in columns], np.int64).T
        front = _front(points)[:MOST_ALTERNATIVES]
        texts, freed = [], np.zeros(len(rows), np.bool_)
        for at in front:
            freed |= (points >= points[at]).all(axis=1)
            row = int(rows[at])
            found = [self._finding(number, row) for number in numeric]
            texts.append(" and ".join(change_at(one, row) for one in found if one is not None))
        return " or ".join(dict.fromkeys(texts)), rows[freed]

    def _values(self, number: int) -> tuple[np.ndarray, int]:
        """Return the bound on every row, signed so that more is better."""
        atom = self._matrix.atoms[number]
        for one in self._matrix.findings:
            if one.atom == atom and one.finding.bound is not None:
                bound = one.finding.bound
                return bound.values, 1 if bound.sense == "AtMost" else -1
        raise LookupError(f"{atom.name} is no number")

    @cached_property
    def cores(self) -> tuple[Core, ...]:
        """The conflict cores as things are, and those that no repair would end."""
        matrix = self._matrix
        if not len(matrix.pairs):
            return ()
        now = conflict_cores(matrix.pairs)
        asks = matrix.pairs & matrix.mask_of(sorted(self._asks))
        order = np.argsort(np.bitwise_count(asks).sum(axis=1), kind="stable")
        after = conflict_cores(np.unique(asks[order], axis=0)) if asks.any(axis=1).all() else None
        self.complete = self.complete and now.complete and (after is None or after.complete)
        lasting = set(after.sets) if after else set()
        ordered = [*(after.sets if after else ()), *(one for one in now.sets if one not in lasting)]
        return tuple(self._core(one, after_repair=one in lasting) for one in ordered[:MOST_TOLD])

    def _core(self, chosen: Set, *, after_repair: bool) -> Core:
        atoms = tuple(self._matrix.atoms[number] for number in sorted(chosen))
        demands = tuple(self._demand(number) for number in sorted(chosen))
        return Core(atoms, demands, after_repair)

    def _demand(self, number: int) -> str:
        """Say what an atom asks, in the words of the first node it objects to."""
        atom = self._matrix.atoms[number]
        for one in self._matrix.findings:
            if one.atom == atom:
                row = int(np.flatnonzero(one.objects)[0])
                reason = one.finding.testify(row)
                return f"{atom.name}: {reason.required}" if reason.required else atom.name
        return atom.name

    @cached_property
    def repairs(self) -> tuple[Repair, ...]:
        """Single repairs, those that free most nodes first."""
        matrix, found = self._matrix, []
        for number, atom in enumerate(matrix.atoms):
            if number in self._asks:
                continue
            rows = matrix.freed_by(matrix.mask_of([number]))
            one = self._finding(number, int(rows[0])) if len(rows) else None
            if one is not None:
                change = change_at(one, int(rows[0]))
                found.append(Repair(atom, change, len(rows), tuple(rows[:SAMPLES].tolist())))
        return tuple(sorted(found, key=lambda one: (-one.nodes, one.atom.name)))


def _order(way: Way) -> tuple[bool, int, int, tuple[str, ...]]:
    names = tuple(atom.name for atom in way.atoms)
    return way.who is not Actor.USER, len(way.atoms), -way.nodes, names


def _front(points: np.ndarray) -> list[int]:
    """Return the positions that no other point betters in every number (Pareto), best first.

    Of equal points the first counts.
    """
    order = np.lexsort((*(-points.T[::-1]),))
    ordered = points[order]
    fresh = np.ones(len(ordered), np.bool_)
    fresh[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    kept: list[int] = []
    for at in order[fresh].tolist():
        if not any((points[held] >= points[at]).all() for held in kept):
            kept.append(at)
    return kept
