"""Nodes that are alike share what is held of them; what none of them says any more is let go."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schedune.fleet import profile
from schedune.fleet.fleet import Fleet
from schedune.fleet.profile import Interner
from schedune_testing.nodes import facts, node


def inventory(size: int) -> list[dict[str, Any]]:
    disk = {"kind": "Disk", "format": "Raw", "architecture": "amd64"}
    return [{**disk, "name": "growing.raw", "sizeBytes": 10**9 + size}]


def test_a_fleet_does_not_hold_every_inventory_that_a_node_ever_published() -> None:
    fleet = Fleet(())
    for size in range(3 * profile._MOST_YOUNG):
        fleet.update(node("node-1", facts("node-1", artifacts=inventory(size))))
    assert len(fleet._same) <= 2 * profile._MOST_YOUNG
    (held,) = fleet.nodes[0].facts.artifacts if fleet.nodes[0].facts else ()
    assert held.size_bytes == 10**9 + size


def test_what_is_asked_for_again_and_again_stays_shared() -> None:
    same, shared = Interner(), tuple("alike")
    assert same(shared) is shared
    for number in range(5 * profile._MOST_YOUNG):
        same(("unlike", number))
        if number % 500 == 0:
            assert same(tuple("alike")) is shared
    assert len(same) <= 2 * profile._MOST_YOUNG


@given(st.lists(st.one_of(st.none(), st.text(max_size=1), st.tuples(st.integers(0, 3)))))
def test_whatever_is_shared_equals_what_was_given(values: list[Any]) -> None:
    same = Interner()
    assert [same(one) for one in values] == values
