"""Many nodes silent at once: taken as our own outage; a few, or one by one, as theirs."""

from hypothesis import given
from hypothesis import strategies as st

from schedune_operator.outage import OutageWatch

FLEET = frozenset(f"n{number}" for number in range(10))


def some(count: int) -> frozenset[str]:
    return frozenset(sorted(FLEET)[:count])


def new_watch() -> OutageWatch:
    watch = OutageWatch(least=4, longest_s=900)
    watch.observe(FLEET, FLEET, 0.0, frozenset())
    return watch


def after(watch: OutageWatch, now: float, silent: frozenset[str]) -> frozenset[str]:
    watch.observe(FLEET - silent, FLEET, now, frozenset())
    return watch.withheld


def test_more_than_half_at_once_is_an_outage_of_our_own() -> None:
    watch = new_watch()
    assert after(watch, 5, some(6)) == some(6)
    assert watch.total == 10


def test_half_is_not() -> None:
    assert after(new_watch(), 5, some(5)) == frozenset()


def test_heartbeats_end_spread_over_a_minute() -> None:
    watch = new_watch()
    assert after(watch, 5, some(3)) == frozenset()
    assert after(watch, 65, some(8)) == some(8)


def test_nodes_that_die_one_by_one_are_told_one_by_one() -> None:
    watch = new_watch()
    for count in range(1, 10):
        assert after(watch, count * 130.0, some(count)) == frozenset()


def test_of_few_nodes_each_is_told_by_itself() -> None:
    watch = OutageWatch(least=4, longest_s=900)
    watch.observe(some(3), some(3), 0.0, frozenset())
    watch.observe(frozenset(), some(3), 5.0, frozenset())
    assert watch.withheld == frozenset()


def test_it_ends_when_all_are_heard_again() -> None:
    watch = new_watch()
    assert after(watch, 5, FLEET) == FLEET
    assert after(watch, 300, some(6)) == some(6)
    assert after(watch, 310, some(2)) == some(2)
    assert after(watch, 315, frozenset()) == frozenset()


def test_when_half_is_back_the_rest_gets_two_minutes_and_is_told_then() -> None:
    watch = new_watch()
    assert after(watch, 5, FLEET) == FLEET
    assert after(watch, 10, some(5)) == some(5)
    assert after(watch, 125, some(5)) == some(5)
    assert after(watch, 126, some(5)) == frozenset()
    assert after(watch, 131, some(5)) == frozenset()


def test_a_silence_without_end_is_told_after_a_while_and_stays_told() -> None:
    watch = new_watch()
    assert after(watch, 5, some(8)) == some(8)
    assert after(watch, 900, some(8)) == some(8)
    assert after(watch, 906, some(8)) == frozenset()
    assert after(watch, 911, some(8)) == frozenset()


def test_after_a_restart_published_conditions_say_who_was_heard_before() -> None:
    watch = OutageWatch(least=4, longest_s=900)
    watch.observe(some(2), FLEET, 0.0, believed=FLEET)
    assert watch.withheld == FLEET - some(2)
    dead_for_long = OutageWatch(least=4, longest_s=900)
    dead_for_long.observe(some(2), FLEET, 0.0, believed=some(2))
    assert dead_for_long.withheld == frozenset()


def test_nodes_that_are_gone_are_not_silent() -> None:
    watch = new_watch()
    watch.observe(some(2), some(2), 5.0, frozenset())
    assert watch.withheld == frozenset()


@given(
    st.lists(st.tuples(st.integers(1, 200), st.sets(st.sampled_from(sorted(FLEET)))), max_size=20)
)
def test_only_silent_nodes_are_withheld_and_it_begins_only_with_most_of_them(
    looks: list[tuple[int, set[str]]],
) -> None:
    watch, now = new_watch(), 0
    for pause, silent in looks:
        now += pause
        began = not watch.withheld
        withheld = after(watch, now, frozenset(silent))
        assert withheld <= silent
        assert not (withheld and began) or len(withheld) > len(FLEET - silent)
