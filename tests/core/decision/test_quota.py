"""What the VMs of a namespace may claim together: one answer on every node, and never stale."""

from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schedune.decision.decide import decide
from schedune.decision.explanation import Explanation
from schedune.decision.reservation import record_for
from schedune.decision.sentence import headline
from schedune.decision.standing import Standings
from schedune.decision.waiting import Waiting
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import ClaimRecord
from schedune.fleet.quota import Quota, read_quota
from schedune_testing.nodes import NOW, intent, node

GIBI = 2**30


def a_fleet(vcpus: int | None = None, memory_bytes: int | None = None) -> Fleet:
    """Two healthy nodes, and a limit on the namespace that the workloads are in."""
    fleet = Fleet.of([node("a"), node("b")])
    fleet.quotas = {"default": Quota(vcpus, memory_bytes)}
    return fleet


def claim(uid: str, vcpus: int, guest: int, namespace: str = "default") -> ClaimRecord:
    return ClaimRecord("a", uid, vcpus, 0, guest_bytes=guest, namespace=namespace)


def codes(fleet: Fleet) -> dict[str, str]:
    """Return every code against a VM of 2 vCPUs and 4Gi, with what would have to change."""
    explanation = Explanation(decide(fleet, intent(), now=NOW))
    return {
        cause.reason.row.code: cause.change
        for row in explanation.rejected.tolist()
        for cause in explanation.causes(row)
    }


@pytest.mark.parametrize(
    ("annotations", "quota"),
    [
        ({}, None),
        ({"other": "1"}, None),
        ({"schedune.io/max-vcpus": "16"}, Quota(vcpus=16)),
        ({"schedune.io/max-memory": "64Gi"}, Quota(memory_bytes=64 * GIBI)),
        ({"schedune.io/max-vcpus": "0", "schedune.io/max-memory": "0"}, Quota(0, 0)),
        ({"schedune.io/max-vcpus": "-1"}, Quota(unreadable="schedune.io/max-vcpus: '-1'")),
        ({"schedune.io/max-vcpus": "²"}, Quota(unreadable="schedune.io/max-vcpus: '²'")),
        ({"schedune.io/max-memory": ""}, Quota(unreadable="schedune.io/max-memory: ''")),
    ],
)
def test_a_quota_is_read_from_annotations(annotations: dict[str, str], quota: Quota | None) -> None:
    assert read_quota(annotations) == quota


def test_what_fits_exactly_is_placed_and_one_more_is_not() -> None:
    fleet = a_fleet(vcpus=4, memory_bytes=8 * GIBI)
    fleet.reserve(claim("p", 2, 4 * GIBI))
    assert codes(fleet) == {}
    fleet.reserve(claim("q", 1, 0))
    assert codes(fleet) == {"REJECT_NAMESPACE_QUOTA_VCPUS": "vcpus <= 1 (asked 2)"}


def test_a_full_namespace_is_told_what_would_have_to_be_raised_and_to_what() -> None:
    fleet = a_fleet(memory_bytes=4 * GIBI)
    fleet.reserve(claim("p", 2, 4 * GIBI))
    assert codes(fleet) == {
        "REJECT_NAMESPACE_QUOTA_MEMORY": "schedune.io/max-memory of the namespace >= 8Gi (is 4Gi)"
    }
    told = headline(Explanation(decide(fleet, intent(), now=NOW)))
    assert told == "0/2 nodes can run this VM: 2 NamespaceQuotaMemory"


def test_only_claims_of_the_namespace_count_and_a_claim_that_is_given_back_does_not() -> None:
    fleet = a_fleet(vcpus=2)
    fleet.reserve(claim("theirs", 5, 0, namespace="other"))
    fleet.reserve(claim("ours", 1, 0))
    assert set(codes(fleet)) == {"REJECT_NAMESPACE_QUOTA_VCPUS"}
    fleet.release("ours")
    assert codes(fleet) == {}


def test_a_claim_on_a_node_that_is_gone_counts_all_the_same() -> None:
    fleet = a_fleet(vcpus=2)
    fleet.reserve(ClaimRecord("gone", "p", 1, 0, namespace="default"))
    assert set(codes(fleet)) == {"REJECT_NAMESPACE_QUOTA_VCPUS"}


@settings(deadline=None)
@given(limit=st.integers(0, 12), wanted=st.integers(1, 10))
def test_a_batch_never_passes_the_limit_whoever_chooses(limit: int, wanted: int) -> None:
    """Answers that are kept per demand are no older than the last claim."""
    fleet = a_fleet(vcpus=limit)
    standings, placed = Standings(fleet), 0
    for number in range(wanted):
        choice = standings.choose(intent(), NOW)
        decision = decide(fleet, intent(), now=NOW)
        assert (choice is None) == (decision.chosen is None)
        if choice is not None and decision.chosen is not None:
            assert choice.row == decision.chosen
            fleet.reserve(record_for(decision, decision.chosen, f"p{number}"))
            placed += 1
    assert placed == min(wanted, limit // 2, 6), "two nodes hold six such VMs"
    assert fleet.claims.of_namespace("default")[0] <= limit


def woken(waiting: "Waiting[str]", fleet: Fleet, now: datetime = NOW) -> set[str]:
    return waiting.woken(fleet, now)


def test_who_waits_for_a_quota_is_woken_when_it_is_raised_or_given_back() -> None:
    fleet, waiting = a_fleet(vcpus=2), Waiting[str]()
    fleet.reserve(claim("p", 1, 0))
    waiting.keep("vm", fleet, intent(), NOW)
    assert woken(waiting, fleet) == set()
    fleet.quotas = {"default": Quota(vcpus=4)}
    assert woken(waiting, fleet) == {"vm"}
    fleet.quotas = {"default": Quota(vcpus=2)}
    waiting.keep("vm", fleet, intent(), NOW)
    fleet.release("p")
    assert woken(waiting, fleet) == {"vm"}
