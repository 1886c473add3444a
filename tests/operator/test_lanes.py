"""Who is looked at first, and that nobody waits for ever."""

from hypothesis import given
from hypothesis import strategies as st

from schedune_operator.lanes import Lanes

KEYS = st.integers(0, 30).map(lambda number: ("default", f"vm-{number:02}"))


def drained(lanes: Lanes) -> list[str]:
    found = []
    while (key := lanes.pop()) is not None:
        found.append(key[1])
    return found


def test_a_higher_priority_goes_first_and_of_equals_the_older() -> None:
    lanes = Lanes()
    lanes.want_node(("d", "low"), (0, "2026-01-01"))
    lanes.want_node(("d", "young"), (-10, "2026-01-03"))
    lanes.want_node(("d", "old"), (-10, "2026-01-02"))
    assert drained(lanes) == ["old", "young", "low"]


def test_whoever_goes_first_does_so_whatever_else_is_said_of_it() -> None:
    lanes = Lanes()
    lanes.have_news(("d", "news"))
    lanes.want_node(("d", "high"), (-1000, "2026-01-01"))
    lanes.have_news(("d", "moves"))
    lanes.go_first(("d", "moves"))
    lanes.go_first(("d", "moves-too"))
    lanes.have_news(("d", "moves-too"))
    lanes.want_node(("d", "moves-too"), (0, "2026-01-02"))
    assert len(lanes) == 4
    assert drained(lanes)[:2] == ["moves", "moves-too"]
    assert len(lanes) == 0


def test_who_came_and_went_leaves_no_trace() -> None:
    """On an operator that does not lead nobody is popped, for months."""
    lanes = Lanes()
    lanes.want_node(("d", "stays"), (0, "0"))
    for number in range(10_000):
        lanes.want_node(("d", f"vm-{number}"), (0, str(number)))
        lanes.drop(("d", f"vm-{number}"))
    assert len(lanes._by_rank) + len(lanes._by_age) < 200
    assert drained(lanes) == ["stays"]


def test_of_eight_turns_one_is_for_whoever_waits_longest() -> None:
    lanes = Lanes()
    lanes.want_node(("d", "low"), (0, "0"))
    for number in range(100):
        lanes.want_node(("d", f"high-{number}"), (-1000, "1"))
    assert "low" in [lanes.pop() for _ in range(8)][-1]  # type: ignore[operator]


def test_those_who_want_a_node_do_not_hold_up_those_with_news() -> None:
    lanes = Lanes()
    for number in range(100):
        lanes.want_node(("d", f"pending-{number}"), (0, "0"))
    lanes.have_news(("d", "ended"))
    assert ("d", "ended") in [lanes.pop() for _ in range(2)]


def test_a_workload_whose_priority_changes_stands_once_in_the_queue() -> None:
    lanes = Lanes()
    lanes.want_node(("d", "a"), (0, "0"))
    lanes.want_node(("d", "b"), (-1, "0"))
    lanes.want_node(("d", "a"), (-2, "0"))
    assert len(lanes) == 2
    assert drained(lanes) == ["a", "b"]


@given(st.lists(st.tuples(st.sampled_from(["want", "news", "drop", "pop"]), KEYS)))
def test_whoever_waits_is_given_out_exactly_once(steps: list[tuple[str, tuple[str, str]]]) -> None:
    lanes, waiting = Lanes(), set[tuple[str, str]]()
    for step, key in steps:
        match step:
            case "want":
                lanes.want_node(key, (-len(key[1]), key[1]))
                waiting.add(key)
            case "news":
                lanes.have_news(key)
                waiting.add(key)
            case "drop":
                lanes.drop(key)
                waiting.discard(key)
            case _:
                found = lanes.pop()
                assert (found is None) == (not waiting)
                waiting.discard(found)  # type: ignore[arg-type]
        assert len(lanes) == len(waiting)
    assert len(drained(lanes)) == len(waiting)


def test_a_key_counts_as_one_more_only_where_it_did_not_wait_already() -> None:
    lanes, added = Lanes(), []
    lanes.on_add = lambda: added.append(1)
    for rank in (0, 0, -10):
        lanes.want_node(("d", "a"), (rank, "0"))
    lanes.have_news(("d", "a"))
    lanes.have_news(("d", "b"))
    lanes.have_news(("d", "b"))
    lanes.want_node(("d", "b"), (0, "0"))
    assert len(added) == 2
    drained(lanes)
    lanes.have_news(("d", "a"))
    assert len(added) == 3
