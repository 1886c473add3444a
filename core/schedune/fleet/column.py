"""Columns whose values are few: each value is kept once, a row holds its number.

A question about such a column is asked once per distinct value and spread over the rows
by one vector operation; thousands of nodes share a handful of answers.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import Final, Generic, TypeVar

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
Column = npt.NDArray[np.int64]
Rows = npt.NDArray[np.intp]
T = TypeVar("T", bound=Hashable)
R = TypeVar("R")

_SPARE: Final = 1024
_MOST_MEMOS: Final = 256


class Coded(Generic[T]):
    """One column of hashable values."""

    def __init__(self, values: Iterable[T]) -> None:
        self.values: list[T] = []
        self.memo: dict[Hashable, dict[Hashable, object]] = {}
        """Answers to questions by whoever asks: a value keeps its number until it is dropped."""
        self._number: dict[T, int] = {}
        self.codes = np.fromiter((self._code(one) for one in values), np.int32)

    def _code(self, value: T) -> int:
        found = self._number.get(value)
        if found is None:
            found = self._number[value] = len(self.values)
            self.values.append(value)
        return found

    def __getitem__(self, row: int) -> T:
        return self.values[int(self.codes[row])]

    def put(self, row: int, value: T) -> None:
        """Change one row; values that no row holds any more are dropped now and then."""
        self.codes[row] = self._code(value)
        if len(self.values) > 2 * len(self.codes) + _SPARE:
            kept = [self.values[code] for code in self.codes]
            self.values, self._number, self.memo = [], {}, {}
            self.codes = np.fromiter((self._code(one) for one in kept), np.int32)

    def remembered(self, question: Hashable) -> dict[Hashable, object]:
        """Return the answers that were given to a question so far, to be added to."""
        found = self.memo.get(question)
        if found is None:
            if len(self.memo) >= _MOST_MEMOS:
                self.memo.clear()
            found = self.memo[question] = {}
        return found

    def answers(self, question: Callable[[T], R]) -> list[R]:
        """Ask every distinct value once; ``codes`` says which answer is a row's."""
        return [question(value) for value in self.values]

    def mask(self, question: Callable[[T], bool]) -> Mask:
        """Return the rows for whose value the answer is yes."""
        table = np.fromiter((question(value) for value in self.values), np.bool_, len(self.values))
        return table[self.codes]
