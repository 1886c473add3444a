"""One reconcile step: every state with everything that can be seen."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedune.api.vmplacement import PlacementState as S
from schedune.codes import execution
from schedune.lifecycle.observation import (
    Liveness,
    Observation,
    ReadinessState,
    Sighting,
    Standing,
)
from schedune.lifecycle.readiness import ReadinessPolicy
from schedune.lifecycle.reconcile import Reconciled, reconcile
from schedune.lifecycle.transitions import ALLOWED, TERMINAL

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
POLICY = ReadinessPolicy(timeout_seconds=15)
WATCHED = (S.STARTING, S.RUNNING, S.DEGRADED, S.TERMINATING, S.UNKNOWN)
READY = Observation(Sighting.ALIVE, is_ready=True)
ALIVE = Observation(Sighting.ALIVE)
GONE = Observation(Sighting.GONE)
UNSEEN = Observation(Sighting.UNSEEN, detail="EACCES")
STANDINGS = st.builds(
    Standing,
    state=st.sampled_from(S),
    has_process=st.booleans(),
    was_ready=st.booleans(),
    started_at=st.none() | st.integers(0, 60).map(lambda s: NOW - timedelta(seconds=s)),
)
OBSERVATIONS = st.builds(
    Observation,
    sighting=st.sampled_from(Sighting),
    is_ready=st.booleans(),
    vmm_error=st.sampled_from(["", "an I/O error"]),
    missed_answers=st.integers(0, 5),
    exit_code=st.none() | st.integers(0, 255),
    exit_cause=st.sampled_from([None, execution.STOPPED_BY_GUEST, execution.GUEST_PANICKED]),
)


def step(standing: Standing, observation: Observation) -> Reconciled:
    return reconcile(standing, observation, POLICY, now=NOW)


def told(found: Reconciled) -> str | None:
    return found.reason.row.code if found.reason else None


def after(standing: Standing, found: Reconciled) -> Standing:
    """Write a step into the record, as the agent does."""
    return replace(
        standing,
        state=found.state,
        told=told(found) or standing.told,
        started_at=NOW if found.restarts_clock else standing.started_at,
    )


@given(STANDINGS, OBSERVATIONS)
def test_no_step_makes_a_move_that_the_table_lacks(
    standing: Standing, observation: Observation
) -> None:
    found = step(standing, observation)
    if found.reason is None:
        assert found.state is standing.state
    else:
        assert found.state in ALLOWED[standing.state]


@given(STANDINGS, OBSERVATIONS)
def test_only_positive_evidence_of_death_ends_a_vm(
    standing: Standing, observation: Observation
) -> None:
    found = step(standing, observation)
    if found.state in TERMINAL and found.reason is not None:
        assert observation.sighting is Sighting.GONE or found.ends_process
    if found.ends_process:
        assert told(found) == "ERR_READY_TIMEOUT"
        assert observation.sighting is Sighting.ALIVE
    assert (found.liveness is Liveness.DEAD) <= (observation.sighting is Sighting.GONE)


@given(STANDINGS, OBSERVATIONS)
def test_the_same_observation_a_second_time_moves_nothing(
    standing: Standing, observation: Observation
) -> None:
    """Only a VM that comes back in trouble needs one more look, to be Degraded."""
    first = after(standing, step(standing, observation))
    settled = after(first, step(first, observation))
    assert step(settled, observation).reason is None
    if settled.state is not S.DEGRADED:
        assert settled == first


@given(STANDINGS, OBSERVATIONS)
def test_no_record_sticks_once_its_vm_is_proved_gone(
    standing: Standing, observation: Observation
) -> None:
    found = after(standing, step(standing, observation))
    if standing.state in WATCHED:
        assert step(found, GONE).state in TERMINAL


@given(st.sampled_from([S.STARTING, S.RUNNING, S.DEGRADED, S.UNKNOWN]), OBSERVATIONS)
def test_a_vm_that_is_ready_again_runs_again_whatever_was_seen_before(
    state: S, observation: Observation
) -> None:
    found = after(Standing(state), step(Standing(state), observation))
    if found.state not in TERMINAL:
        assert step(found, READY).state is S.RUNNING


@pytest.mark.parametrize("state", WATCHED)
def test_silence_is_unknown_never_gone(state: S) -> None:
    found = step(Standing(state), UNSEEN)
    assert (found.state, found.liveness) == (S.UNKNOWN, Liveness.UNKNOWN)
    assert told(found) == "ERR_RECONCILE_STATUS_UNREADABLE"
    assert found.reason is not None
    assert "EACCES" in found.reason.message


@pytest.mark.parametrize("state", WATCHED)
def test_a_record_without_a_process_is_unknown_until_something_is_proved(state: S) -> None:
    lost = Standing(state, has_process=False)
    found = step(lost, UNSEEN)
    assert (found.state, told(found)) == (S.UNKNOWN, "ERR_RECONCILE_PROCESS_MISSING")
    assert step(after(lost, found), GONE).state is S.EXITED


@pytest.mark.parametrize("state", WATCHED)
@pytest.mark.parametrize(
    ("sighting", "code"),
    [
        (Sighting.SEVERAL, "ERR_RECOVERY_REASSOCIATION_AMBIGUOUS"),
        (Sighting.UNPROVED, "ERR_RECOVERY_UNPROVED_CARRIER"),
        (Sighting.UNMARKED, "ERR_RECOVERY_UNMARKED_IN_GROUP"),
        (Sighting.FOREIGN, "ERR_RECOVERY_FOREIGN_PROCESS"),
    ],
)
def test_of_processes_of_which_none_is_proved_none_is_taken(
    state: S, sighting: Sighting, code: str
) -> None:
    found = step(Standing(state), Observation(sighting, detail="pids 7 and 8"))
    assert (found.state, told(found)) == (S.UNKNOWN, code)


@pytest.mark.parametrize("state", [one for one in S if one not in WATCHED])
def test_states_without_a_vm_to_look_at_stay_as_they_are(state: S) -> None:
    assert step(Standing(state), GONE) == step(Standing(state), READY) == Reconciled(state)


def test_unknown_tells_a_new_cause_and_an_old_one_only_once() -> None:
    unknown = Standing(S.UNKNOWN, told="ERR_RECOVERY_EXECUTION_MISSING")
    first = step(unknown, UNSEEN)
    assert (first.state, told(first)) == (S.UNKNOWN, "ERR_RECONCILE_STATUS_UNREADABLE")
    assert step(after(unknown, first), UNSEEN).reason is None


def test_a_start_that_ends_early_has_failed_and_one_that_was_powered_down_has_exited() -> None:
    crashed = step(Standing(S.STARTING), replace(GONE, exit_code=1, detail="no such machine"))
    assert (crashed.state, crashed.readiness) == (S.FAILED, ReadinessState.FAILED)
    assert crashed.reason is not None
    assert crashed.reason.message.endswith("exit code 1; no such machine")
    ended = step(Standing(S.STARTING), replace(GONE, exit_cause=execution.STOPPED_BY_GUEST))
    assert (ended.state, told(ended)) == (S.EXITED, "GUEST_POWERED_OFF")


@pytest.mark.parametrize("state", [S.RUNNING, S.DEGRADED, S.UNKNOWN])
def test_how_a_vm_ended_is_told_where_somebody_saw_it(state: S) -> None:
    assert told(step(Standing(state), GONE)) == "ERR_EXEC_RUNTIME_CRASHED"
    seen = replace(GONE, exit_cause=execution.GUEST_PANICKED)
    assert told(step(Standing(state), seen)) == "GUEST_PANICKED"


def test_an_ordered_end_is_reached_only_when_the_process_is_gone() -> None:
    ending = Standing(S.TERMINATING)
    assert step(ending, READY).reason is None
    assert step(ending, ALIVE).reason is None
    found = step(ending, GONE)
    assert (found.state, found.readiness) == (S.TERMINATED, ReadinessState.NOT_READY)


@pytest.mark.parametrize(("age_s", "state"), [(15, S.STARTING), (16, S.FAILED)])
def test_a_start_is_late_after_the_timeout_and_its_process_is_ended_first(
    age_s: int, state: S
) -> None:
    found = step(Standing(S.STARTING, started_at=NOW - timedelta(seconds=age_s)), ALIVE)
    assert (found.state, found.ends_process) == (state, state is S.FAILED)


def test_a_start_without_a_sign_of_its_kernel_is_told_as_a_stalled_boot() -> None:
    late = Standing(S.STARTING, started_at=NOW - timedelta(seconds=16))
    found = step(late, Observation(Sighting.ALIVE, is_stalled=True, detail="nothing came"))
    assert (found.state, told(found), found.ends_process) == (S.FAILED, "ERR_BOOT_STALLED", True)
    early = Standing(S.STARTING, started_at=NOW - timedelta(seconds=15))
    assert step(early, Observation(Sighting.ALIVE, is_stalled=True)).state is S.STARTING


def test_ready_counts_before_late() -> None:
    late = Standing(S.STARTING, started_at=NOW - timedelta(hours=1))
    assert step(late, READY).state is S.RUNNING


def test_trouble_degrades_what_was_ready_and_goes_when_the_vm_answers_again() -> None:
    faulty = step(Standing(S.RUNNING), replace(READY, vmm_error="an I/O error"))
    assert (faulty.state, told(faulty)) == (S.DEGRADED, "ERR_READY_PROBE_FAILED")
    silent = step(Standing(S.RUNNING), replace(ALIVE, missed_answers=3))
    assert (silent.state, told(silent)) == (S.DEGRADED, "GUEST_SILENT")
    assert step(Standing(S.RUNNING), replace(ALIVE, missed_answers=2)).reason is None
    degraded = Standing(S.DEGRADED)
    assert step(degraded, replace(READY, vmm_error="an I/O error")).reason is None
    assert step(degraded, READY).state is S.RUNNING


def test_a_vm_found_alive_but_not_ready_is_starting_again() -> None:
    found = step(Standing(S.UNKNOWN), ALIVE)
    assert (found.state, told(found)) == (S.STARTING, "VMM_STARTED")


def test_a_vm_found_again_has_its_whole_time_to_become_ready() -> None:
    unknown = Standing(S.UNKNOWN, started_at=NOW - timedelta(hours=1))
    found = after(unknown, step(unknown, ALIVE))
    assert found.started_at == NOW
    assert step(found, ALIVE).reason is None


@pytest.mark.parametrize("state", [S.STARTING, S.UNKNOWN])
def test_a_vm_that_was_ready_comes_back_as_running_and_is_never_ended_for_being_late(
    state: S,
) -> None:
    held = Standing(state, started_at=NOW - timedelta(hours=1), was_ready=True)
    found = step(held, ALIVE)
    assert (found.state, told(found), found.readiness) == (S.RUNNING, "VMM_STARTED", None)
    silent = step(after(held, found), replace(ALIVE, missed_answers=3))
    assert silent.state is S.DEGRADED
