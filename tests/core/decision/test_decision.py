"""Decisions: every code by a real decision, and what holds for every fleet."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schedune.api.quantity import parse_bytes, render_bytes
from schedune.codes.row import Stage
from schedune.codes.table import TABLE
from schedune.decision.decide import Decision, decide
from schedune.decision.explain import evaluation_of
from schedune.decision.why import why_lines
from schedune.eligibility.capacity import greatest_guest_memory
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import ClaimRecord, NodeRecord, Taint
from schedune.launch.overhead import qemu_overhead
from schedune_testing.nodes import NOW, facts, intent, node

KVM = "kvm_vm_launch"


def judge(record: NodeRecord, **spec: Any) -> list[str]:
    decision = decide(Fleet.of([record]), intent(**spec), now=NOW)
    return [cause.reason.row.code for cause in decision.causes(0)]


def kvm(state: str) -> list[dict[str, Any]]:
    code = "CAP_KVM_MISSING"
    return [
        {"name": KVM, "state": state, "reasonCode": code, "observedTime": "2026-11-24T12:00:00Z"}
    ]


def with_facts(**changes: Any) -> NodeRecord:
    return node("n", facts("n", **changes))


def with_qemu(**changes: Any) -> NodeRecord:
    (qemu,) = facts("n")["backends"]
    return with_facts(backends=[{**qemu, **changes}])


def with_kernel(**changes: Any) -> NodeRecord:
    (kernel,) = facts("n")["artifacts"]
    return with_facts(artifacts=[{**kernel, **changes}])


PIN = {"boot": {"kernel": {"artifact": "kernel", "sha256": "a" * 64}}}
VERSION = {"backend": {"preference": ["QEMU"], "versions": [{"name": "QEMU", "minimum": "8.0"}]}}
EXACT = {"backend": {"preference": ["QEMU"], "versions": [{"name": "QEMU", "exact": "7.1"}]}}
STORIES: Mapping[str, tuple[NodeRecord, dict[str, Any]]] = {
    "REJECT_NODE_UNHEALTHY": (with_facts(health={"state": "Quarantined"}), {}),
    "REJECT_NODE_HEALTH_UNKNOWN": (with_facts(health={"state": "Unknown"}), {}),
    "REJECT_NODE_NOT_READY": (node("n", node_ready=None), {}),
    "REJECT_NODE_CORDONED": (node("n", scheduling="Draining"), {}),
    "REJECT_TAINT_NOT_TOLERATED": (node("n", taints=(Taint("k", "", "NoSchedule"),)), {}),
    "REJECT_TRUTH_MISSING": (node("n", truth=None), {}),
    "REJECT_TELEMETRY_STALE": (node("n", age_s=181), {}),
    "REJECT_ARCHITECTURE_MISMATCH": (node("n"), {"architecture": "arm64"}),
    "REJECT_NODE_SELECTOR_MISMATCH": (node("n"), {"placement": {"nodeSelector": {"a": "b"}}}),
    "REJECT_MISSING_KVM": (with_facts(capabilities=kvm("Unsupported")), {}),
    "REJECT_KVM_UNAVAILABLE": (with_facts(capabilities=kvm("Unavailable")), {}),
    "REJECT_KVM_UNKNOWN": (with_facts(capabilities=[]), {}),
    "REJECT_INSUFFICIENT_VCPUS": (node("n"), {"resources": {"vcpus": 9, "memory": "1Gi"}}),
    "REJECT_INSUFFICIENT_MEMORY": (node("n"), {"resources": {"vcpus": 1, "memory": "16Gi"}}),
    "CAPACITY_UNDECLARED": (with_facts(capacity=None), {}),
    "REJECT_ARTIFACT_MISSING": (with_facts(artifacts=[]), {}),
    "REJECT_ARTIFACT_UNKNOWN": (with_facts(artifacts=[], artifactsTruncated=3), {}),
    "REJECT_ARTIFACT_KIND_MISMATCH": (with_kernel(kind="Disk"), {}),
    "REJECT_ARTIFACT_ARCHITECTURE_MISMATCH": (with_kernel(architecture="arm64"), {}),
    "REJECT_ARTIFACT_ARCHITECTURE_UNKNOWN": (with_kernel(architecture="Unknown"), {}),
    "REJECT_ARTIFACT_DIGEST_MISMATCH": (node("n"), PIN),
    "ERR_LAUNCH_MISSING_CAPABILITY_QEMU_BINARY": (with_facts(backends=[]), {}),
    "BACKEND_NOT_SUPPORTED_YET": (node("n"), {"backend": {"preference": ["Firecracker"]}}),
    "ERR_LAUNCH_ACCELERATION_UNAVAILABLE": (with_qemu(accelerations=["Emulated"]), {}),
    "ERR_LAUNCH_MACHINE_TYPE_MISSING": (with_qemu(machineTypes=[]), {}),
    "ERR_LAUNCH_DEVICE_MISSING": (with_qemu(features=[]), {}),
    "ERR_LAUNCH_RUNTIME_VERSION_UNKNOWN": (with_qemu(version=None), {}),
    "ERR_LAUNCH_RUNTIME_VERSION_TOO_OLD": (node("n"), VERSION),
    "ERR_LAUNCH_RUNTIME_VERSION_MISMATCH": (node("n"), EXACT),
}


def test_nothing_stands_against_a_healthy_node() -> None:
    assert judge(node("n")) == []


@pytest.mark.parametrize("code", STORIES)
def test_one_cause_gives_exactly_its_own_code(code: str) -> None:
    record, spec = STORIES[code]
    assert judge(record, **spec) == [code]


def test_every_code_of_a_decision_is_produced_by_one() -> None:
    judged = {
        r.code for r in TABLE.values() if r.stage in (Stage.ELIGIBILITY, Stage.LAUNCH_VALIDATION)
    }
    # Without CPU facts the artefact's architecture cannot be judged either: two causes.
    unreached = {"REJECT_ARCHITECTURE_UNKNOWN"}
    assert judged - set(STORIES) == unreached
    assert "REJECT_ARCHITECTURE_UNKNOWN" in judge(with_facts(cpu=None))


def test_a_binary_without_kvm_on_a_node_without_kvm_is_a_consequence_not_a_cause() -> None:
    (qemu,) = facts("n")["backends"]
    backends = [{**qemu, "accelerations": ["Emulated"]}]
    record = with_facts(capabilities=kvm("Unsupported"), backends=backends)
    decision = decide(Fleet.of([record]), intent(), now=NOW)
    (cause,) = decision.causes(0)
    assert cause.reason.row.code == "REJECT_MISSING_KVM"
    consequences = [one.row.code for one in cause.consequences]
    assert consequences == ["ERR_LAUNCH_ACCELERATION_UNAVAILABLE"]


MEMORIES = st.integers(0, 64).map(lambda gi: f"{gi}Gi")


@st.composite
def nodes(draw: st.DrawFn, name: str) -> NodeRecord:
    architecture = draw(st.sampled_from(["amd64", "arm64"]))
    status = facts(
        name,
        architecture,
        capacity={"vcpus": draw(st.integers(0, 16)), "memory": draw(MEMORIES), "basis": "Declared"},
        capabilities=kvm(draw(st.sampled_from(["Supported", "Unsupported", "Unknown"]))),
    )
    return node(
        name, status, age_s=draw(st.sampled_from([1, 100, 500])), unschedulable=draw(st.booleans())
    )


@st.composite
def fleets(draw: st.DrawFn) -> list[NodeRecord]:
    return [draw(nodes(f"n{index:02}")) for index in range(draw(st.integers(0, 8)))]


SPECS = st.fixed_dictionaries(
    {
        "architecture": st.sampled_from(["amd64", "arm64", "Any"]),
        "acceleration": st.sampled_from(["KVM", "Emulated"]),
        "resources": st.fixed_dictionaries(
            {"vcpus": st.integers(1, 20), "memory": st.integers(1, 70).map(lambda gi: f"{gi}Gi")}
        ),
    }
)


def bytes_of(decision: Decision) -> str:
    return json.dumps(evaluation_of(decision).render(), sort_keys=True) + "\n".join(
        why_lines(decision)
    )


@given(fleets(), SPECS, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_order_of_nodes_never_changes_a_byte(
    fleet: list[NodeRecord], spec: Any, random: Any
) -> None:
    shuffled = list(fleet)
    random.shuffle(shuffled)
    first = decide(Fleet.of(fleet), intent(**spec), now=NOW)
    assert bytes_of(first) == bytes_of(decide(Fleet.of(shuffled), intent(**spec), now=NOW))


@given(fleets(), SPECS)
@settings(max_examples=80, deadline=None)
def test_every_node_is_once_eligible_or_rejected_and_the_counts_add_up(
    fleet: list[NodeRecord], spec: Any
) -> None:
    decision = decide(Fleet.of(fleet), intent(**spec), now=NOW)
    evaluation = evaluation_of(decision)
    rejected = sum(one.count for one in evaluation.signatures)
    assert evaluation.nodes_eligible + rejected == evaluation.nodes_evaluated == len(fleet)
    for index in range(len(fleet)):
        assert bool(decision.eligible[index]) == (decision.causes(index) == ())


def plainly_eligible(record: NodeRecord, spec: Any) -> bool:
    """The oracle: the same questions, one node after the other."""
    truth = record.truth
    assert truth is not None
    assert record.last_proof is not None
    status, wanted = truth.status, intent(**spec)
    assert status.cpu is not None
    assert status.capacity is not None
    needed = wanted.memory_bytes + qemu_overhead(wanted.vcpus, wanted.acceleration)
    kvm_works = status.capabilities[0].state.value == "Supported"
    return (
        not record.unschedulable
        and (NOW - record.last_proof).total_seconds() <= record.lease_seconds
        and spec["architecture"] in ("Any", status.cpu.architecture)
        and (spec["acceleration"] == "Emulated" or kvm_works)
        and status.capacity.vcpus >= wanted.vcpus
        and parse_bytes(status.capacity.memory) >= needed
    )


@given(fleets(), SPECS)
@settings(max_examples=80, deadline=None)
def test_the_columns_agree_with_a_plain_loop(fleet: list[NodeRecord], spec: Any) -> None:
    decision = decide(Fleet.of(fleet), intent(**spec), now=NOW)
    for index, record in enumerate(decision.fleet.nodes):
        assert bool(decision.eligible[index]) == plainly_eligible(record, spec)


@given(free_mebi=st.integers(100, 4096), vcpus=st.integers(1, 8))
@settings(max_examples=60, deadline=None)
def test_the_bound_of_memory_is_exact(free_mebi: int, vcpus: int) -> None:
    capacity = {"vcpus": 8, "memory": f"{free_mebi}Mi", "basis": "Declared"}
    record = with_facts(capacity=capacity)
    wanted = intent(resources={"vcpus": vcpus, "memory": "1Ti"})
    overhead = qemu_overhead(vcpus, wanted.acceleration)
    most = greatest_guest_memory(free_mebi * 2**20, overhead)
    if most < 16 * 2**20:
        return
    told = [c.bound for c in decide(Fleet.of([record]), wanted, now=NOW).causes(0)]
    assert told == [f"memory <= {render_bytes(most)} (asked 1Ti)"]
    assert judge(record, resources={"vcpus": vcpus, "memory": str(most)}) == []
    assert judge(record, resources={"vcpus": vcpus, "memory": str(most + 2**20)}) == [
        "REJECT_INSUFFICIENT_MEMORY"
    ]


@given(claims=st.lists(st.integers(1, 4), max_size=8), vcpus=st.integers(1, 8))
@settings(max_examples=60, deadline=None)
def test_what_is_claimed_is_not_given_twice(claims: list[int], vcpus: int) -> None:
    held = [ClaimRecord("n", str(number), one, 0) for number, one in enumerate(claims)]
    wanted = intent(resources={"vcpus": vcpus, "memory": "1Gi"})
    decision = decide(Fleet.of([node("n")], held), wanted, now=NOW)
    assert (decision.chosen is not None) == (sum(claims) + vcpus <= 8)


def test_the_explanation_of_a_large_fleet_keeps_its_bounds() -> None:
    fleet = [
        replace(STORIES[code][0], name=f"n{number:04}", uid="uid-n")
        for number in range(70)
        for code in STORIES
    ]
    decision = decide(Fleet.of(fleet), intent(resources={"vcpus": 7, "memory": "15Gi"}), now=NOW)
    whole = json.dumps(evaluation_of(decision).render())
    placed = json.dumps(evaluation_of(decision, placed=True).render())
    assert len(whole) <= 32 * 1024
    assert len(placed) <= 2 * 1024
    lines = why_lines(decision)
    assert len(lines) <= 12
    assert all(len(line) <= 118 and line.isascii() and "\t" not in line for line in lines)
