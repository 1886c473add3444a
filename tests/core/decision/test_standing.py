"""Answers that are kept choose as a whole decision does, whatever happens in between."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from schedune.api.quantity import parse_bytes
from schedune.decision.decide import decide
from schedune.decision.reservation import record_for
from schedune.decision.standing import Standings
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import ClaimRecord, NodeRecord
from schedune_testing.fleets import SPECS, VARIED_SPECS, fleets, varied_fleets, varied_nodes
from schedune_testing.nodes import NOW, intent

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["place", "release", "change", "age", "add", "remove"]),
        st.integers(0, 5),
        st.integers(0, 2),
    ),
    max_size=12,
)


def change_fleet(fleet: Fleet, step: str, node_at: int, data: Any) -> None:
    match step:
        case "release":
            fleet.release(f"p{node_at}")
        case "change":
            fleet.update(data.draw(varied_nodes(f"n{node_at:02}")))
        case "add":
            fleet.update(data.draw(varied_nodes(f"m{node_at:02}")))
        case _:
            fleet.remove(f"n{node_at:02}")


@given(varied_fleets(), st.lists(VARIED_SPECS, min_size=3, max_size=3), STEPS, st.data())
@settings(max_examples=60, deadline=None)
def test_kept_answers_are_those_of_a_fresh_decision(
    records: list[NodeRecord], specs: list[Any], steps: list[tuple[str, int, int]], data: Any
) -> None:
    fleet = Fleet.of(records)
    standings, now = Standings(fleet), NOW
    intents = [intent(**spec) for spec in specs]
    for number, (step, node_at, intent_at) in enumerate(steps):
        if step == "place":
            choice = standings.choose(intents[intent_at], now)
            if choice is not None:
                fleet.reserve(ClaimRecord(choice.node_name, f"p{number}", 1, 2**30))
        elif step == "age":
            now += timedelta(seconds=50)
        else:
            change_fleet(fleet, step, node_at, data)
        for wanted in intents:
            choice = standings.choose(wanted, now)
            decision = decide(fleet, wanted, now=now)
            row = decision.chosen
            assert (choice.row if choice else None) == row
            if choice is not None and row is not None:
                assert choice.backend is decision.backend_on(row)
                assert choice.score == decision.scores[row]


@given(fleets(), st.lists(SPECS, min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_a_reservation_never_exceeds_what_a_node_has(
    records: list[NodeRecord], specs: list[Any]
) -> None:
    fleet = Fleet.of(records)
    for number, spec in enumerate(specs):
        decision = decide(fleet, intent(**spec), now=NOW)
        if decision.chosen is not None:
            fleet.reserve(record_for(decision, decision.chosen, f"p{number}"))
    offered = {record.name: record.truth.status.capacity for record in records if record.truth}
    for row, profile in enumerate(fleet.nodes):
        capacity = offered[profile.name]
        assert capacity is not None
        assert fleet.claims.sums["vcpus"][row] <= capacity.vcpus
        assert fleet.claims.sums["memory"][row] <= parse_bytes(capacity.memory)


@given(varied_fleets(), VARIED_SPECS)
@settings(max_examples=40, deadline=None)
def test_a_changed_node_is_as_if_the_fleet_were_built_with_it(
    records: list[NodeRecord], spec: Any
) -> None:
    kept = Fleet.of(records)
    decide(kept, intent(**spec), now=NOW)
    changed = [replace(record, unschedulable=not record.unschedulable) for record in records]
    for record in changed:
        kept.update(record)
    fresh = Fleet.of(changed)
    first, second = (decide(fleet, intent(**spec), now=NOW) for fleet in (kept, fresh))
    assert (first.eligible == second.eligible).all()
    assert (first.scores == second.scores).all()
    assert kept.content_digest() == fresh.content_digest()
