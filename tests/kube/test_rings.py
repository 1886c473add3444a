"""What a bell says, and to whom it says too little."""

from hypothesis import given
from hypothesis import strategies as st

from schedune_kube.doorbell import MOST, Rings, read_rings

KEYS = st.tuples(st.sampled_from(["shop", "lab"]), st.sampled_from("abcd"))
ROUNDS = st.lists(st.lists(KEYS, min_size=1, max_size=MOST + 8), max_size=6)


def stored(rings: Rings) -> Rings:
    return read_rings({"data": rings.render()})


@given(ROUNDS, st.integers(0, 6))
def test_whoever_heard_up_to_a_round_is_told_all_later_ones_or_that_some_are_forgotten(
    rounds: list[list[tuple[str, str]]], heard: int
) -> None:
    rings, number, later = Rings(), 0, list[tuple[str, str]]()
    for at, keys in enumerate(rounds):
        rings = stored(rings.rung(keys))
        if at < heard:
            number = rings.last
        else:
            later += keys
    told = rings.after(number)
    if len(later) > MOST:
        assert told is None
    else:
        assert told is not None
        assert set(told) == set(later)


def test_a_bell_that_counts_anew_has_forgotten_what_was_rung() -> None:
    assert Rings().rung([("d", "a")]).after(5) is None


def test_a_bell_that_cannot_be_read_did_not_ring() -> None:
    far = '[[Infinity, "a", "b"]]'
    names = ('[[1, "a", ""]]', '[[1, "a", "../b"]]', '[[1, "a", "b?watch=1"]]', "[[1, 2, 3]]")
    for text in ("{", "[1]", '[["x", "a", "b"]]', "null", far, "[" * 100_000, *names):
        assert read_rings({"data": {"rings": text}}) == Rings()
    assert read_rings(None).after(0) == []
