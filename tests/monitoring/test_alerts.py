"""Alerts and dashboard: each alert rings for what it is about, by Prometheus' own tool."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest

from schedune_agent.seen import AgentMetrics, Vitals
from schedune_kube.metrics import RequestMetrics, new_registry
from schedune_operator.seen.collector import FleetCollector
from schedune_operator.seen.meter import Meter
from schedune_testing.prometheus import COMPONENT, promtool, queries, rules
from schedune_testing.recordings import ROOT, workload
from schedune_testing.seen import decided, recorded_nodes, world_of

LEADER = 'leader_election_master_status{name="schedune-operator",job="schedune"}'
NODES = 'schedune_nodes{state="%s",arch="amd64"}'
PATCHES = 'schedune_status_patches_total{outcome="%s"}'
WRITES = 'schedune_truth_writes_total{kind="Lease",outcome="%s"}'
REQUESTS = 'rest_client_requests_total{code="%s",job="schedune"}'
ATTEMPTS = 'schedune_evaluation_attempts_total{result="%s"}'
SLI = 'schedune_scheduling_sli_duration_seconds_bucket{le="%s"}'
FINE = {
    LEADER: "1+0x60", NODES % "eligible": "100+0x60", NODES % "stale": "1+0x60",
    NODES % "unknown": "1+0x60", NODES % "degraded": "0+0x60",
    PATCHES % "changed": "0+10x60", PATCHES % "error": "0+0x60",
    WRITES % "changed": "0+10x60", WRITES % "error": "0+0x60",
    REQUESTS % "200": "0+10x60", REQUESTS % "429": "0+0x60",
    ATTEMPTS % "placed": "0+10x60", ATTEMPTS % "error": "0+0x60",
    SLI % "0.256": "0+10x60", SLI % "+Inf": "0+10x60",
    'schedune_workloads{state="stalled"}': "0+0x60",
    'schedune_workloads{state="unknown"}': "0+0x60",
    'schedune_orphans{class="leaked"}': "0+0x60", 'schedune_orphans{class="unmanaged"}': "3+0x60",
}  # fmt: skip
"""What everything says while all is well, a minute a sample."""
RINGS: dict[str, dict[str, str]] = {
    "ScheduneOperatorDown": {LEADER: "_x60"},
    "ScheduneNoLeader": {LEADER: "0+0x60"},
    "ScheduneNoEligibleNode": {
        'schedune_unschedulable_workloads{code="REJECT_MISSING_KVM"}': "2+0x60"
    },
    "ScheduneWorkloadsStalled": {'schedune_workloads{state="stalled"}': "2+0x60"},
    "ScheduneWorkloadsUnknown": {'schedune_workloads{state="unknown"}': "1+0x60"},
    "ScheduneTruthStale": {NODES % "stale": "10+0x60"},
    "ScheduneAgentCoverage": {NODES % "unknown": "3+0x60"},
    "ScheduneNodesDegraded": {NODES % "degraded": "1+0x60"},
    "ScheduneSchedulingSlow": {SLI % "0.256": "0+0x60", SLI % "16": "0+10x60"},
    "ScheduneEvaluationsFail": {ATTEMPTS % "error": "0+1x60"},
    "ScheduneStatusNotWritten": {PATCHES % "error": "0+1x60"},
    "ScheduneHeartbeatsFail": {WRITES % "error": "0+1x60"},
    "ScheduneApiServerRefuses": {REQUESTS % "429": "0+1x60"},
    "ScheduneOrphans": {'schedune_orphans{class="leaked"}': "1+0x60"},
}
"""What makes each alert ring, beside what is fine."""


def rings(folder: Path, changed: dict[str, str]) -> list[str]:
    """Return the alerts that promtool finds ringing after half an hour."""
    groups = yaml.safe_load((COMPONENT / "rules.yaml").read_text())["spec"]
    (folder / "rules.yaml").write_text(yaml.safe_dump(groups))
    series = [{"series": name, "values": values} for name, values in (FINE | changed).items()]
    tests: Any = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "1m",
        "tests": [{
            "interval": "1m",
            "input_series": series,
            "alert_rule_test": [
                {"eval_time": "30m", "alertname": one["alert"], "exp_alerts": []} for one in rules()
            ],
        }],
    }  # fmt: skip
    (folder / "tests.yaml").write_text(yaml.safe_dump(tests))
    done = promtool("test", "rules", folder / "tests.yaml")
    told = done.stdout + done.stderr
    found = re.findall(r"alertname:\s*(\w+)", told)
    assert bool(found) == (done.returncode != 0), told
    return sorted(set(found))


@pytest.mark.parametrize("name", sorted(RINGS))
def test_an_alert_rings_for_what_it_is_about_and_no_other_does(tmp_path: Path, name: str) -> None:
    assert rings(tmp_path, RINGS[name]) == [name]


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        # Looks at which there was nothing to write are many, and no success of a write.
        ("ScheduneStatusNotWritten", {PATCHES % "noop": "0+1000x60", PATCHES % "error": "0+1x60"}),
        # Heartbeats of all agents are many, and no success of the operator.
        (
            "ScheduneApiServerRefuses",
            {
                (REQUESTS % "200").replace("schedune", "schedune-agent"): "0+1000x60",
                REQUESTS % "429": "0+1x60",
            },
        ),
    ],
)
def test_an_alert_rings_however_much_else_goes_well(
    tmp_path: Path, name: str, changed: dict[str, str]
) -> None:
    assert rings(tmp_path, changed) == [name]


def test_an_alert_about_silent_nodes_goes_on_when_nothing_is_known_of_them_any_more(
    tmp_path: Path,
) -> None:
    changed = {NODES % "stale": "10+0x18 0+0x41", NODES % "unknown": "0+0x18 10+0x41"}
    assert rings(tmp_path, changed) == ["ScheduneTruthStale"]


def test_no_alert_rings_while_all_is_well(tmp_path: Path) -> None:
    assert rings(tmp_path, {}) == []


def test_every_alert_is_tried_and_has_a_runbook() -> None:
    page = (ROOT / "docs/runbooks.md").read_text()
    chapters = re.findall(r"^## (\w+)$", page, re.MULTILINE)
    assert {one["alert"] for one in rules()} == set(RINGS) == set(chapters)
    for one in rules():
        anchor = one["annotations"]["runbook_url"].rpartition("/docs/runbooks.md#")[2]
        assert anchor == one["alert"].lower()
        assert one["labels"]["severity"] in ("warning", "critical")


def served() -> str:
    """Return everything that operator and agent serve."""
    operator, agent = Meter(new_registry()), new_registry()
    waits = workload("waits")
    found = world_of(recorded_nodes(4), [waits])
    decided(found, waits)
    FleetCollector(found, "schedune-operator").register(operator.registry)
    meter = RequestMetrics(operator.registry).meter("https://x", operator.asked)
    meter("GET", "/api/v1/nodes", 200)
    AgentMetrics(agent).follow(Vitals(180), "https://x")
    return (generate_latest(operator.registry) + generate_latest(agent)).decode()


def test_every_metric_that_is_asked_for_is_served() -> None:
    text = served()
    asked = {
        name
        for query in queries("5m").values()
        for name in re.findall(r"\b(?:schedune|workqueue|leader|rest|process)_\w+", query)
    }
    assert len(asked) > 12
    missing = [
        name
        for name in sorted(asked)
        if not re.search(rf"^# TYPE {_base(name)} ", text, re.MULTILINE)
    ]
    assert missing == []


def _base(name: str) -> str:
    return re.sub(r"_(?:bucket|count|sum)$", "", name)


def test_what_the_documentation_says_is_served_is_served_and_the_other_way_round() -> None:
    page = (ROOT / "docs/observability.md").read_text()
    told = set(re.findall(r"`((?:schedune|workqueue|leader|rest)_\w+?)(?:\{[\w,]+\})?`", page))
    types = re.findall(r"^# TYPE ((?:schedune|workqueue|leader|rest)_\w+) ", served(), re.MULTILINE)
    real = {one for one in types if not one.endswith(("_created", "_gcount", "_gsum"))}
    assert told == real
