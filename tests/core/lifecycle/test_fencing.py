"""A VM counts as ended without its agent's word only if two sides agree that its machine is off."""

from dataclasses import replace
from datetime import UTC, datetime
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedune.codes import fencing as codes
from schedune.decision.decide import decide
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import OUT_OF_SERVICE, Taint
from schedune.lifecycle.fencing import Assertion, Sighting, judge_fence
from schedune_testing.nodes import NOW, facts, intent, node

LEASE_S = 180.0
DEAD = Sighting(
    node_name="arm-01",
    node_uid="uid-1",
    assertion=Assertion.NODE_GONE,
    asserted_ago=60,
    renewed_ago=LEASE_S + 1,
    watched=LEASE_S + 1,
    lease=LEASE_S,
    last_renewed=datetime(2026, 11, 24, 11, 56, tzinfo=UTC),
)
AGES = st.floats(0, 1000)


def code(sighting: Sighting) -> str:
    found = judge_fence(sighting)
    return found.row.code if found else ""


@pytest.mark.parametrize("assertion", list(Assertion))
def test_a_machine_said_to_be_off_and_silent_for_a_lease_is_fenced(assertion: Assertion) -> None:
    found = judge_fence(replace(DEAD, assertion=assertion))
    assert found is not None
    assert found.row is codes.NODE_FENCED
    assert "arm-01" in found.message
    assert "silent since 2026-11-24T11:56:00Z (limit 180 s)" in found.message


def test_one_that_renews_after_the_assertion_contradicts_it() -> None:
    found = judge_fence(replace(DEAD, renewed_ago=20))
    assert found is not None
    assert found.row is codes.FENCE_CONTRADICTED
    assert "the same machine renews its Lease" in found.message


def test_one_that_renewed_before_the_assertion_may_still_fall_silent() -> None:
    assert judge_fence(replace(DEAD, renewed_ago=100)) is None


def test_silence_that_nobody_listened_to_proves_nothing() -> None:
    """The API server may have been away: then no agent could renew anything."""
    assert judge_fence(replace(DEAD, watched=LEASE_S - 1)) is None
    assert judge_fence(replace(DEAD, renewed_ago=inf, watched=LEASE_S - 1)) is None


def test_a_machine_that_never_renewed_is_silent_all_the_time() -> None:
    found = judge_fence(replace(DEAD, renewed_ago=inf, last_renewed=None))
    assert found is not None
    assert "silent all the time" in found.message


def test_a_node_that_lists_the_vm_outranks_every_silence() -> None:
    found = judge_fence(replace(DEAD, listed_by=["b", "a"]))
    assert found is not None
    assert found.row is codes.FENCE_CONTRADICTED
    assert "a, b lists" in found.message


@given(asserted=AGES, renewed=AGES, watched=AGES)
def test_nothing_is_fenced_that_was_heard_within_its_lease(
    asserted: float, renewed: float, watched: float
) -> None:
    sighting = replace(DEAD, asserted_ago=asserted, renewed_ago=renewed, watched=watched)
    fenced = code(sighting) == codes.NODE_FENCED.code
    assert fenced == (renewed > LEASE_S and watched > LEASE_S)


LIVE = [{"placementUID": "p", "workloadUID": "u", "namespace": "default", "name": "vm"}]
OFF = (Taint(OUT_OF_SERVICE, "nodeshutdown", "NoExecute"),)


@pytest.mark.parametrize(
    ("taints", "heard_s_ago", "counts"),
    [((), 1000, True), (OFF, 100, True), (OFF, 1000, False), (OFF, None, False)],
)
def test_what_a_fenced_machine_last_told_of_its_vms_counts_no_more(
    taints: tuple[Taint, ...], heard_s_ago: float | None, *, counts: bool
) -> None:
    heard = None if heard_s_ago is None else NOW.fromtimestamp(NOW.timestamp() - heard_s_ago, UTC)
    told = facts("off", liveVMs=LIVE)
    off = node("off", told, age_s=1000, taints=taints, last_heard=heard)
    fleet = Fleet.of([off, node("spare")])
    decision = decide(fleet, intent(), now=NOW)
    codes_found = {one.row.code for one in decision.findings}
    assert ("REJECT_LIVE_VM" in codes_found) is counts
    assert (decision.chosen is None) is counts
