"""What is shared among those who ask the same is what each would have been told alone."""

from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from schedune.decision.decide import decide
from schedune.decision.explanation import Explanation
from schedune.decision.placing import Nowhere, Placer, Placing, placing_of
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import ClaimRecord, NodeRecord
from schedune_testing.fleets import PEERS, VARIED_SPECS, labelled, varied_fleets, varied_nodes
from schedune_testing.nodes import NOW, facts, intent, node

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["place", "place", "release", "change", "age", "remove"]),
        st.integers(0, 5),
        st.integers(0, 2),
    ),
    max_size=12,
)


def alone(fleet: Fleet, wanted: Any, now: Any) -> Placing | None:
    explanation = Explanation(decide(fleet, wanted, now=now))
    return None if explanation.decision.chosen is None else placing_of(explanation)


@given(varied_fleets(), st.lists(VARIED_SPECS, min_size=3, max_size=3), STEPS, st.data())
@settings(max_examples=60, deadline=None)
def test_a_choice_with_a_shared_explanation_is_the_choice_made_alone(
    records: list[NodeRecord], specs: list[Any], steps: list[tuple[str, int, int]], data: Any
) -> None:
    fleet = Fleet.of(records)
    placer, now = Placer(fleet), NOW
    intents = [labelled(intent(**spec), data) for spec in specs]
    for number, (step, node_at, intent_at) in enumerate(steps):
        if step == "age":
            now += timedelta(seconds=1)
        elif step == "place":
            found = placer.place(intents[intent_at], now)
            if isinstance(found, Placing):
                held = {"namespace": "default", "peer": data.draw(PEERS)}
                fleet.reserve(ClaimRecord(found.node.name, f"p{number}", 1, 2**30, **held))
        else:
            change_fleet(fleet, step, node_at, data)
        for wanted in intents:
            compare(placer.place(wanted, now), alone(fleet, wanted, now))


def change_fleet(fleet: Fleet, step: str, node_at: int, data: Any) -> None:
    match step:
        case "release":
            fleet.release(f"p{node_at}")
        case "change":
            fleet.update(data.draw(varied_nodes(f"n{node_at:02}")))
        case _:
            fleet.remove(f"n{node_at:02}")


def compare(told: Placing | Nowhere, whole: Placing | None) -> None:
    assert isinstance(told, Nowhere) == (whole is None)
    if isinstance(told, Nowhere) or whole is None:
        return
    for name in ("node", "backend", "score", "claim", "record"):
        assert getattr(told, name) == getattr(whole, name), name
    for name in ("candidates", "nodes_eligible", "nodes_evaluated", "truth_digest", "signatures"):
        assert getattr(told.evaluation, name) == getattr(whole.evaluation, name), name
    codes = [[one.code for one in each.evaluation.codes] for each in (told, whole)]
    assert codes[0] == codes[1]


def test_a_node_that_fills_up_is_told_of_to_the_next_who_asks() -> None:
    small = {"capacity": {"vcpus": 2, "memory": "64Gi", "basis": "Declared"}}
    fleet = Fleet.of([node("a"), node("b", facts("b", **small))])
    placer = Placer(fleet)
    first = placer.place(intent(), NOW)
    assert isinstance(first, Placing)
    assert first.evaluation.nodes_eligible == 2
    fleet.reserve(ClaimRecord("b", "p", 2, 2**30))
    second = placer.place(intent(), NOW)
    assert isinstance(second, Placing)
    assert second.evaluation.nodes_eligible == 1
    assert [one.sample_nodes for one in second.evaluation.codes] == [["b"]]
    assert [one.code for one in second.evaluation.codes] == ["REJECT_INSUFFICIENT_VCPUS"]


def test_who_asks_the_same_in_vain_is_told_the_same_for_a_moment_and_anew_after_that() -> None:
    fleet = Fleet.of([node("a")])
    placer, huge = Placer(fleet), intent(resources={"vcpus": 100, "memory": "1Gi"})
    first = placer.place(huge, NOW)
    fleet.reserve(ClaimRecord("a", "p", 3, 2**30))
    shared = placer.place(huge, NOW + timedelta(seconds=1))
    assert shared is first
    assert isinstance(shared, Nowhere)
    assert shared.version != fleet.version
    fresh = placer.place(huge, NOW + timedelta(seconds=3))
    assert isinstance(fresh, Nowhere)
    assert fresh.version == fleet.version
    assert fresh.evaluation.nearest[0].objections[0].observed == "5 of 8"
