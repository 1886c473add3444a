"""What is written, what is worth writing, and how often."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedune.api.nodetruth import (
    MOST_LIVE_VMS,
    MOST_ORPHANS,
    LiveVM,
    NodeTruthStatus,
    Orphan,
)
from schedune_agent.publishing import (
    Pace,
    new_truth,
    read_held,
    says_the_same,
    status_body,
    would_grow_stale,
)
from schedune_testing.fleets import capability
from schedune_testing.nodes import facts

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def held(**parts: Any) -> Any:
    metadata = {"name": "n", "resourceVersion": "7", "generation": 2}
    return read_held({"metadata": metadata, **parts})


def body(now: datetime = NOON, known: Any = None, **status: Any) -> dict[str, Any]:
    read = NodeTruthStatus.model_validate(facts("n", **status))
    return status_body("n", read, "sha256:d", known or held(), now, live=[], orphans=[], orders=[])


def test_what_is_written_is_bound_to_the_object_as_it_was_looked_at() -> None:
    assert body()["metadata"] == {"name": "n", "resourceVersion": "7"}


def test_what_a_truth_cannot_list_keeps_it_from_being_written_no_more_than_it_is_hidden() -> None:
    """The API server would refuse it whole: the node's facts would grow old."""
    vm = LiveVM(placement_uid="p", workload_uid="w", namespace="d", name="n")
    orphan = Orphan(class_="unmanaged", pid=1, start_time=1, boot_id="b")
    told = status_body(
        "n", NodeTruthStatus.model_validate(facts("n")), "sha256:d", held(), NOON,
        live=[vm] * (MOST_LIVE_VMS + 1), orphans=[orphan] * (MOST_ORPHANS + 3), orders=[],
    )["status"]  # fmt: skip
    status = NodeTruthStatus.model_validate(told)
    assert len(status.orphans) + (status.orphans_truncated or 0) == MOST_ORPHANS + 3
    assert len(told["liveVMs"]) == MOST_LIVE_VMS


def test_a_truth_of_another_node_is_told_by_its_owner() -> None:
    made = new_truth("n", "node-uid")
    made["metadata"] |= {"uid": "u", "resourceVersion": "1"}
    assert read_held(made).owner_uid == "node-uid"
    assert held().owner_uid is None


def test_what_cannot_be_read_of_the_object_does_not_stop_publishing() -> None:
    strange = held(spec={"capacity": {"vcpus": "many"}}, status={"conditions": [{"type": 1}]})
    assert strange.declared is None
    assert strange.conditions == ()


def test_when_it_was_said_and_how_long_it_took_is_no_reason_to_write() -> None:
    probe = {"name": "kvm", "outcome": "Succeeded", "durationMilliseconds": 5}
    slower = {**probe, "durationMilliseconds": 900}
    later = [capability("kvm_vm_launch", "Supported", observedTime="2026-11-24T13:00:00Z")]
    sooner = [capability("kvm_vm_launch", "Supported")]
    first = body(probes=[probe], capabilities=sooner)
    assert says_the_same(body(probes=[slower], capabilities=later), first)
    assert not says_the_same(body(capabilities=later, cpu={"architecture": "x", "cores": 1}), first)


def test_a_probe_that_fails_and_one_that_succeeds_again_are_news() -> None:
    failed = {"name": "thermal", "outcome": "TimedOut", "durationMilliseconds": 1}
    assert not says_the_same(body(probes=[failed]), body())
    assert not says_the_same(body(), body(probes=[failed]))


def test_a_condition_keeps_its_time_until_its_status_moves() -> None:
    first = body()["status"]["conditions"]
    known = held(status={"conditions": first})
    later = NOON + timedelta(hours=1)
    assert body(later, known)["status"]["conditions"] == first
    changed = body(later, known, capabilities=[])["status"]["conditions"]
    times = {one["type"]: one["lastTransitionTime"] for one in changed}
    assert times == {"KVMUsable": "2026-11-24T13:00:00Z", "AgentHealthy": "2026-11-24T12:00:00Z"}


def seen(after_s: int, lifetime_s: int | None) -> dict[str, Any]:
    moment = (NOON + timedelta(seconds=after_s)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return body(
        capabilities=[
            capability("tpm", "Supported", observedTime=moment, staleAfterSeconds=lifetime_s)
        ]
    )


@pytest.mark.parametrize(
    ("after_s", "lifetime_s", "due"), [(29, 60, False), (30, 60, True), (10_000, None, False)]
)
def test_an_answer_with_a_lifetime_is_written_again_at_half_of_it(
    after_s: int, lifetime_s: int | None, due: bool
) -> None:
    """Its time is no fact: the digest stays, and unwritten it would run out at the operator."""
    assert would_grow_stale(seen(after_s, lifetime_s), seen(0, lifetime_s)) is due


def test_a_burst_goes_through_and_then_one_write_a_gap() -> None:
    pace, times, now = Pace(10.0, 3), [], 100.0
    for _ in range(5):
        now += pace.wait_s(now)
        times.append(now)
        pace.wrote(now)
    assert times == [100.0, 100.0, 100.0, 110.0, 120.0]


@given(st.lists(st.floats(0, 50), min_size=1, max_size=40), st.integers(1, 5), st.floats(0.1, 20))
def test_no_window_ever_holds_more_than_the_burst_and_one_a_gap(
    pauses: list[float], burst: int, gap: float
) -> None:
    pace, times, now = Pace(gap, burst), [], 0.0
    for pause in pauses:
        now += pause
        now += pace.wait_s(now)
        pace.wrote(now)
        times.append(now)
    for first in range(len(times)):
        for last in range(first, len(times)):
            allowed = burst + (times[last] - times[first]) / gap
            assert last - first + 1 <= allowed + 1e-6
