"""What is held for a VM that has another claim still: once both count, no more than the larger."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedune.decision.reservation import beside
from schedune.fleet.claims import AMOUNTS
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import ClaimRecord
from schedune.fleet.peers import Peer
from schedune_testing.nodes import facts, node

PAGE = 2 * 2**20
SIZES = {"root": 5, "data": 7, "logs": 11}
"""Persistent disks that node a lists of the VM, and their bytes."""


def a_fleet() -> Fleet:
    disks = [
        {
            "namespace": "default",
            "namespaceUID": "ns",
            "workload": "vm",
            "disk": name,
            "sizeBytes": size,
        }
        for name, size in SIZES.items()
    ]
    return Fleet.of([node("a", facts("a", persistentDisks=disks)), node("b")])


@st.composite
def claims(draw: st.DrawFn, uid: str, nodes: str = "ab") -> ClaimRecord:
    amounts = st.integers(0, 20)
    disks = draw(st.frozensets(st.sampled_from(sorted(SIZES))))
    guest, paged = draw(amounts), draw(st.booleans())
    return ClaimRecord(
        node_name=draw(st.sampled_from(nodes)),
        placement_uid=uid,
        vcpus=draw(amounts),
        memory_bytes=draw(amounts),
        disk_bytes=draw(amounts) + sum(SIZES[name] for name in disks),
        hugepage_size=PAGE if paged else 0,
        hugepage_bytes=guest if paged else 0,
        guest_bytes=guest,
        namespace="default",
        namespace_uid="ns",
        workload="vm",
        workload_uid="u",
        persistent_disks=disks,
        peer=Peer({"app": "web"}),
    )


def taken(fleet: Fleet, *held: ClaimRecord) -> dict[str, int]:
    """Return what is taken of node a and of the quota while these claims count."""
    for claim in held:
        fleet.reserve(claim)
    found = {name: int(fleet.claims.sums[name][0]) for name in AMOUNTS}
    found["disk"] += int(fleet.kept[0])
    found["pages"] = int(fleet.claims.used_pages(PAGE)[0])
    found["quota vcpus"], found["quota memory"] = fleet.claims.of_namespace("default")
    for claim in held:
        fleet.release(claim.placement_uid)
    return found


@given(own=claims("own", nodes="a"), claim=claims("hold", nodes="a"))
def test_where_a_vm_stays_on_its_node_the_larger_of_its_two_claims_is_taken(
    own: ClaimRecord, claim: ClaimRecord
) -> None:
    fleet = a_fleet()
    before, after = taken(fleet, own), taken(fleet, claim)
    both = taken(fleet, own, beside(fleet, own, claim))
    assert both == {name: max(before[name], after[name]) for name in before}


@given(own=claims("own", nodes="b"), claim=claims("hold", nodes="a"))
def test_where_a_vm_comes_from_another_node_its_claim_is_taken_whole_and_its_quota_once(
    own: ClaimRecord, claim: ClaimRecord
) -> None:
    fleet = a_fleet()
    before, after = taken(fleet, own), taken(fleet, claim)
    both = taken(fleet, own, beside(fleet, own, claim))
    once = {name: max(before[name], after[name]) for name in ("quota vcpus", "quota memory")}
    assert both == after | once


@pytest.mark.parametrize(("at", "labels"), [("a", {}), ("b", {"app": "web"})])
def test_a_vm_counts_once_on_each_node_for_those_who_keep_away_from_it(
    at: str, labels: dict[str, str]
) -> None:
    common: dict[str, Any] = {"vcpus": 1, "memory_bytes": 1, "peer": Peer({"app": "web"})}
    own, claim = ClaimRecord("a", "own", **common), ClaimRecord(at, "hold", **common)
    assert beside(a_fleet(), own, claim).peer.labels == labels
