"""What the commands are made of, on random fleets: held against plain re-evaluation."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from schedune.codes.row import Actor
from schedune.decision.against import everything_against
from schedune.decision.decide import Decision, any_of, decide, launchable_of
from schedune.decision.explanation import Explanation
from schedune.decision.simulate import Mover, Outcome, settle
from schedune.decision.unblocking import rank_repairs
from schedune.eligibility.finding import Finding
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import NodeRecord
from schedune_testing.fleets import SPECS, VARIED_SPECS, fleets, varied_fleets
from schedune_testing.nodes import NOW, intent


def without(decision: Decision, atom: str) -> list[Finding]:
    """Return what is found when one state of nodes is put right, and with it what follows.

    Where the same is the user's to change (too little memory even on an empty node), it stays.
    """
    return [
        one
        for one in decision.findings
        if one.follows != atom and (one.atom != atom or one.who is Actor.USER)
    ]


def freed(decision: Decision, atom: str) -> int:
    """Count the nodes that become eligible, by asking again."""
    size = len(decision.question.view)
    eligible = any_of(launchable_of(decision.question, without(decision, atom)).values(), size)
    return int((eligible & ~decision.eligible).sum())


@settings(deadline=None)
@given(varied_fleets(), st.lists(VARIED_SPECS, min_size=1, max_size=3))
def test_repairs_are_counted_as_asking_again_would(
    records: list[NodeRecord], specs: list[dict[str, Any]]
) -> None:
    fleet = Fleet.of(records)
    decisions = [decide(fleet, intent(**spec), now=NOW) for spec in specs]
    told = {one.atom: one for one in rank_repairs(Explanation(one) for one in decisions)}
    counted: Counter[str] = Counter()
    helped: Counter[str] = Counter()
    for decision in decisions:
        for atom in {one.atom for one in decision.findings if one.who is not Actor.USER}:
            pairs = freed(decision, atom)
            counted[atom] += pairs
            helped[atom] += bool(pairs) and decision.chosen is None
    assert {atom: one.pairs for atom, one in told.items()} == +counted
    assert {atom: len(one.workloads) for atom, one in told.items() if one.workloads} == +helped


@settings(deadline=None)
@given(varied_fleets(), VARIED_SPECS)
def test_a_node_is_eligible_exactly_when_some_backend_has_nothing_against_it(
    records: list[NodeRecord], spec: dict[str, Any]
) -> None:
    explanation = Explanation(decide(Fleet.of(records), intent(**spec), now=NOW))
    for row in range(len(records)):
        against = everything_against(explanation.matrix, row)
        can = not against.common and any(not causes for causes in against.backends.values())
        assert can == bool(explanation.decision.eligible[row])


@settings(deadline=None)
@given(varied_fleets(), VARIED_SPECS)
def test_every_objection_on_a_node_is_told_once(
    records: list[NodeRecord], spec: dict[str, Any]
) -> None:
    explanation = Explanation(decide(Fleet.of(records), intent(**spec), now=NOW))
    for row in range(len(records)):
        against = everything_against(explanation.matrix, row)
        causes = [*against.common, *(one for each in against.backends.values() for one in each)]
        told = [cause.atom for cause in causes]
        follow = sum(len(cause.consequences) for cause in causes)
        found = [one for one in explanation.decision.findings if one.objects[row]]
        assert len(told) + follow == len(found)


@settings(deadline=None)
@given(fleets(), st.lists(SPECS, max_size=6))
def test_nothing_that_is_settled_exceeds_what_the_nodes_have(
    records: list[NodeRecord], specs: list[dict[str, Any]]
) -> None:
    fleet = Fleet.of(records)
    movers = [
        Mover(replace(intent(**spec), name=f"vm{number}", uid=f"u{number}"))
        for number, spec in enumerate(specs)
    ]
    fates = settle(fleet, movers, now=NOW)
    assert {one.outcome for one in fates} <= {Outcome.PLACED, Outcome.WAITS}
    assert int(fleet.claims.sums["vms"].sum()) == sum(one.after != "" for one in fates)
    for name in ("vcpus", "memory"):
        assert np.all(fleet.claims.sums[name] <= np.maximum(fleet.numbers[name], 0))


@settings(deadline=None)
@given(fleets(), st.lists(SPECS, max_size=4))
def test_settling_twice_from_the_same_fleet_is_the_same(
    records: list[NodeRecord], specs: list[dict[str, Any]]
) -> None:
    movers = [Mover(replace(intent(**spec), name=f"vm{n}")) for n, spec in enumerate(specs)]
    first = settle(Fleet.of(records), movers, now=NOW)
    assert first == settle(Fleet.of(records), movers[::-1], now=NOW)
