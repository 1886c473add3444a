"""The table of moves, tried with every pair and with chance walks."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedune.api.vmplacement import PlacementState
from schedune.codes import execution as codes
from schedune.codes.row import Reason
from schedune.lifecycle.transitions import (
    ALLOWED,
    TERMINAL,
    IllegalMoveError,
    check_move,
    is_allowed,
    move,
    note,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REASON = Reason(codes.PREPARING)
STATES = st.sampled_from(PlacementState)


def test_every_one_of_the_twelve_states_is_in_the_table() -> None:
    assert set(ALLOWED) == set(PlacementState)
    assert len(ALLOWED) == 12


def test_exited_failed_and_terminated_are_terminal() -> None:
    assert {PlacementState.EXITED, PlacementState.FAILED, PlacementState.TERMINATED} == TERMINAL


@given(current=STATES, to=STATES)
def test_a_move_succeeds_exactly_when_the_table_has_it(
    current: PlacementState, to: PlacementState
) -> None:
    if to in ALLOWED[current]:
        check_move(current, to)
        entry = move(current, to, REASON, NOW)
        assert (entry.from_, entry.to, entry.code, entry.time) == (current, to, "PREPARING", NOW)
    else:
        with pytest.raises(IllegalMoveError, match="no move from"):
            move(current, to, REASON, NOW)


@given(walk=st.lists(STATES, max_size=40))
def test_no_walk_leaves_the_table_or_a_terminal_state(walk: list[PlacementState]) -> None:
    current: PlacementState | None = None
    for to in walk:
        if is_allowed(current, to):
            assert current not in TERMINAL
            current = move(current, to, REASON, NOW).to


@given(state=STATES)
def test_every_state_that_is_not_terminal_may_become_unknown(state: PlacementState) -> None:
    assert (PlacementState.UNKNOWN in ALLOWED[state]) == (state not in TERMINAL)


def test_a_degraded_vm_can_recover_and_die_and_an_unknown_one_can_be_starting() -> None:
    assert is_allowed(PlacementState.DEGRADED, PlacementState.RUNNING)
    assert is_allowed(PlacementState.DEGRADED, PlacementState.EXITED)
    assert is_allowed(PlacementState.UNKNOWN, PlacementState.STARTING)


@given(state=STATES)
def test_an_incarnation_begins_as_pending_and_a_note_moves_nothing(state: PlacementState) -> None:
    assert is_allowed(None, state) == (state is PlacementState.PENDING)
    entry = note(state, REASON, NOW)
    assert entry.from_ == entry.to == state
