"""Every pair's objections as bits over atoms: what relaxations and conflict cores are made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from schedune.api.vmworkload import Backend
from schedune.codes import launch as codes
from schedune.codes.row import Actor
from schedune.decision.decide import Decision
from schedune.eligibility.finding import Finding
from schedune.fleet.column import Column, Mask, Rows

Words = npt.NDArray[np.uint64]
"""One row of 64-bit words for each pair."""
_BITS: Final = 64
_FAR: Final = 10_000
"""Added to the distance of a backend that may not be used at all: nobody on the node helps it."""


@dataclass(frozen=True, slots=True)
class Atom:
    """One demand of the intent, or one state of nodes; a bit."""

    name: str
    who: Actor
    backend: Backend | None


class Matrix:
    """The objections of every pair of a decision."""

    def __init__(self, decision: Decision) -> None:
        self.decision = decision
        self.size = len(decision.question.view)
        self.backends = list(decision.launchable)
        self.findings = [
            _Effective(one, _without_roots(one, decision)) for one in decision.findings
        ]
        self.findings = [one for one in self.findings if one.objects.any()]
        numbers: dict[Atom, int] = {}
        for one in self.findings:
            numbers.setdefault(one.atom, len(numbers))
        self.atoms: Sequence[Atom] = list(numbers)
        self.numbers = numbers
        self.words = max(1, -(-len(self.atoms) // _BITS))

    @cached_property
    def masks(self) -> dict[Backend, Words]:
        """For each backend, the atoms against every node with it."""
        common = self._fold(None)
        return {backend: common | self._fold(backend) for backend in self.backends}

    def _fold(self, backend: Backend | None) -> Words:
        folded = np.zeros((self.size, self.words), np.uint64)
        for one in self.findings:
            if one.atom.backend is backend:
                word, bit = divmod(self.numbers[one.atom], _BITS)
                folded[:, word] |= np.where(one.objects, np.uint64(1 << bit), np.uint64(0))
        return folded

    @cached_property
    def rejected(self) -> Mask:
        """Nodes that no backend can run the VM on."""
        return np.asarray(~self.decision.eligible, np.bool_)

    @cached_property
    def distances(self) -> Column:
        """For each node, how many atoms stand against the backend that is nearest there."""
        return np.asarray(self._distances.min(axis=0), np.int64)

    @cached_property
    def shown(self) -> Column:
        """For each node, which backend a reader is told of: the one with the fewest atoms.

        Of several as near as each other it is one that comes nearer by itself.
        """
        return np.asarray((2 * self._distances - self._passing).argmin(axis=0), np.int64)

    @property
    def _passing(self) -> Column:
        """For each pair 1 where something of its own stands in the way that nobody needs to do."""
        passing = np.zeros((len(self.backends), self.size), np.int64)
        for one in self.findings:
            if one.atom.backend is not None and one.finding.row.actor is Actor.NOBODY:
                passing[self.backends.index(one.atom.backend)] |= one.objects
        return passing

    @cached_property
    def _distances(self) -> Column:
        distances = []
        for backend in self.backends:
            count = np.bitwise_count(self.masks[backend]).sum(axis=1).astype(np.int64)
            for one in self.findings:
                if (
                    one.atom.backend is backend
                    and one.finding.row is codes.BACKEND_NOT_SUPPORTED_YET
                ):
                    count = count + np.where(one.objects, _FAR, 0)
            distances.append(count)
        return np.array(distances, np.int64)

    def applies(self, one: "_Effective") -> Mask:
        """Say on which rejected nodes a reader is told of a finding."""
        told = one.objects & self.rejected
        if one.atom.backend is None:
            return np.asarray(told, np.bool_)
        return np.asarray(told & (self.shown == self.backends.index(one.atom.backend)), np.bool_)

    @cached_property
    def pairs(self) -> Words:
        """The distinct sets of atoms of all pairs of rejected nodes, smallest first."""
        rows = np.concatenate([self.masks[backend][self.rejected] for backend in self.backends])
        distinct = distinct_rows(rows)
        count = np.bitwise_count(distinct).sum(axis=1)
        order = np.lexsort((*distinct.T[::-1], count))
        return distinct[order]

    def mask_of(self, chosen: Sequence[int]) -> Words:
        """Return the words with these atoms' bits set."""
        words = np.zeros(self.words, np.uint64)
        for number in chosen:
            word, bit = divmod(number, _BITS)
            words[word] |= np.uint64(1 << bit)
        return words

    def atoms_in(self, words: Words) -> list[int]:
        """Return the numbers of the atoms whose bits are set."""
        return [
            number
            for number in range(len(self.atoms))
            if int(words[number // _BITS]) >> (number % _BITS) & 1
        ]

    def freed_by(self, words: Words) -> Rows:
        """Return the rejected nodes that become eligible when these atoms stand in no way."""
        free = np.zeros(self.size, np.bool_)
        for backend in self.backends:
            free |= ((self.masks[backend] & ~words) == 0).all(axis=1)
        return np.flatnonzero(free & self.rejected)


class _Effective:
    """A finding where it is a cause, not a mere consequence."""

    def __init__(self, finding: Finding, objects: Mask) -> None:
        self.finding = finding
        self.objects = objects
        self.atom = Atom(finding.atom, finding.who, finding.backend)


Effective = _Effective


def _without_roots(finding: Finding, decision: Decision) -> Mask:
    if finding.follows is None:
        return finding.objects
    roots = [one.objects for one in decision.findings if one.atom == finding.follows]
    held = finding.objects
    for root in roots:
        held = held & ~root
    return held


def distinct_rows(rows: Words) -> Words:
    """Return every different row of words once."""
    if rows.shape[1] == 1:
        return np.unique(rows[:, 0])[:, None]
    return unique_rows(rows)[0]


def unique_rows(rows: Words) -> tuple[Words, Rows, Column]:
    """Return distinct rows of words, which of them each row is, and how often each occurs.

    Word by word: sorting whole rows as bytes is several times slower.
    """
    keys: np.ndarray = rows[:, 0]
    if rows.shape[1] > 1:
        keys = np.zeros(len(rows), np.int64)
        for word in range(rows.shape[1]):
            keys = _refined(keys, rows[:, word])
    _, first, which, counts = np.unique(
        keys, return_index=True, return_inverse=True, return_counts=True
    )
    return rows[first], np.asarray(which, np.intp), np.asarray(counts, np.int64)


def _refined(codes: Column, words: np.ndarray) -> Column:
    """Return codes that tell apart what the earlier ones or this word tell apart."""
    _, here = np.unique(words, return_inverse=True)
    width = int(here.max(initial=0)) + 1
    _, codes = np.unique(codes * width + here, return_inverse=True)
    return np.asarray(codes, np.int64)
