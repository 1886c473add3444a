"""A node on which a workload has just failed is left out for a while, then liked less."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedune.api.scheduling_policy import DEFAULT_POLICY, SchedulingPolicy
from schedune.api.vmworkload import Backend
from schedune.codes import execution as codes
from schedune.codes.row import Row
from schedune.decision.decide import Decision, decide
from schedune.fleet.fleet import Fleet
from schedune_testing.nodes import NOW, facts, node
from schedune_testing.stories import Story

BACK_OFF_S = DEFAULT_POLICY.failure_back_off_seconds
DECAY_S = DEFAULT_POLICY.failure_decay_seconds


def attempt(number: int, row: Row, ago_s: int, name: str = "n") -> Mapping[str, Any]:
    ended = (NOW - timedelta(seconds=ago_s)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "attempt": number,
        "code": row.code,
        "endTime": ended,
        "nodeName": name,
        "placementUID": f"p{number}",
    }


def judge(*history: Mapping[str, Any], nodes: tuple[str, ...] = ("n",)) -> Decision:
    story = Story(node("n"), status={"history": list(history)})
    fleet = Fleet.of([node(name) for name in nodes])
    return decide(fleet, story.intent(), now=NOW)


@pytest.mark.parametrize(
    "row", [codes.LEDGER_FULL, codes.SPAWN_FAILED, codes.EXITED_EARLY, codes.READY_TIMEOUT]
)
def test_a_failure_before_the_guest_leaves_the_node_out(row: Row) -> None:
    assert judge(attempt(1, row, 0)).chosen is None


def of_generation(number: int, generation: int, ago_s: int = 0) -> Mapping[str, Any]:
    return {**attempt(number, codes.READY_TIMEOUT, ago_s), "generation": generation}


def test_a_mended_spec_is_tried_at_once_and_its_own_failures_are_counted_anew() -> None:
    def asks(generation: int, *history: Mapping[str, Any]) -> bool:
        story = Story(node("n"), status={"history": list(history)})
        wanted = replace(story.intent(), generation=generation)
        return decide(Fleet.of([node("n")]), wanted, now=NOW).chosen is not None

    before = [of_generation(number, 1) for number in range(1, 9)]
    assert not asks(1, *before)
    assert asks(2, *before)
    assert not asks(2, *before, of_generation(9, 2, BACK_OFF_S - 1))
    assert asks(2, *before, of_generation(9, 2, BACK_OFF_S))


def test_another_node_is_chosen_at_once() -> None:
    decision = judge(attempt(1, codes.SPAWN_FAILED, 0), nodes=("n", "other"))
    assert decision.chosen is not None
    assert decision.node(decision.chosen).name == "other"


@given(st.integers(1, 8))
def test_failures_in_a_row_leave_it_out_twice_as_long_each(failures: int) -> None:
    wait = BACK_OFF_S * 2 ** (failures - 1)
    before = [attempt(n, codes.LEDGER_FULL, wait - 1) for n in range(1, failures + 1)]
    after = [attempt(n, codes.LEDGER_FULL, wait) for n in range(1, failures + 1)]
    assert judge(*before).chosen is None
    assert judge(*after).chosen == 0


def test_a_vm_that_ran_starts_the_count_anew() -> None:
    history = [attempt(1, codes.SPAWN_FAILED, 1), attempt(2, codes.STOPPED_BY_GUEST, 0)]
    assert judge(*history).chosen == 0


def test_after_its_back_off_a_failure_counts_in_the_score_until_it_has_decayed() -> None:
    def liked(ago_s: int) -> int:
        decision = judge(attempt(1, codes.SPAWN_FAILED, ago_s))
        part = next(one for one in decision.parts if one.name == "RecentFailures")
        return int(part.values[0])

    assert liked(BACK_OFF_S) < liked(DECAY_S // 2) < liked(DECAY_S) == 100


CH, QEMU = Backend.CLOUD_HYPERVISOR, Backend.QEMU
BOTH = SchedulingPolicy(backends=[CH, QEMU])
LONG_AGO_S = 10 * BACK_OFF_S


def judge_both(*history: Mapping[str, Any]) -> Decision:
    """Judge a node that has both of the backends that the intent would take, in this order."""
    held = facts("n")
    other = {**held["backends"][0], "name": "CloudHypervisor", "version": "53.0.0"}
    both = node("n", {**held, "backends": [*held["backends"], other]})
    story = Story(both, status={"history": list(history)})
    return decide(Fleet.of([both]), story.intent(), now=NOW, policy=BOTH)


def failure(backend: Backend, row: Row, ago_s: int, **told: Any) -> Mapping[str, Any]:
    known = {"truthDigest": "sha256:n", "generation": 1}
    return {**attempt(1, row, ago_s), "backend": backend.value, **known, **told}


def test_a_backend_that_failed_is_followed_by_the_next_one_on_the_same_node_at_once() -> None:
    assert judge_both().backend_on(0) is CH
    decision = judge_both(failure(CH, codes.SPAWN_FAILED, 0))
    assert decision.chosen == 0
    assert decision.backend_on(0) is QEMU


def test_what_no_backend_can_help_leaves_the_whole_node_out() -> None:
    assert judge_both(failure(CH, codes.LEDGER_FULL, 0)).chosen is None


def test_a_backend_that_failed_is_tried_no_second_time_while_another_can_run_the_vm() -> None:
    assert judge_both(failure(CH, codes.SPAWN_FAILED, LONG_AGO_S)).backend_on(0) is QEMU


@pytest.mark.parametrize("change", [{"truthDigest": "sha256:before"}, {"generation": 0}])
def test_a_change_of_the_node_or_of_the_workload_is_a_cause_to_try_it_again(
    change: Mapping[str, Any],
) -> None:
    assert judge_both(failure(CH, codes.SPAWN_FAILED, LONG_AGO_S, **change)).backend_on(0) is CH


def test_when_all_failed_the_one_whose_back_off_is_over_is_tried_again() -> None:
    both = [failure(CH, codes.SPAWN_FAILED, LONG_AGO_S), failure(QEMU, codes.EXITED_EARLY, 0)]
    assert judge_both(*both).backend_on(0) is CH
    assert judge_both(both[1], failure(CH, codes.SPAWN_FAILED, 0)).chosen is None


def test_a_backend_that_only_waits_is_what_is_told_of_and_not_one_that_is_missing() -> None:
    story = Story(node("n"), status={"history": [failure(QEMU, codes.SPAWN_FAILED, 0)]})
    assert story.codes() == ["REJECT_RECENT_FAILURE"]
