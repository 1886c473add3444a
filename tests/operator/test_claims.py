"""What a placement holds: read exactly, and everything where it cannot be read."""

from typing import Any

import pytest

from schedune.fleet.amounts import EVERYTHING
from schedune.fleet.peers import NOBODY
from schedune_operator.claims import claim_of
from schedune_testing.seen import changed, recorded_nodes, settled, world_of

CLAIM = {"vcpus": 2, "memory": "4Gi", "overheadMemory": "64Mi", "disk": "1Gi"}


def placement(claim: Any, **status: Any) -> dict[str, Any]:
    """Return a placement as the API server gives it."""
    spec = {"mode": "Execute", "nodeName": "n", "workload": {"uid": "w"}, "claim": claim}
    metadata = {"name": "vm", "namespace": "default", "uid": "p"}
    return {"metadata": metadata, "spec": spec, "status": status}


def test_a_claim_holds_the_guest_and_its_vmm() -> None:
    held = claim_of(placement(CLAIM), NOBODY)
    assert held is not None
    assert (held.vcpus, held.memory_bytes, held.disk_bytes) == (2, 4 * 2**30 + 2**26, 2**30)
    assert held.hugepage_bytes == 0


def test_huge_pages_hold_the_guest_and_ordinary_memory_the_vmm() -> None:
    held = claim_of(placement({**CLAIM, "hugepages": "2Mi"}), NOBODY)
    assert held is not None
    assert (held.memory_bytes, held.hugepage_size) == (2**26, 2**21)
    assert held.hugepage_bytes == 4 * 2**30


@pytest.mark.parametrize(
    "claim",
    [
        None,
        {},
        {**CLAIM, "vcpus": 2**40},
        {**CLAIM, "memory": "lots"},
        {**CLAIM, "disk": "999Ei"},
        {**CLAIM, "hugepages": "-2Mi"},
    ],
)
def test_a_claim_that_cannot_be_read_holds_everything(claim: Any) -> None:
    held = claim_of(placement(claim), NOBODY)
    assert held is not None
    assert held.vcpus == EVERYTHING["vcpus"]
    assert held.memory_bytes == EVERYTHING["memory_bytes"]
    assert held.disk_bytes == EVERYTHING["disk_bytes"]


def test_a_port_of_the_node_that_leads_into_the_guest_is_held() -> None:
    forward = {"name": "web", "protocol": "TCP", "nodePort": 8080, "guestPort": 80}
    cards = [
        {"name": "lan", "type": "Tap", "tap": {"bridge": "br0"}},
        {"name": "nat", "type": "User", "user": {"portForwards": [forward]}},
    ]
    whole = placement(CLAIM)
    whole["spec"]["launch"] = {"networks": cards}
    held = claim_of(whole, NOBODY)
    assert held is not None
    assert held.node_ports == {"TCP 8080"}


@pytest.mark.parametrize("networks", [None, "lots", [{"name": "lan"}], [7]])
def test_networks_that_cannot_be_read_hold_no_port_and_stop_nothing(networks: Any) -> None:
    whole = placement(CLAIM)
    whole["spec"]["launch"] = {"networks": networks}
    held = claim_of(whole, NOBODY)
    assert held is not None
    assert (held.node_ports, held.vcpus) == (frozenset(), 2)


def test_what_has_ended_and_what_is_a_dry_run_hold_nothing() -> None:
    dry = placement(CLAIM)
    dry["spec"]["mode"] = "DryRun"
    assert claim_of(dry, NOBODY) is None
    assert claim_of(placement(CLAIM, ended={"reason": "GuestPoweredOff"}), NOBODY) is None


def test_what_only_comes_back_to_us_is_not_counted_anew() -> None:
    runs, bound = settled("runs", "arm-01-1")
    found = world_of(recorded_nodes(2), [runs], placements=[bound])
    world, key = found.world, ("default", "runs")
    counted = world.fleet().version
    world.note_placement(key)
    assert world.fleet().version == counted
    runs["metadata"]["labels"] = {"app": "web"}
    changed(found, runs)
    world.note_placement(key)
    assert world.fleet().version > counted
    (claim,) = world.fleet().claims.held.values()
    assert claim.peer.labels == {"app": "web"}
