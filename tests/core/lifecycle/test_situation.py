"""What a workload's conditions say, and since when a workload without a node waits."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from schedune.api.base import Condition
from schedune.codes import intent, summary
from schedune.lifecycle.situation import Claim, Situation, conditions_of, is_overdue

START = datetime(2026, 11, 24, 12, tzinfo=UTC)
LIMIT_S = 10
NOWHERE = Claim("False", summary.NO_ELIGIBLE_NODE, "0/5 nodes can run this VM")
NONSENSE = Claim("False", intent.INVALID_FIELD, "spec.x: nonsense")


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def unplaced(
    known: list[Condition], generation: int, seconds: float
) -> tuple[list[Condition], bool]:
    """Tell that there is no node, as the operator does it."""
    stalled = is_overdue(known, generation, LIMIT_S, now=at(seconds))
    situation = Situation(ready=NOWHERE, scheduled=NOWHERE, stalled=stalled)
    return conditions_of(situation, known, generation=generation, now=at(seconds)), stalled


def test_the_wait_begins_when_the_workload_is_first_seen() -> None:
    known, first = unplaced([], 1, 0)
    known, within = unplaced(known, 1, LIMIT_S)
    known, over = unplaced(known, 1, LIMIT_S + 1)
    _, still = unplaced(known, 1, LIMIT_S + 100)
    assert (first, within, over, still) == (False, False, True, True)


def test_a_changed_workload_that_was_stalled_gets_its_whole_deadline_again() -> None:
    known, _ = unplaced([], 1, 0)
    known, _ = unplaced(known, 1, 100)
    known, changed = unplaced(known, 2, 101)
    known, within = unplaced(known, 2, 101 + LIMIT_S)
    _, over = unplaced(known, 2, 102 + LIMIT_S)
    assert (changed, within, over) == (False, False, True)


def test_a_repaired_workload_is_not_blamed_for_the_time_it_was_invalid() -> None:
    refused = Situation(ready=NONSENSE, scheduled=NONSENSE, stalled=True)
    known = conditions_of(refused, [], generation=1, now=at(0))
    _, stalled = unplaced(known, 2, 1000)
    assert not stalled


def test_a_workload_that_lost_its_placement_waits_from_then_on() -> None:
    placed = Situation(scheduled=Claim("True", summary.PLACED), settled=True)
    known = conditions_of(placed, [], generation=1, now=at(0))
    known, lost = unplaced(known, 1, 1000)
    _, over = unplaced(known, 1, 1001 + LIMIT_S)
    assert (lost, over) == (False, True)


@given(stalled=st.booleans(), settled=st.booleans())
def test_it_is_never_both_reconciling_and_stalled(stalled: bool, settled: bool) -> None:
    situation = Situation(stalled=stalled, settled=settled)
    told = {one.type: one.status for one in conditions_of(situation, [], generation=1, now=START)}
    assert not (told["Reconciling"] == "True" and told["Stalled"] == "True")
    assert (told["Stalled"] == "True") == stalled


def test_a_transition_time_moves_with_the_status_only() -> None:
    known = conditions_of(Situation(ready=NOWHERE), [], generation=1, now=at(0))
    other = Claim("False", summary.BACKING_OFF, "another reason")
    later = conditions_of(Situation(ready=other), known, generation=2, now=at(60))
    ready = next(one for one in later if one.type == "Ready")
    assert (ready.last_transition_time, ready.observed_generation) == (at(0), 2)
    gone = conditions_of(
        Situation(ready=Claim("True", summary.RUNNING)), later, generation=2, now=at(61)
    )
    assert next(one for one in gone if one.type == "Ready").last_transition_time == at(61)
