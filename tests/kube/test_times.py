"""Times as the API server writes them, and as somebody may have written them into an object."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedune_kube.times import latest, parse_time, render_micro_time

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
NONSENSE = [
    "0000-01-01T00:00:00.000000Z",
    "10000-01-01T00:00:00.000000Z",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    "2026-11-24T12:00:00",
    "soon",
]


@given(st.datetimes(timezones=st.just(UTC), min_value=datetime(1000, 1, 1)))  # noqa: DTZ001
def test_what_was_written_is_read_again(moment: datetime) -> None:
    assert parse_time(render_micro_time(moment)) == moment


@pytest.mark.parametrize("text", [None, "", *NONSENSE])
def test_a_time_that_no_clock_shows_is_none(text: str | None) -> None:
    assert parse_time(text) is None


@pytest.mark.parametrize("text", NONSENSE)
def test_the_latest_of_some_times_is_the_latest_of_those_that_are_times(text: str) -> None:
    assert latest([text, "2026-11-24T12:00:00Z", None]) == NOON
    assert latest([text]) is None


@pytest.mark.parametrize("text", NONSENSE)
def test_a_time_that_was_read_can_be_compared_with_any_other(text: str) -> None:
    read = parse_time(text) or NOON
    assert NOON - read < timedelta(days=1)
