"""A VM's user: one that nobody has, the same for the same placement, and none if all are taken."""

from hypothesis import given
from hypothesis import strategies as st

from schedune.launch.vm_users import choose_user

UIDS = st.uuids().map(str)
RANGES = st.tuples(st.integers(1000, 2**31 - 1), st.integers(1, 64))
TAKEN = st.sets(st.integers(0, 63))


@given(UIDS, RANGES, TAKEN)
def test_it_is_one_of_those_set_aside_that_nobody_has_unless_all_are_taken(
    uid: str, numbers: tuple[int, int], taken: set[int]
) -> None:
    first, count = numbers
    others = {first + one for one in taken}
    chosen = choose_user(uid, first=first, count=count, taken=others)
    free = set(range(first, first + count)) - others
    assert (chosen in free) if free else (chosen is None)


@given(UIDS, RANGES, TAKEN)
def test_it_is_the_same_again_while_it_is_free(
    uid: str, numbers: tuple[int, int], taken: set[int]
) -> None:
    first, count = numbers
    others = {first + one for one in taken}
    chosen = choose_user(uid, first=first, count=count, taken=others)
    unrelated = {one for one in others if one % 2}
    again = choose_user(uid, first=first, count=count, taken=others | {-1, first + count})
    assert again == chosen
    if chosen is not None and unrelated == others:
        assert choose_user(uid, first=first, count=count, taken=unrelated) == chosen


@given(st.lists(UIDS, min_size=2, max_size=64, unique=True), st.integers(1000, 2**31 - 1))
def test_no_two_placements_have_the_same_one(uids: list[str], first: int) -> None:
    held = set[int]()
    for uid in uids:
        chosen = choose_user(uid, first=first, count=64, taken=held)
        assert chosen is not None
        held.add(chosen)
    assert len(held) == len(uids)
    if len(held) == 64:
        assert choose_user("one more", first=first, count=64, taken=held) is None


def test_a_number_that_was_just_given_back_is_not_the_next_ones_at_once() -> None:
    given_back = choose_user("one", first=64100, count=1024, taken=())
    following = [choose_user(f"next {n}", first=64100, count=1024, taken=()) for n in range(20)]
    assert given_back not in following
