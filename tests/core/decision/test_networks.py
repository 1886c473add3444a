"""Where a VM goes by its networks: to its bridge, and to where its ports of the node are free."""

from dataclasses import replace
from typing import Any

import pytest

from schedune.decision.decide import Decision, decide
from schedune.decision.explanation import Explanation
from schedune.decision.reservation import record_for
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import ClaimRecord, NodeRecord
from schedune.launch.traits import TUN
from schedune_testing.fleets import capability
from schedune_testing.nodes import NOW, facts, intent, node

TAP: dict[str, Any] = {"name": "lan", "type": "Tap", "tap": {"bridge": "br0"}}


def host(name: str, *bridges: str) -> NodeRecord:
    capabilities = [*facts(name)["capabilities"], capability(TUN, "Supported")]
    networks = [{"name": one} for one in bridges]
    return node(name, facts(name, capabilities=capabilities, networks=networks))


def forward(port: int, protocol: str = "TCP") -> dict[str, Any]:
    one = {"name": "web", "protocol": protocol, "nodePort": port, "guestPort": 80}
    return {"name": "nat", "type": "User", "user": {"portForwards": [one]}}


def place(fleet: Fleet, network: dict[str, Any]) -> Decision:
    return decide(fleet, intent(networks=[network]), now=NOW)


def where(fleet: Fleet, network: dict[str, Any]) -> str:
    decision = place(fleet, network)
    return "" if decision.chosen is None else decision.node(decision.chosen).name


def why_not(fleet: Fleet, network: dict[str, Any]) -> set[str]:
    found = Explanation(place(fleet, network))
    rows = found.rejected.tolist()
    return {one.reason.row.code for row in rows for one in found.causes(row)}


def claim(name: str, *ports: str, uid: str = "p") -> ClaimRecord:
    return ClaimRecord(name, uid, 1, 1, node_ports=frozenset(ports))


def test_a_tap_goes_where_its_bridge_is() -> None:
    fleet = Fleet.of([host("a"), host("b", "br1"), host("c", "br0")])
    assert where(fleet, TAP) == "c"
    assert why_not(fleet, TAP) == {"REJECT_BRIDGE_MISSING"}
    assert where(Fleet.of([host("a", "br1")]), TAP) == ""


def test_a_node_of_which_nobody_knows_whether_it_makes_taps_gets_none() -> None:
    fleet = Fleet.of([node("a", facts("a", networks=[{"name": "br0"}]))])
    assert where(fleet, TAP) == ""
    assert why_not(fleet, TAP) == {"REJECT_CAPABILITY_UNKNOWN"}


def test_bridges_that_nobody_could_list_are_not_told_as_missing() -> None:
    status = host("a", "br0").truth.status.render()  # type: ignore[union-attr]
    outcome = {"name": "networks", "outcome": "TimedOut", "durationMilliseconds": 2000}
    blind = node("a", {**status, "networks": [], "probes": [outcome]})
    assert why_not(Fleet.of([blind]), TAP) == {"REJECT_PROBE_FAILED"}


def test_two_vms_that_want_one_port_go_to_two_nodes_and_a_third_is_told_why_it_waits() -> None:
    fleet = Fleet.of([host("a"), host("b")])
    for number in (1, 2):
        decision = place(fleet, forward(8080))
        assert decision.chosen is not None
        fleet.reserve(record_for(decision, decision.chosen, f"p{number}"))
    assert {one.node_name for one in fleet.claims.held.values()} == {"a", "b"}
    assert where(fleet, forward(8080)) == ""
    assert why_not(fleet, forward(8080)) == {"REJECT_NODE_PORT_TAKEN"}
    assert where(fleet, forward(8081))
    assert where(fleet, forward(8080, "UDP"))
    fleet.release("p1")
    assert where(fleet, forward(8080))


@pytest.mark.parametrize("times", [1, 2])
def test_a_port_is_free_again_once_everyone_who_claims_it_is_gone(times: int) -> None:
    fleet = Fleet.of([host("a")])
    for number in range(times):
        fleet.reserve(claim("a", "TCP 8080", uid=f"p{number}"))
        fleet.reserve(claim("a", "TCP 8080", uid=f"p{number}"))
    for number in range(times):
        assert where(fleet, forward(8080)) == ""
        fleet.release(f"p{number}")
        fleet.release(f"p{number}")
    assert where(fleet, forward(8080)) == "a"


def test_a_port_stays_taken_when_other_nodes_come_and_go() -> None:
    fleet = Fleet.of([host("b")], [claim("b", "TCP 8080")])
    fleet.update(host("a"))
    assert where(fleet, forward(8080)) == "a"
    fleet.remove("a")
    assert where(fleet, forward(8080)) == ""
    fleet.update(replace(host("b"), labels={"changed": "yes"}))
    assert where(fleet, forward(8080)) == ""
