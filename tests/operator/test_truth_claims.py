"""What Fresh and Ready say of a node, from how far its facts are vouched for."""

from math import inf
from typing import Any

import pytest

from schedune.lifecycle.situation import Claim
from schedune_operator.freshness import Vouching
from schedune_operator.truths import claims_of
from schedune_testing.nodes import facts, node

NOW = 10_000.0


def said(proof_age: float, beat_age: float | None = None, **changes: Any) -> dict[str, Claim]:
    record = node("n", changes.pop("status", None), age_s=min(proof_age, 1e6), **changes)
    heard = proof_age if beat_age is None else beat_age
    vouching = Vouching(NOW, NOW - proof_age, NOW - heard, 180)
    assert record.truth is not None
    return claims_of(record, record.truth, vouching, 900)


def brief(claims: dict[str, Claim]) -> list[tuple[str, str, str]]:
    return [(kind, one.status, one.row.code) for kind, one in claims.items()]


def test_a_node_that_is_heard_is_fresh_and_usable() -> None:
    assert brief(said(179)) == [("Fresh", "True", "TRUTH_FRESH"), ("Ready", "True", "NODE_USABLE")]


def test_a_silent_node_is_not_fresh_and_says_since_when() -> None:
    claims = said(181)
    assert brief(claims) == [
        ("Fresh", "False", "REJECT_TELEMETRY_STALE"),
        ("Ready", "Unknown", "REJECT_TELEMETRY_STALE"),
    ]
    assert claims["Fresh"].message == "no heartbeat since 2026-11-24T11:56:59Z (limit 180 s)"


def test_after_a_quarter_of_an_hour_nothing_is_known_any_more() -> None:
    assert brief(said(900))[0] == ("Fresh", "False", "REJECT_TELEMETRY_STALE")
    claims = said(901)
    assert brief(claims)[0] == ("Fresh", "Unknown", "TRUTH_EXPIRED")
    assert claims["Fresh"].message.endswith("since 2026-11-24T11:44:59Z (limit 900 s)")


def test_of_a_node_that_was_never_heard_nothing_is_known() -> None:
    claims = said(inf)
    assert brief(claims)[0] == ("Fresh", "Unknown", "TRUTH_EXPIRED")
    assert "at any time" in claims["Fresh"].message


@pytest.mark.parametrize("proof_age", [200.0, 5000.0, inf])
def test_a_node_that_lives_but_vouches_for_other_facts_is_not_fresh(proof_age: float) -> None:
    claims = said(proof_age, beat_age=5.0)
    assert brief(claims)[0] == ("Fresh", "False", "REJECT_TELEMETRY_STALE")
    assert "does not vouch for these facts" in claims["Fresh"].message


def test_a_truth_about_another_node_of_the_name_is_no_truth_about_this_one() -> None:
    claims = said(1.0, uid="the-new-one")
    assert brief(claims)[0] == ("Fresh", "False", "REJECT_TRUTH_MISSING")
    assert "about the Node with UID uid-n" in claims["Fresh"].message


def test_a_fresh_node_that_is_not_well_is_not_ready() -> None:
    sick = facts("n", health={"state": "Degraded"})
    assert brief(said(1.0, status=sick))[1] == ("Ready", "False", "REJECT_NODE_UNHEALTHY")


def test_of_a_node_whose_agent_has_only_begun_nothing_is_known_yet() -> None:
    claims = said(inf, status={})
    assert brief(claims)[0] == ("Fresh", "Unknown", "REJECT_TRUTH_MISSING")
    assert "no facts yet" in claims["Fresh"].message
