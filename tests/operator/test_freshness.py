"""When a node was last heard of: by our own monotonic clock, whatever other clocks say."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedune_kube.times import render_micro_time, render_time
from schedune_operator.freshness import Heartbeat, observe, vouch
from schedune_operator.leases import Lease, read_leases

SERVER = datetime(2026, 11, 24, 12, tzinfo=UTC)
"""What the API server's clock says when our monotonic clock says 0."""


def at(seconds: float) -> datetime:
    return SERVER + timedelta(seconds=seconds)


def lease(
    version: int, written: float | None = 0.0, node_clock: float = 0.0,
    digest: str = "sha256:d", **spec: Any,
) -> Lease:  # fmt: skip
    """Return a Lease that the server stamped then, on a node whose clock is ahead."""
    stamps = []
    if written is not None:
        stamps = [{"manager": "schedune-agent", "time": render_time(at(written))}]
    renewed = render_micro_time(at((written or 0.0) + node_clock))
    raw = {
        "metadata": {
            "name": "n",
            "resourceVersion": str(version),
            "annotations": {"schedune.io/truth-digest": digest},
            "managedFields": stamps,
        },
        "spec": {"leaseDurationSeconds": 180, "renewTime": renewed, **spec},
    }
    return msgspec.convert(raw, Lease)


def seen_of(beats: dict[str, Heartbeat]) -> float:
    return beats["n"].seen


def test_a_lease_that_changed_before_our_eyes_counts_from_when_we_saw_it() -> None:
    first = observe({}, [lease(1)], 0.0, at(0))
    same = observe(first, [lease(1)], 60.0, at(60))
    assert seen_of(same) == 0.0
    assert seen_of(observe(same, [lease(2, 65)], 70.0, at(70))) == 70.0


def test_after_a_restart_the_servers_stamp_stands_in() -> None:
    """An age of 100 s is one, though our monotonic clock has only begun."""
    assert seen_of(observe({}, [lease(1, written=-100)], 5.0, at(0))) == -95.0


@pytest.mark.parametrize("unknown", ["stamp", "server clock"])
def test_a_lease_whose_age_nobody_tells_is_not_taken_for_young(unknown: str) -> None:
    written = None if unknown == "stamp" else 0.0
    beats = observe({}, [lease(1, written)], 5.0, None if unknown == "server clock" else at(5))
    assert not vouch(beats["n"], "sha256:d", None, 5.0).is_fresh


def test_a_stamp_from_the_future_makes_a_lease_young_not_younger_than_now() -> None:
    assert seen_of(observe({}, [lease(1, written=50)], 5.0, at(5))) == 5.0


@given(st.floats(-1e6, 1e6))
def test_a_nodes_clock_changes_no_age(ahead: float) -> None:
    before = observe({}, [lease(1, node_clock=ahead)], 0.0, at(0))
    after = observe(before, [lease(2, 30, node_clock=-ahead)], 40.0, at(40))
    assert seen_of(before) == 0.0
    assert seen_of(after) == 40.0


@given(
    st.lists(
        st.tuples(st.floats(0, 300), st.booleans(), st.floats(-1e5, 1e5)), min_size=1, max_size=20
    )
)
def test_an_age_grows_by_the_monotonic_clock_alone_and_ends_only_with_a_change(
    looks: list[tuple[float, bool, float]],
) -> None:
    """The server's clock, set to anything before each look, matters for the first look only."""
    now, version = 0.0, 1
    beats = observe({}, [lease(version)], now, at(0))
    changed_at = now
    for pause, beat, server_set in looks:
        now += pause
        if beat:
            version += 1
            changed_at = now
        beats = observe(beats, [lease(version, now + server_set)], now, at(now + server_set))
        assert seen_of(beats) == changed_at
        told = vouch(beats["n"], "sha256:d", None, now)
        assert told.is_fresh == (now - changed_at <= 180)
        assert told.is_silent == (not told.is_fresh)


def test_a_lease_that_is_gone_vouches_for_nothing() -> None:
    beats = observe({}, [lease(1)], 0.0, at(0))
    assert observe(beats, [], 1.0, at(1)) == {}
    told = vouch(None, "sha256:d", None, 1.0)
    assert told.is_silent
    assert not told.is_fresh


@pytest.mark.parametrize(("ahead", "told"), [(3600, 3600), (-3600, -3600), (1.5, 0), (-1.5, 0)])
def test_a_nodes_skew_is_measured_at_a_write_that_both_have_dated(ahead: float, told: int) -> None:
    (beat,) = observe({}, [lease(1, node_clock=ahead + 0.5)], 0.0, at(0)).values()
    assert beat.ahead_s == told


def test_a_node_does_not_vouch_for_itself_for_ever() -> None:
    beats = observe({}, [lease(1, leaseDurationSeconds=10**9)], 0.0, at(0))
    assert not vouch(beats["n"], "sha256:d", None, 901.0).is_fresh


def test_of_a_list_is_read_what_counts_and_what_is_none_is_said() -> None:
    found = read_leases(
        b"""{"metadata": {"resourceVersion": "9"}, "items": [
            {"metadata": {"name": "bare", "resourceVersion": "7"}, "spec": {}},
            {"metadata": {"name": "n", "resourceVersion": "8", "managedFields": [
                {"manager": "schedune-agent", "time": "2026-11-24T12:00:00Z", "fieldsV1": {}},
                {"manager": "kubectl", "time": "2026-11-24T13:00:00Z"},
                {"manager": "schedune-agent", "time": "2026-11-24T12:00:09Z"}]}}]}"""
    )
    assert found.version == 9
    bare, other = found.items or []
    assert (bare.digest, bare.machine, bare.duration_s, bare.renewed()) == ("", "", 180, None)
    assert bare.written() is None
    assert other.written() == at(9)
    with pytest.raises(ValueError, match="resourceVersion"):
        read_leases(b'{"metadata": {}}')


# --- what a heartbeat vouches for ------------------------------------------------------


def beat(digest: str = "sha256:d", written: float = 0.0, seen: float = 0.0) -> Heartbeat:
    return Heartbeat(1, seen, digest, 180, at(written), 0)


def test_a_heartbeat_that_vouches_for_other_facts_proves_nothing_but_life() -> None:
    told = vouch(beat("sha256:other", written=10), "sha256:d", (at(0), 0.0), 20.0)
    assert not told.is_fresh
    assert not told.is_silent


def test_facts_that_were_just_written_count_until_the_next_heartbeat_speaks() -> None:
    """The Lease is renewed after the facts are written, and looked at later still."""
    assert vouch(beat("sha256:before", written=0), "sha256:d", (at(10), 10.0), 20.0).is_fresh
    assert not vouch(beat("sha256:before", written=11), "sha256:d", (at(10), 10.0), 20.0).is_fresh


def test_facts_without_a_digest_are_never_fresh() -> None:
    assert not vouch(beat(""), None, (at(0), 0.0), 1.0).is_fresh
    assert not vouch(beat(""), "", (at(0), 0.0), 1.0).is_fresh


def test_a_heartbeat_may_be_seen_before_the_facts_that_it_vouches_for() -> None:
    """Leases are polled and truths are watched; the former facts stand for these seconds."""
    first = observe({}, [lease(1)], 0.0, at(0))
    other = lease(2, 60, digest="sha256:new")
    (now_new,) = observe(first, [other], 60.0, at(60)).values()
    assert vouch(now_new, "sha256:d", (at(-500), -500.0), 65.0).is_fresh
    assert vouch(now_new, "sha256:d", (at(-500), -500.0), 65.0).proved == 0.0
    assert vouch(now_new, "sha256:d", None, 65.0).is_unsettled
    settled = vouch(now_new, "sha256:d", (at(-500), -500.0), 71.0)
    assert not settled.is_fresh
    assert not settled.is_unsettled
    assert vouch(now_new, "sha256:new", None, 71.0).is_fresh


def test_a_heartbeat_that_vouches_for_nothing_counts_at_once() -> None:
    first = observe({}, [lease(1)], 0.0, at(0))
    other = lease(2, 60, digest="")
    (now_none,) = observe(first, [other], 60.0, at(60)).values()
    told = vouch(now_none, "sha256:d", (at(0), 0.0), 60.0)
    assert not told.is_fresh
    assert not told.is_silent


def test_who_renewed_a_lease_is_remembered_over_a_change_of_machines() -> None:
    first = observe({}, [lease(1, holderIdentity="old")], 0.0, at(0))
    second = observe(first, [lease(2, 60, holderIdentity="new")], 60.0, at(60))
    third = observe(second, [lease(3, 90, holderIdentity="new")], 90.0, at(90))
    beat = third["n"]
    assert (beat.heard_from("new"), beat.heard_from("old")) == (90.0, 0.0)
    assert beat.heard_from("another") == float("-inf")
    assert beat.heard_from("") == 90.0, "a machine that nobody knows may be any"


@pytest.mark.parametrize("year", ["0000", "10000"])
def test_a_renewal_in_a_year_that_no_clock_shows_ends_no_look_at_all_the_others(year: str) -> None:
    """Whoever may write one Lease must not stop every operator with it."""
    odd = lease(1, renewTime=f"{year}-01-01T00:00:00.000000Z")
    (beat,) = observe({}, [odd], 5.0, at(5)).values()
    assert beat.ahead_s == 0
    assert beat.seen == 0.0, "the server's own stamp is whole"
