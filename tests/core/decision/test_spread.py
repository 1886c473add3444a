"""Spread over places: counted as Kubernetes does, among the nodes that the workload accepts."""

from dataclasses import replace
from typing import Any

import pytest

from schedune.decision.decide import decide
from schedune.decision.explanation import Explanation
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import ClaimRecord
from schedune.fleet.peers import Peer
from schedune.launch.intent import Intent
from schedune_testing.nodes import NOW, intent, node

WEB = {"app": "web"}
RULE = {
    "topologyKey": "zone",
    "maxSkew": 1,
    "whenUnsatisfiable": "DoNotSchedule",
    "workloadSelector": {"matchLabels": WEB},
}


def a_fleet(**held: int) -> Fleet:
    """One node in each of three zones, that of c for others, with so many VMs of the web."""
    fleet = Fleet.of(
        [
            node("a", labels={"zone": "a", "pool": "web"}),
            node("b", labels={"zone": "b", "pool": "web"}),
            node("c", labels={"zone": "c", "pool": "other"}),
        ]
    )
    for name, count in held.items():
        for number in range(count):
            claim = ClaimRecord(name, f"{name}{number}", 0, 0, namespace="default", peer=Peer(WEB))
            fleet.reserve(claim)
    return fleet


def wanting(labels: dict[str, str], **placement: Any) -> Intent:
    return replace(intent(placement={"topologySpread": [RULE], **placement}), labels=labels)


def skews(fleet: Fleet, wanted: Intent) -> dict[str, str]:
    """Return the change told of each node that the spread refuses."""
    explanation = Explanation(decide(fleet, wanted, now=NOW))
    return {
        fleet.nodes[row].name: cause.change
        for row in explanation.rejected.tolist()
        for cause in explanation.causes(row)
        if cause.atom.startswith("topologySpread")
    }


def test_one_more_where_there_is_one_already_is_one_too_many() -> None:
    fleet = a_fleet(a=1, c=1)
    assert skews(fleet, wanting(WEB)) == {
        "a": "maxSkew >= 2 (asked 1)",
        "c": "maxSkew >= 2 (asked 1)",
    }


@pytest.mark.parametrize(
    "pool",
    [
        {"nodeSelector": {"pool": "web"}},
        {
            "nodeAffinity": {
                "required": {
                    "nodeSelectorTerms": [
                        {"matchExpressions": [{"key": "pool", "operator": "In", "values": ["web"]}]}
                    ]
                }
            }
        },
    ],
)
def test_a_place_that_the_workload_does_not_accept_is_not_the_emptiest_one(pool: Any) -> None:
    assert skews(a_fleet(a=1, b=1), wanting(WEB, **pool)) == {}


def test_what_runs_on_a_node_that_the_workload_does_not_accept_is_not_counted() -> None:
    fleet = a_fleet(a=1)
    fleet.update(node("a2", labels={"zone": "b", "pool": "other"}))
    for number in range(3):
        held = ClaimRecord("a2", f"p{number}", 0, 0, namespace="default", peer=Peer(WEB))
        fleet.reserve(held)
    told = skews(fleet, wanting(WEB, nodeSelector={"pool": "web"}))
    assert told.keys() == {"a", "a2"}
    assert told["a"] == "maxSkew >= 2 (asked 1)"


def test_what_would_stand_in_the_way_if_other_nodes_were_accepted_is_told_with_them() -> None:
    fleet = a_fleet(a=1, b=0, c=3)
    wanted = wanting(WEB, nodeSelector={"pool": "web"})
    assert skews(fleet, wanted) == {"a": "maxSkew >= 2 (asked 1)", "c": "maxSkew >= 4 (asked 1)"}


def test_who_is_not_among_those_that_are_spread_adds_none_to_them() -> None:
    fleet = a_fleet(a=1)
    assert skews(fleet, wanting({})) == {}
    fleet.reserve(ClaimRecord("a", "one more", 0, 0, namespace="default", peer=Peer(WEB)))
    assert skews(fleet, wanting({})) == {"a": "maxSkew >= 2 (asked 1)"}


def test_of_several_skews_the_smallest_that_frees_a_node_is_told() -> None:
    fleet = a_fleet(a=5, b=2)
    fleet.update(node("c", labels={"zone": "c", "pool": "web"}, unschedulable=True))
    explanation = Explanation(decide(fleet, wanting(WEB), now=NOW))
    way = explanation.relaxations.ways[0]
    assert way.changes == ("maxSkew >= 3 (asked 1)",)
    assert [fleet.nodes[row].name for row in way.sample_rows] == ["b"]
    rule = {**RULE, "maxSkew": 3}
    wanted = replace(intent(placement={"topologySpread": [rule]}), labels=WEB)
    found = decide(fleet, wanted, now=NOW)
    assert [fleet.nodes[row].name for row in found.ranking.tolist()] == ["b"]


def test_a_vm_on_its_way_counts_where_it_is_and_where_it_goes_and_in_one_place_once() -> None:
    fleet = a_fleet(c=1)
    fleet.update(node("a2", labels={"zone": "a", "pool": "web"}))

    def counts(name: str) -> None:
        claim = ClaimRecord(
            name, name, 0, 0, namespace="default", workload_uid="moves", peer=Peer(WEB)
        )
        fleet.reserve(claim)

    counts("a")
    counts("a2")
    assert skews(fleet, wanting(WEB))["a"] == "maxSkew >= 2 (asked 1)", "not 3"
    counts("b")
    assert skews(fleet, wanting(WEB)) == {}
