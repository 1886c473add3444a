"""What is remembered of earlier placements, and how long the next attempt waits."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedune.api.vmworkload import Attempt
from schedune.codes import execution as codes
from schedune.codes.row import Row
from schedune_operator.history import back_off, next_attempt

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def attempt(number: int, row: Row, end: datetime = NOW) -> Attempt:
    return Attempt(
        attempt=number,
        code=row.code,
        end_time=end,
        exit_reason=row.reason,
        node_name="arm-01",
        placement_uid=f"p{number}",
    )


def test_the_first_attempt_waits_for_nothing() -> None:
    assert back_off([], NOW) == (0.0, "")
    assert next_attempt([]) == 1


@pytest.mark.parametrize(
    "row", [codes.LEDGER_FULL, codes.SPAWN_FAILED, codes.EXITED_EARLY, codes.READY_TIMEOUT]
)
def test_a_failure_before_the_guest_makes_the_next_attempt_wait_and_names_it(row: Row) -> None:
    assert back_off([attempt(1, row)], NOW) == (2.0, row.code)


@given(st.integers(1, 16))
def test_failures_in_a_row_wait_ever_longer_up_to_five_minutes(failures: int) -> None:
    history = [attempt(number, codes.LEDGER_FULL) for number in range(1, failures + 1)]
    pause, _ = back_off(history, NOW)
    assert pause == min(300.0, 2.0**failures)
    assert back_off(history, NOW + timedelta(seconds=pause))[0] == 0.0


def test_a_vm_that_ran_starts_the_count_anew() -> None:
    history = [attempt(1, codes.LEDGER_FULL), attempt(2, codes.STOPPED_BY_GUEST)]
    assert back_off(history, NOW)[0] == 0.0
    assert next_attempt(history) == 3
