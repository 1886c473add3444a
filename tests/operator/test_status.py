"""The status of a workload: written only when it says something new."""

import copy
from datetime import UTC, datetime
from typing import Any

import pytest

from schedune.api.vmplacement import VMPlacement
from schedune.api.vmworkload import VMWorkloadStatus
from schedune.codes import summary as codes
from schedune.codes.row import Reason
from schedune.lifecycle.situation import Claim, Situation
from schedune_operator.answers import refused
from schedune_operator.status import Answer, render_status, says_the_same, status_patch
from schedune_testing.manifests import placement as a_placement

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LATER = datetime(2026, 11, 24, 13, tzinfo=UTC)


def told(message: str, now: datetime = NOW, held: VMWorkloadStatus | None = None) -> dict[str, Any]:
    ready = Claim("False", codes.BACKING_OFF, message)
    answer = Answer(Situation(ready=ready, why=[message]))
    return render_status(answer, held or VMWorkloadStatus(), 3, now)


def test_a_status_that_only_grew_older_is_not_written_again() -> None:
    first = told("the next comes within 9 s")
    held = VMWorkloadStatus.model_validate(first)
    again = told("the next comes within 4 s", LATER, held)
    assert says_the_same(again, held.render())


@pytest.mark.parametrize("message", ["the node has 4Gi", "", "arm-02 is silent"])
def test_another_word_is_news(message: str) -> None:
    assert not says_the_same(told(message), told("the node has 2Gi"))


def test_every_condition_is_there_and_says_for_which_generation() -> None:
    conditions = {one["type"]: one for one in told("x")["conditions"]}
    assert set(conditions) == {
        "Ready", "Scheduled", "Validated", "Launched", "UpToDate", "Reconciling", "Stalled",
    }  # fmt: skip
    assert {one["observedGeneration"] for one in conditions.values()} == {3}
    assert conditions["Reconciling"]["status"] == "True"
    assert conditions["Stalled"]["status"] == "False"


def test_how_a_guest_is_reached_is_told_where_its_user_looks() -> None:
    status = {"addresses": ["192.0.2.1:8080", "192.0.2.7"]}
    raw = a_placement()
    raw["metadata"]["uid"] = "p"
    placement = VMPlacement.model_validate({**raw, "status": status})
    answer = Answer(Situation(), placement=placement)
    assert render_status(answer, VMWorkloadStatus(), 1, NOW)["addresses"] == status["addresses"]


def test_a_refused_workload_keeps_its_history() -> None:
    """It counts its attempts, and is the only record of what became of them."""
    once = {"attempt": 1, "nodeName": "n", "placementUID": "p"}
    held = VMWorkloadStatus.model_validate({"history": [once]})
    answer = refused((Reason(codes.BACKING_OFF, "x", "y"),), held)
    assert render_status(answer, held, 1, NOW)["history"] == held.render()["history"]


def test_a_patch_removes_what_is_no_longer_said_and_holds_at_one_version_only() -> None:
    status = told("x")
    patch = status_patch(copy.deepcopy(status), "17")
    assert patch["metadata"] == {"resourceVersion": "17"}
    assert patch["status"]["nodeName"] is None
    assert patch["status"]["placementUID"] is None
    assert patch["status"]["reason"] == "BackingOff"
