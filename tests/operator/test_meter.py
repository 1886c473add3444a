"""What the operator counts: decisions, writes, and how long a workload waited for its place."""

from typing import Any

import pytest

from schedune_kube.metrics import Target
from schedune_operator.seen.meter import Meter

KEY = ("shop", "payments")
STATUS = Target("vmworkloads", "status")


def fresh(**status: Any) -> dict[str, Any]:
    """Return a workload that was changed and not looked at yet, unless its status says so."""
    return {"metadata": {"generation": 2}, "status": {"conditions": [], **status}}


def value(meter: Meter, series: str, /, **labels: str) -> float:
    return meter.registry.get_sample_value(series, labels) or 0.0


def test_a_decision_is_counted_by_what_came_of_it() -> None:
    meter = Meter()
    with meter.evaluation() as found:
        found.placed = True
    with meter.evaluation():
        pass
    with pytest.raises(ZeroDivisionError), meter.evaluation():
        raise ZeroDivisionError
    for result in ("placed", "unschedulable", "error"):
        assert value(meter, "schedune_evaluation_attempts_total", result=result) == 1
        assert value(meter, "schedune_evaluation_duration_seconds_count", result=result) == 1


def placed_after(*steps: str) -> float:
    """Return how many waits were measured after what happened to one workload."""
    meter = Meter()
    happened = {
        "came": lambda: meter.noticed(KEY, fresh()),
        "settled": lambda: meter.noticed(
            KEY, {"metadata": {"generation": 2}, "status": {
                "observedGeneration": 2, "conditions": [{"type": "Ready", "status": "True"}],
            }},
        ),
        "went": lambda: meter.noticed(KEY, None),
        "nowhere": lambda: meter.found_nowhere(KEY),
        "placed": lambda: meter.placed(KEY),
    }  # fmt: skip
    for step in steps:
        happened[step]()
    return value(meter, "schedune_scheduling_sli_duration_seconds_count")


def test_the_wait_of_a_workload_that_some_node_can_run_is_measured() -> None:
    assert placed_after("came", "placed") == 1
    assert placed_after("came", "came", "placed", "placed") == 1


@pytest.mark.parametrize("between", ["nowhere", "settled", "went"])
def test_a_wait_that_is_not_ours_is_not_measured(between: str) -> None:
    assert placed_after("came", between, "placed") == 0
    assert placed_after("came", between, "came", "placed") == 1


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, "changed"), (409, "conflict"), (500, "error"), (403, "error"), (None, "error")],
)
def test_a_status_is_counted_by_what_came_of_writing_it(status: int | None, outcome: str) -> None:
    meter = Meter()
    meter.asked("PATCH", STATUS, status)
    meter.asked("GET", STATUS, status)
    meter.asked("PATCH", Target("vmworkloads"), status)
    meter.asked("PATCH", Target("nodetruths", "status"), status)
    assert value(meter, "schedune_status_patches_total", outcome=outcome) == 1
    truths = {"kind": "Conditions", "outcome": outcome}
    assert value(meter, "schedune_truth_writes_total", **truths) == 1


def test_what_is_still_to_be_looked_at_is_told() -> None:
    meter = Meter()
    for _ in range(20):
        meter.queued(2)
    with meter.look():
        pass
    assert value(meter, "workqueue_depth", name="workloads") == 1
    assert value(meter, "workqueue_adds_total", name="workloads") == 0, "it is long, not added to"
    assert value(meter, "workqueue_work_duration_seconds_count", name="workloads") == 1
