"""The break-glass: an administrator's word ends a VM only where its agent cannot speak for it."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from schedune.api.vmplacement import VMPlacement
from schedune.codes import fencing as codes
from schedune.lifecycle.release import ANNOTATION, Release, judge_release, read_release
from schedune_testing.manifests import placement as a_placement

NOW = datetime(2026, 11, 26, 5, 0, tzinfo=UTC)
UID = "0f4ff7f8-0f5a-4f0e-9d8a-1c1f5f3f0a11"
MADE = Release(
    placementUID=UID, asserted_by="Ada", because="no power since 11:40", user="ada@x", time=NOW
)


def placement(
    annotations: dict[str, str] | None = None, uid: str = UID, **status: Any
) -> VMPlacement:
    raw = a_placement()
    raw["metadata"] |= {"uid": uid, "annotations": annotations or {}}
    return VMPlacement.model_validate({**raw, "status": status})


def asserted(release: Release = MADE, **changes: Any) -> dict[str, str]:
    return {
        ANNOTATION: json.dumps({**json.loads(release.model_dump_json(by_alias=True)), **changes})
    }


def test_what_was_asserted_is_read_back() -> None:
    assert read_release(placement(asserted())) == MADE


@pytest.mark.parametrize(
    "annotations",
    [
        {},
        {ANNOTATION: ""},
        {ANNOTATION: "yes"},
        {ANNOTATION: "[]"},
        asserted(assertedBy=""),
        asserted(because=""),
        asserted(time="soon"),
        asserted(placementUID="another"),
    ],
)
def test_what_is_no_assertion_about_this_placement_asserts_nothing(
    annotations: dict[str, str],
) -> None:
    assert read_release(placement(annotations)) is None


def test_an_assertion_ends_with_the_placement_that_it_is_about() -> None:
    assert read_release(placement(asserted(), uid="the-next-one")) is None


@pytest.mark.parametrize("state", ["Pending", "Preparing", "Starting", "Running", "Terminating"])
def test_an_agent_that_answers_and_is_at_work_outranks_whoever_asserts(state: str) -> None:
    told = judge_release(MADE, placement(state=state), is_heard=True, listed_by=())
    assert told.row is codes.RELEASE_CONTRADICTED
    assert f"answers and says {state}" in told.message


def test_an_agent_that_has_not_begun_may_begin_any_moment() -> None:
    told = judge_release(MADE, placement(), is_heard=True, listed_by=())
    assert told.row is codes.RELEASE_CONTRADICTED


def test_an_agent_that_says_that_it_does_not_know_does_not_contradict() -> None:
    told = judge_release(MADE, placement(state="Unknown"), is_heard=True, listed_by=())
    assert told.row is codes.VM_RELEASED


def test_where_the_agent_is_silent_the_assertion_holds_and_says_who_and_why() -> None:
    told = judge_release(MADE, placement(state="Running"), is_heard=False, listed_by=())
    assert told.row is codes.VM_RELEASED
    assert told.observed == "Ada (as ada@x) asserted at 2026-11-26T05:00:00Z that it is off"
    assert told.required == "no power since 11:40"


@pytest.mark.parametrize("is_heard", [True, False])
def test_another_node_that_runs_it_outranks_whoever_asserts(*, is_heard: bool) -> None:
    told = judge_release(MADE, placement(state="Unknown"), is_heard=is_heard, listed_by=["b"])
    assert told.row is codes.RELEASE_CONTRADICTED
    assert "b lists a VM of this workload" in told.message


def test_words_of_people_cannot_draw_on_a_terminal() -> None:
    loud = MADE.model_copy(update={"asserted_by": "A\x1b[2J", "because": "a\nb"})
    told = judge_release(loud, placement(), is_heard=False, listed_by=())
    assert "\x1b" not in told.message
    assert "\n" not in told.message
