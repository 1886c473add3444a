"""The API server's clock, as its answers tell it: bounds that hold, whatever our own clock does."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedune_kube.server_clock import ServerClock

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def header(moment: datetime) -> str:
    return format_datetime(moment.replace(microsecond=0), usegmt=True)


def test_one_answer_tells_the_time_to_half_a_second() -> None:
    clock = ServerClock.measured(header(NOON), sent=100.0, received=100.0)
    assert clock is not None
    assert clock.at(100.0) == NOON + timedelta(seconds=0.5)
    assert clock.at(160.0) == NOON + timedelta(seconds=60.5)


@pytest.mark.parametrize("nonsense", [None, "", "soon", "Tue, 99 Nov 2026 12:00:00 GMT"])
def test_an_answer_without_a_time_tells_nothing(nonsense: str | None) -> None:
    assert ServerClock.measured(nonsense, sent=1.0, received=2.0) is None


@given(
    boot=st.floats(0, 1e6),
    asked=st.lists(
        st.tuples(st.floats(0.01, 60), st.floats(0, 0.5), st.floats(0, 0.5)),
        min_size=1,
        max_size=20,
    ),
)
def test_the_truth_always_lies_within_the_bounds_which_never_grow_wider_than_one_answers(
    boot: float, asked: list[tuple[float, float, float]]
) -> None:
    """The server's clock is monotonic + boot; each answer is stamped somewhere on its way."""
    known, now = None, 0.0
    for pause, there, back in asked:
        sent = now + pause
        stamped = sent + there
        now = stamped + back
        told = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=boot + stamped)
        one = ServerClock.measured(header(told), sent, now)
        assert one is not None
        known = one.narrowed(known)
        assert known.least - 1e-4 <= boot <= known.most + 1e-4
        assert known.most - known.least <= one.most - one.least + 1e-4


def test_a_server_clock_that_was_set_is_believed_at_once() -> None:
    before = ServerClock.measured(header(NOON), 10.0, 10.0)
    after = ServerClock.measured(header(NOON - timedelta(hours=1)), 11.0, 11.0)
    assert after is not None
    assert after.narrowed(before) == after
