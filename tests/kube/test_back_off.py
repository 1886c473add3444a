"""After a failure: longer each time, at random, and never sooner than the server asks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedune_kube.back_off import BackOff
from schedune_kube.errors import ApiUnavailableError, TooManyRequestsError, error_of

DOWN = ApiUnavailableError("no answer")


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=40))
def test_a_pause_is_at_most_double_the_former_and_never_beyond_the_longest(
    chances: list[float],
) -> None:
    rolls = iter(chances)
    pauses = BackOff(1.0, 30.0, lambda: next(rolls))
    for number, chance in enumerate(chances):
        assert pauses.failed(DOWN) == pytest.approx(min(2.0**number, 30.0) * chance)


def test_after_a_success_pauses_are_short_again() -> None:
    pauses = BackOff(1.0, 30.0, lambda: 1.0)
    assert [pauses.failed(DOWN) for _ in range(3)] == [1.0, 2.0, 4.0]
    assert pauses.failing
    pauses.succeeded()
    assert not pauses.failing
    assert pauses.failed(DOWN) == 1.0


@pytest.mark.parametrize("status", [429, 503])
def test_patience_that_the_server_asks_for_is_kept(status: int) -> None:
    error = error_of(status, b"{}", "7")
    assert isinstance(error, ApiUnavailableError)
    assert BackOff(1.0, 30.0, lambda: 0.0).failed(error) == 7.0


def test_a_server_that_says_when_is_not_kept_waiting_for_the_sake_of_former_failures() -> None:
    pauses = BackOff(1.0, 30.0, lambda: 1.0)
    for _ in range(10):
        pauses.failed(DOWN)
    assert pauses.failed(ApiUnavailableError("starting", 2.0)) == 4.0


@pytest.mark.parametrize(
    ("header", "patience"),
    [(None, 1.0), ("", 1.0), ("soon", 1.0), ("-5", 1.0), ("0", 1.0), ("99999999", 600.0)],
)
def test_a_foolish_retry_after_neither_hurries_nor_silences_us(
    header: str | None, patience: float
) -> None:
    error = error_of(429, b"{}", header)
    assert isinstance(error, TooManyRequestsError)
    assert error.retry_after_s == patience
