"""What every trace of a placement is held against."""

from collections.abc import Sequence

from schedune.api.vmplacement import TraceEntry
from schedune.lifecycle.transitions import TERMINAL, is_allowed


def assert_moves_of_the_table(trace: Sequence[TraceEntry]) -> None:
    """Hold every entry of a trace against the table of moves, and against the one before it."""
    state = None
    for entry in trace:
        begins = entry.from_ is None and (state is None or state in TERMINAL)
        assert begins or entry.from_ is state, trace
        assert entry.from_ is entry.to or is_allowed(entry.from_, entry.to), trace
        state = entry.to
