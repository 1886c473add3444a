"""An agent comes back: what it makes of one record."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedune.api.vmplacement import PlacementState as S
from schedune.lifecycle.observation import Liveness, Observation, Sighting, Standing
from schedune.lifecycle.readiness import ReadinessPolicy
from schedune.lifecycle.reconcile import reconcile
from schedune.lifecycle.recovery import RecoveryEvent, recover
from schedune.lifecycle.transitions import ALLOWED, MAY_RUN, TERMINAL

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
OPEN = sorted({*S} - TERMINAL)
STATES, SIGHTINGS = st.sampled_from(OPEN), st.sampled_from(Sighting)
STANDINGS = st.builds(Standing, STATES, st.booleans(), st.booleans())


@given(STANDINGS, SIGHTINGS)
def test_recovery_moves_along_the_table_and_ends_only_what_was_being_ended(
    standing: Standing, sighting: Sighting
) -> None:
    found = recover(standing, Observation(sighting))
    assert found is not None
    assert found.state is standing.state or found.state in ALLOWED[standing.state]
    if found.state in TERMINAL:
        assert (standing.state, sighting) == (S.TERMINATING, Sighting.GONE)


@given(STANDINGS, SIGHTINGS)
def test_only_a_proof_of_death_is_told_as_death_and_only_a_proof_of_life_keeps_a_state(
    standing: Standing, sighting: Sighting
) -> None:
    found = recover(standing, Observation(sighting))
    assert found is not None
    assert (found.liveness is Liveness.DEAD) == (sighting is Sighting.GONE)
    if sighting is not Sighting.ALIVE:
        assert found.state in (S.UNKNOWN, S.TERMINATED)


@given(STANDINGS, SIGHTINGS)
def test_every_finding_can_be_followed_by_every_other_look(
    standing: Standing, sighting: Sighting
) -> None:
    """No record sticks: what recovery leaves open, a proof of death still ends."""
    found = recover(standing, Observation(sighting))
    assert found is not None
    if found.state in MAY_RUN - {S.LAUNCHING}:
        step = reconcile(
            Standing(found.state), Observation(Sighting.GONE), ReadinessPolicy(15), now=NOW
        )
        assert step.state in TERMINAL


@given(STANDINGS, SIGHTINGS)
def test_a_second_restart_that_sees_the_same_tells_nothing_new(
    standing: Standing, sighting: Sighting
) -> None:
    first = recover(standing, Observation(sighting))
    assert first is not None
    has_process, has_record = standing.has_process, standing.has_record
    held = Standing(first.state, has_process, has_record, told=first.reason.row.code)
    second = recover(held, Observation(sighting))
    if first.state in TERMINAL:
        assert second is None
    else:
        assert second is not None
        assert (second.state, second.is_news) == (first.state, False)


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_what_is_over_is_not_recovered(state: S) -> None:
    assert recover(Standing(state), Observation(Sighting.ALIVE)) is None


@pytest.mark.parametrize("state", OPEN)
def test_a_proved_process_is_adopted_in_the_state_it_was_in(state: S) -> None:
    found = recover(Standing(state), Observation(Sighting.ALIVE, detail="pid 7"))
    assert found is not None
    assert (found.state, found.liveness) == (state, Liveness.ALIVE)
    assert (found.event, found.reason.row.code) == (RecoveryEvent.REHYDRATED, "RECOVERY_CONFIRMED")
    assert "pid 7" in found.reason.message


@pytest.mark.parametrize("state", [one for one in OPEN if one is not S.TERMINATING])
@pytest.mark.parametrize(
    ("has_process", "sighting", "code"),
    [
        (True, Sighting.GONE, "ERR_RECOVERY_EXECUTION_MISSING"),
        (True, Sighting.UNSEEN, "ERR_RECOVERY_REHYDRATE_FAILED"),
        (True, Sighting.UNRESPONSIVE, "RECOVERY_UNANSWERED"),
        (True, Sighting.SEVERAL, "ERR_RECOVERY_REASSOCIATION_AMBIGUOUS"),
        (False, Sighting.UNPROVED, "ERR_RECOVERY_UNPROVED_CARRIER"),
        (False, Sighting.UNMARKED, "ERR_RECOVERY_UNMARKED_IN_GROUP"),
        (True, Sighting.FOREIGN, "ERR_RECOVERY_FOREIGN_PROCESS"),
        (False, Sighting.UNSEEN, "ERR_RECOVERY_STALE_HANDLE"),
    ],
)
def test_what_is_not_found_is_unknown_with_its_own_code(
    state: S, has_process: bool, sighting: Sighting, code: str
) -> None:
    found = recover(Standing(state, has_process), Observation(sighting))
    assert found is not None
    assert (found.state, found.event) == (S.UNKNOWN, RecoveryEvent.UNKNOWN)
    assert found.reason.row.code == code


def test_an_end_that_was_ordered_before_the_restart_is_reached() -> None:
    found = recover(Standing(S.TERMINATING), Observation(Sighting.GONE))
    assert found is not None
    assert (found.state, found.event) == (S.TERMINATED, RecoveryEvent.REHYDRATED)
    assert found.reason.row.code == "RECOVERY_TERMINATED_MISSING"


@pytest.mark.parametrize("state", [S.STARTING, S.RUNNING, S.DEGRADED, S.UNKNOWN])
def test_the_next_look_tells_how_a_vm_ended_that_nobody_watched(state: S) -> None:
    gone = Observation(Sighting.GONE)
    found = recover(Standing(state), gone)
    assert found is not None
    held = Standing(found.state, told=found.reason.row.code)
    step = reconcile(held, gone, ReadinessPolicy(15), now=NOW)
    assert step.state is S.EXITED


@pytest.mark.parametrize("state", OPEN)
def test_a_vm_whose_record_was_lost_keeps_a_state_that_can_have_one_and_no_other(state: S) -> None:
    seen = Observation(Sighting.ALIVE, detail="pid 7 carries its marker")
    found = recover(Standing(state, has_record=False), seen)
    assert found is not None
    assert found.state is (state if state in MAY_RUN else S.UNKNOWN)
    assert (found.reason.row.code, found.is_news) == ("RECOVERY_RECORD_LOST", True)
    assert "pid 7 carries its marker" in found.reason.message


@pytest.mark.parametrize("has_process", [True, False])
def test_a_process_of_a_lost_record_that_is_not_proved_is_unknown_for_that_cause(
    has_process: bool,
) -> None:
    standing = Standing(S.RUNNING, has_process, has_record=False)
    found = recover(standing, Observation(Sighting.UNSEEN))
    assert found is not None
    assert (found.state, found.reason.row.code) == (S.UNKNOWN, "RECOVERY_RECORD_LOST")


def test_a_silent_vmm_is_a_living_process_and_never_an_end() -> None:
    found = recover(Standing(S.RUNNING), Observation(Sighting.UNRESPONSIVE))
    assert found is not None
    assert (found.state, found.liveness) == (S.UNKNOWN, Liveness.ALIVE)
