"""Gauges of the fleet: read from the operator's world, in few words and without names."""

import re

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from schedune_operator.seen.collector import FleetCollector
from schedune_operator.seen.reading import Reading
from schedune_operator.seen.standing import WorkloadState, codes_against, workload_state
from schedune_testing.nodes import NOW
from schedune_testing.recordings import Object, truth, workload
from schedune_testing.recordings import node as a_node
from schedune_testing.seen import decided, recorded_nodes, settled, world_of


def scraped(reading: Reading) -> str:
    registry = CollectorRegistry()
    FleetCollector(reading, "schedune-operator").register(registry)
    return generate_latest(registry).decode()


def value(text: str, series: str) -> float:
    found = re.search(rf"^{re.escape(series)} (\S+)$", text, re.MULTILINE)
    assert found, f"{series} is not in\n{text}"
    return float(found[1])


def fleet() -> Reading:
    nodes = [*recorded_nodes(8), a_node("bare")]
    nodes[2]["spec"] = {"unschedulable": True}
    nodes[4]["status"]["conditions"][0]["status"] = "False"
    nodes[7]["status"]["cpu"]["architecture"] = "riscv-of-a-stranger"
    ready, bound = settled("runs", "arm-01-1")
    waits = [workload("waits", resources={"vcpus": 1, "memory": "900Gi"}),
             workload("stalls", resources={"vcpus": 900, "memory": "900Gi"})]  # fmt: skip
    found = world_of(
        nodes, [ready, *waits, workload("fresh")], placements=[bound], silent=["arm-02-2"]
    )
    decided(found, waits[0])
    decided(found, waits[1], stalled=True)
    return found


def test_nodes_are_counted_once_each_by_what_they_are_to_vms() -> None:
    text = scraped(fleet())
    counts = [float(one) for one in re.findall(r"^schedune_nodes\{.*\} (\S+)$", text, re.MULTILINE)]
    assert sum(counts) == 9
    for state, arch, count in (
        ("cordoned", "arm64", 1), ("degraded", "amd64", 1), ("eligible", "arm64", 2),
        ("unknown", "arm64", 1), ("unknown", "other", 2), ("stale", "amd64", 0),
    ):  # fmt: skip
        assert value(text, f'schedune_nodes{{arch="{arch}",state="{state}"}}') == count


def test_workloads_are_counted_by_what_they_do_and_once_under_each_code() -> None:
    text = scraped(fleet())
    for state, count in (("ready", 1), ("waiting", 1), ("stalled", 1), ("deciding", 1)):
        assert value(text, f'schedune_workloads{{state="{state}"}}') == count
    against = 'schedune_unschedulable_workloads{code="REJECT_INSUFFICIENT_%s"}'
    assert value(text, against % "MEMORY") == 2
    assert value(text, against % "VCPUS") == 1


def test_every_node_has_an_age_and_one_that_nobody_knows_is_older_than_any() -> None:
    text = scraped(fleet())
    assert value(text, 'schedune_node_truth_age_seconds_bucket{le="+Inf"}') == 9
    assert value(text, 'schedune_node_truth_age_seconds_bucket{le="86400.0"}') == 6


def test_no_name_of_a_node_a_namespace_or_a_workload_is_in_any_metric() -> None:
    text = scraped(fleet())
    for name in ("arm-01", "x86-02", "bare", "waits", "default", "riscv-of-a-stranger"):
        assert name not in text


def test_a_standby_counts_nothing_so_that_sums_over_both_stay_true() -> None:
    text = scraped(world_of(recorded_nodes(2), leading=False))
    assert value(text, 'leader_election_master_status{name="schedune-operator"}') == 0
    assert "schedune_nodes{" not in text
    assert "schedune_workloads{" not in text


def test_a_standby_sees_the_fleet_as_it_is_now_and_a_leader_as_it_last_decided() -> None:
    for leading, count in ((True, 2), (False, 3)):
        found = world_of(recorded_nodes(2), leading=leading)
        late = truth("late") | {"metadata": {"name": "late", "resourceVersion": "99"}}
        there = a_node("late")
        there["metadata"]["resourceVersion"] = "98"
        for mirror, raw in ((found.world.nodes, there), (found.world.truths, late)):
            mirror._keep(("", "late"), mirror._kept(raw))
        assert len(found.fleet()) == count


def told(reason: str, ready: str = "False", **status: object) -> Object:
    conditions = [{"type": "Ready", "status": ready, "reason": reason}]
    metadata = {"name": "vm", "namespace": "default", "generation": 3}
    held = {"conditions": conditions, "observedGeneration": 3, "reason": reason, **status}
    return {"metadata": metadata, "status": held}


@pytest.mark.parametrize(
    ("raw", "state"),
    [
        ({"metadata": {"generation": 1}}, WorkloadState.DECIDING),
        (told("NoEligibleNode", observedGeneration=2), WorkloadState.DECIDING),
        (told("NoEligibleNode"), WorkloadState.WAITING),
        (told("Running", "True", placementUID="u"), WorkloadState.READY),
        (told("Starting", placementUID="u"), WorkloadState.STARTING),
        (told("NodeSilent", "Unknown", placementUID="u"), WorkloadState.UNKNOWN),
    ],
)
def test_a_workload_is_told_of_in_one_word(raw: Object, state: WorkloadState) -> None:
    assert workload_state(raw) is state
    raw["metadata"]["deletionTimestamp"] = f"{NOW:%Y-%m-%dT%H:%M:%SZ}"
    assert workload_state(raw) is WorkloadState.ENDING


def test_a_refused_workload_counts_under_the_code_of_its_refusal() -> None:
    raw = told("FieldNotSupportedYet", evaluation={"codes": [{"code": "REJECT_MISSING_KVM"}]})
    raw["status"]["conditions"].append({"type": "Stalled", "status": "True"})
    assert list(codes_against(raw, workload_state(raw))) == ["FIELD_NOT_SUPPORTED_YET"]
