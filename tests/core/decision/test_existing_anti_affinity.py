"""Who keeps others away keeps also those away who come later and have no rule of their own."""

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from schedune.decision.decide import decide
from schedune.decision.explanation import Explanation
from schedune.decision.placing import Placer, Placing
from schedune.decision.waiting import Waiting
from schedune.decision.why import why_lines
from schedune.explaining.fields import field_of
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import ClaimRecord
from schedune.fleet.peers import Peer, peer_of
from schedune.launch.intent import Intent
from schedune_testing.nodes import NOW, intent, node

BATCH = {"app": "batch"}
NO_BATCH: dict[str, Any] = {
    "antiAffinity": [{"topologyKey": "zone", "workloadSelector": {"matchLabels": BATCH}}]
}
QUIET = peer_of({"app": "database"}, NO_BATCH)


def a_fleet() -> Fleet:
    """Two nodes in zone a and one in zone b, and one without a zone."""
    zones = {"a1": {"zone": "a"}, "a2": {"zone": "a"}, "b1": {"zone": "b"}, "nowhere": {}}
    return Fleet.of([node(name, labels=labels) for name, labels in zones.items()])


def quiet_on(node_name: str, **other: Any) -> ClaimRecord:
    """Return what a database holds that wants no batch work beside it."""
    held = {"namespace": "default", "workload_uid": "db", "peer": QUIET} | other
    return ClaimRecord(node_name, f"on-{node_name}", 0, 0, **held)


def batch(**spec: Any) -> Intent:
    return replace(intent(**spec), uid="batch", labels=BATCH)


def refused(fleet: Fleet, wanted: Intent) -> dict[str, str]:
    explanation = Explanation(decide(fleet, wanted, now=NOW))
    return {
        fleet.nodes[row].name: f"{cause.reason.row.code}: {cause.change}"
        for row in explanation.rejected.tolist()
        for cause in explanation.causes(row)
    }


def test_every_node_of_the_place_is_refused_and_what_would_help_is_told() -> None:
    fleet = a_fleet()
    fleet.reserve(quiet_on("a1"))
    told = "REJECT_EXISTING_ANTI_AFFINITY: zone=a holds no workload that keeps this one away"
    assert refused(fleet, batch()) == {"a1": told, "a2": told}


@pytest.mark.parametrize(
    ("held", "wanted"),
    [
        (quiet_on("a1", namespace="other"), batch()),
        (quiet_on("a1", workload_uid="batch"), batch()),
        (quiet_on("a1"), intent()),
        (quiet_on("nowhere"), batch()),
        (quiet_on("a1", peer=peer_of(BATCH, {})), batch()),
    ],
    ids=["another namespace", "its own", "other labels", "no such place", "no rule"],
)
def test_nobody_is_refused_whom_the_rule_does_not_mean(held: ClaimRecord, wanted: Intent) -> None:
    fleet = a_fleet()
    fleet.reserve(held)
    assert refused(fleet, wanted) == {}


def test_who_asks_the_same_by_another_label_is_not_kept_away_by_a_shared_answer() -> None:
    fleet = a_fleet()
    for taken in ("a1", "b1"):
        fleet.reserve(quiet_on(taken))
    fleet.remove("nowhere")
    placer, other = Placer(fleet), intent()
    assert batch().demands == other.demands
    for _ in range(2):
        assert isinstance(placer.place(other, NOW), Placing)
        assert not isinstance(placer.place(batch(), NOW), Placing)
    for taken in ("a1", "b1"):
        fleet.release(f"on-{taken}")
    assert isinstance(placer.place(batch(), NOW), Placing)


def test_who_is_kept_away_waits_for_whoever_does_that() -> None:
    fleet, waiting = a_fleet(), Waiting[str]()
    fleet.remove("nowhere", "b1")
    fleet.reserve(quiet_on("a1"))
    waiting.keep("batch", fleet, batch(), NOW)
    fleet.reserve(ClaimRecord("a2", "another", 1, 2**20))
    assert waiting.woken(fleet, NOW) == set()
    fleet.release("on-a1")
    assert waiting.woken(fleet, NOW) == waiting.freed == {"batch"}


def test_who_only_asks_the_same_is_freed_though_others_are_kept_away() -> None:
    fleet, waiting = a_fleet(), Waiting[str]()
    fleet.remove("nowhere", "b1")
    for full in ("a1", "a2"):
        fleet.reserve(ClaimRecord(full, full, 8, 2**20))
    waiting.keep("batch", fleet, batch(), NOW)
    waiting.keep("other", fleet, intent(), NOW)
    fleet.reserve(quiet_on("a1"))
    fleet.release("a2")
    assert waiting.woken(fleet, NOW) == {"batch", "other"}
    assert "other" in waiting.freed


def test_those_who_are_kept_away_and_ask_the_same_wait_together() -> None:
    """Each by itself they would be too many for a large fleet."""
    fleet, waiting = a_fleet(), Waiting[int]()
    fleet.remove("nowhere", "b1")
    fleet.reserve(quiet_on("a1"))
    for number in range(20):
        waiting.keep(number, fleet, replace(batch(), uid=f"batch-{number}"), NOW)
    assert len(waiting._groups) == 1
    fleet.release("on-a1")
    assert waiting.woken(fleet, NOW) == set(range(20))


def test_a_rule_that_comes_later_is_news_for_those_whom_it_means() -> None:
    fleet, waiting = a_fleet(), Waiting[str]()
    large = {"resources": {"vcpus": 99, "memory": "1Gi"}}
    waiting.keep("batch", fleet, batch(**large), NOW)
    waiting.keep("other", fleet, intent(**large), NOW)
    fleet.reserve(quiet_on("nowhere"))
    assert waiting.woken(fleet, NOW) == {"batch"}


def test_the_order_in_which_claims_came_changes_nothing_of_what_is_told() -> None:
    hosts = peer_of({}, {"antiAffinity": [{**NO_BATCH["antiAffinity"][0], "topologyKey": "host"}]})
    nodes = [node(name, labels={"zone": "z", "host": name}) for name in "ab"]
    claims = [quiet_on("a"), quiet_on("b", peer=hosts), quiet_on("a", peer=hosts)]
    told = [
        why_lines(Explanation(decide(Fleet.of(nodes, some), batch(), now=NOW)))
        for some in permutations(claims[:2])
    ]
    assert told[0] == told[1]


def test_it_is_said_which_field_is_meant() -> None:
    assert field_of("existingAntiAffinity/zone", intent().spec) == "metadata.labels"


@pytest.mark.parametrize("unreadable", [None, [], {"antiAffinity": [{}]}, {"antiAffinity": "x"}])
def test_a_rule_that_cannot_be_read_keeps_nobody_away(unreadable: object) -> None:
    assert peer_of(BATCH, unreadable) == Peer(BATCH)
    assert peer_of(None, unreadable) == Peer()
