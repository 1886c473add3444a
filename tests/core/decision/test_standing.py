"""Answers that are kept choose as a whole decision does, whatever happens in between."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from schedune.api.quantity import parse_bytes
from schedune.api.scheduling_policy import DEFAULT_POLICY
from schedune.decision.decide import decide, run_checks
from schedune.decision.reservation import record_for
from schedune.decision.standing import Standings
from schedune.eligibility import STEADY
from schedune.eligibility.finding import Question
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import ClaimRecord, NodeRecord
from schedune.fleet.view import View
from schedune.scoring import SCORES
from schedune_testing.fleets import (
    PEERS,
    SPECS,
    VARIED_SPECS,
    fleets,
    labelled,
    varied_fleets,
    varied_nodes,
)
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
    intents = [labelled(intent(**spec), data) for spec in specs]
    for number, (step, node_at, intent_at) in enumerate(steps):
        if step == "place":
            choice = standings.choose(intents[intent_at], now)
            if choice is not None:
                held = {"namespace": "default", "peer": data.draw(PEERS)}
                fleet.reserve(ClaimRecord(choice.node_name, f"p{number}", 1, 2**30, **held))
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


_SELECTOR = {"matchLabels": {"app": "web"}}
_DISK = {
    "name": "data", "source": {"empty": {"size": "1Gi"}}, "format": "Raw", "access": "Ephemeral",
}  # fmt: skip
_FORWARD = {"name": "web", "protocol": "TCP", "nodePort": 8080, "guestPort": 80}
WANTS_EVERYTHING: dict[str, Any] = {
    "resources": {"vcpus": 1, "memory": "1Gi", "hugepages": "2Mi"},
    "disks": [_DISK],
    "networks": [{"name": "nat", "type": "User", "user": {"portForwards": [_FORWARD]}}],
    "placement": {
        "antiAffinity": [{"topologyKey": "zone", "workloadSelector": _SELECTOR}],
        "topologySpread": [
            {
                "topologyKey": "zone",
                "maxSkew": 1,
                "whenUnsatisfiable": "DoNotSchedule",
                "workloadSelector": _SELECTOR,
            }
        ],
    },
}


class Unasked:
    """Claims that nobody may ask for."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the claims' {name} was asked for")


@given(varied_fleets())
@settings(max_examples=60, deadline=None)
def test_what_is_not_judged_anew_after_a_claim_asks_for_no_claims(
    records: list[NodeRecord],
) -> None:
    fleet = Fleet.of(records)
    question = Question(View(fleet), intent(**WANTS_EVERYTHING), DEFAULT_POLICY, NOW)
    vars(fleet)["claims"] = Unasked()
    run_checks(question, STEADY)
    for score in SCORES:
        if not score.claimed:
            score.rate(question)


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
