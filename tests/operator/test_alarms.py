"""When somebody is looked at again: one moment each, the earliest that was asked for."""

from hypothesis import given
from hypothesis import strategies as st

from schedune_operator.alarms import Alarms

A, B = ("default", "a"), ("default", "b")


def test_the_earliest_moment_stands_and_each_rings_once() -> None:
    alarms = Alarms()
    for key, due in ((A, 600.0), (B, 5.0), (A, 3.0), (A, 7.0)):
        alarms.set(key, due)
    assert alarms.next() == 3.0
    assert list(alarms.ring(2.9)) == []
    assert list(alarms.ring(700.0)) == [A, B]
    assert alarms.next() is None
    assert list(alarms.ring(9999.0)) == []


def test_one_who_is_looked_at_every_three_seconds_for_a_day_keeps_no_trace_of_each() -> None:
    """A deadline is asked for at each look, and a look sooner than that."""
    alarms = Alarms()
    for look in range(28_800):
        assert list(alarms.ring(3.0 * look)) == ([A] if look else [])
        alarms.set(A, 86_400.0)
        alarms.set(A, 3.0 * (look + 1))
    assert len(alarms) == 1
    assert len(alarms._heap) < 100


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 50)), max_size=300))
def test_whoever_asked_is_rung_at_the_earliest_moment_asked_for_and_nobody_else(
    asked: list[tuple[str, int]],
) -> None:
    alarms, wanted = Alarms(), dict[str, int]()
    for name, due in asked:
        alarms.set(("default", name), float(due))
        wanted[name] = min(due, wanted.get(name, due))
    rung = {key[1]: now for now in range(51) for key in alarms.ring(float(now))}
    assert rung == wanted
