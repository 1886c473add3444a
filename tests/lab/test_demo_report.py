"""The demo's report has the form that pipelines read, and its lab always ends."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from schedune_lab.demo.fleet_steps import rejected_nodes
from schedune_lab.demo.report import Report, StepReport
from schedune_lab.demo.session import run_demo
from schedune_lab.demo.world import DemoLab, StepError, claim, condition, wait_for
from schedune_lab.progress import LabError


def test_the_report_has_the_documented_form(tmp_path: Path) -> None:
    report = Report("v1.37.2", [StepReport("fleet", passed=True, seconds=1.26)])
    report.write(tmp_path / "deep" / "report.json")
    assert json.loads((tmp_path / "deep" / "report.json").read_text()) == {
        "kubernetes": "v1.37.2",
        "passed": True,
        "steps": [{"name": "fleet", "passed": True, "seconds": 1.3}],
        "payments": {},
        "backends": {},
        "vm": {},
    }


def test_one_failed_step_fails_the_whole_and_no_step_is_no_success() -> None:
    assert not Report().passed
    assert not Report("", [StepReport("a", passed=True), StepReport("b")]).passed


def test_a_lab_that_does_not_start_is_reported_as_failed(tmp_path: Path) -> None:
    @contextmanager
    def broken() -> Iterator[DemoLab]:
        raise LabError("no QEMU")
        yield

    assert run_demo(broken, tmp_path / "report.json") is False
    assert json.loads((tmp_path / "report.json").read_text())["passed"] is False


def test_the_causes_of_each_node_are_read_from_the_signatures() -> None:
    signatures = [
        {"codes": ["A"], "count": 2, "sampleNodes": ["n1", "n2"]},
        {"codes": ["A", "B"], "count": 1, "sampleNodes": ["n3"]},
    ]
    workload = {"status": {"evaluation": {"signatures": signatures}}}
    assert rejected_nodes(workload) == {"n1": ["A"], "n2": ["A"], "n3": ["A", "B"]}
    assert rejected_nodes(None) == {}


def test_waiting_ends_with_what_was_waited_for() -> None:
    with pytest.raises(StepError, match="the guest answers"):
        wait_for("the guest answers", lambda: None, 0)


def test_a_condition_that_is_not_set_is_empty() -> None:
    assert condition({"status": {"conditions": [{"type": "Ready"}]}}, "Fresh") == {}


def test_a_claim_that_does_not_hold_ends_the_step() -> None:
    with pytest.raises(StepError, match="two processes"):
        claim([], "two processes")
