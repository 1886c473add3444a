"""The rows that a question is asked of: all of them, or those that changed.

A check sees the fleet through a view only, so that the same code answers for a whole
fleet and for the one row that a placement touched.
"""

from collections.abc import Callable, Hashable
from functools import cached_property
from typing import Any

import numpy as np

from schedune.fleet.column import Coded, Column, Mask, Rows
from schedune.fleet.fleet import UNDECLARED, Fleet
from schedune.fleet.profile import NodeProfile


class View:
    """Some rows of a fleet; an index into a view's masks is a position, not a row."""

    def __init__(self, fleet: Fleet, rows: Rows | None = None) -> None:
        self.fleet = fleet
        self._rows = rows

    def __len__(self) -> int:
        return len(self.fleet) if self._rows is None else len(self._rows)

    def node(self, position: int) -> NodeProfile:
        """Return the node at a position."""
        return self.fleet.nodes[self.row(position)]

    def row(self, position: int) -> int:
        """Return the row at a position."""
        return position if self._rows is None else int(self._rows[position])

    def _pick(self, column: Any) -> Any:
        return column if self._rows is None else column[self._rows]

    def number(self, name: str) -> Column:
        """Return a column of numbers."""
        return self._pick(self.fleet.numbers[name])  # type: ignore[no-any-return]

    def keyed_number(self, kind: str, key: Hashable) -> Column:
        """Return a column of numbers that is made on demand."""
        return self._pick(self.fleet.keyed_numbers(kind, key))  # type: ignore[no-any-return]

    def claimed(self, name: str) -> Column:
        """Return what is claimed of vcpus, memory, disk or vms."""
        return self._pick(self.fleet.claims.sums[name])  # type: ignore[no-any-return]

    def kept(self) -> Column:
        """Return the bytes of Persistent disks that wait for their workload."""
        return self._pick(self.fleet.kept)  # type: ignore[no-any-return]

    def claimed_pages(self, size: int) -> Column:
        """Return the bytes in use of huge pages of a size."""
        return self._pick(self.fleet.claims.used_pages(size))  # type: ignore[no-any-return]

    def claimed_port(self, port: str) -> Mask:
        """Return where a VM has this port of the node."""
        column = self.fleet.claims.ports.get(port)
        return self.none() if column is None else np.asarray(self._pick(column) > 0, np.bool_)

    def ask(self, name: str, question: Callable[[Any], bool]) -> Mask:
        """Ask every distinct value of a coded column; True where the answer is yes."""
        return self._ask(self.fleet.coded[name], question)

    def ask_keyed(self, kind: str, key: Hashable, question: Callable[[Any], bool]) -> Mask:
        """Ask every distinct value of a column that is made on demand."""
        return self._ask(self.fleet.keyed(kind, key), question)

    def _ask(self, column: Coded[Any], question: Callable[[Any], bool]) -> Mask:
        table = np.fromiter(
            (question(value) for value in column.values), np.bool_, len(column.values)
        )
        return table[self._pick(column.codes)]  # type: ignore[no-any-return]

    def codes(self, column: Coded[Any]) -> Any:
        """Return which value each row has, as numbers into ``column.values``."""
        return self._pick(column.codes)

    @cached_property
    def known(self) -> Mask:
        """Rows with facts that belong to the Node of this UID."""
        return self.ask("unknown", lambda why: why == "")

    @cached_property
    def declared(self) -> Mask:
        """Rows whose VM capacity is declared."""
        return np.asarray(self.known & (self.number("vcpus") != UNDECLARED), np.bool_)

    def none(self) -> Mask:
        """Return a mask of no row."""
        return np.zeros(len(self), np.bool_)

    def every(self) -> Mask:
        """Return a mask of every row."""
        return np.ones(len(self), np.bool_)
