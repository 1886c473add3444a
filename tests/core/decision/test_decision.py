"""What holds for every decision: counts, order, bounds, and agreement with a plain loop."""

import json
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schedune.api.quantity import parse_bytes, render_bytes
from schedune.decision.decide import Decision, OutdatedError, decide
from schedune.decision.evaluation import evaluation_of
from schedune.decision.explanation import Explanation
from schedune.decision.why import why_lines
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import ClaimRecord, NodeRecord, Taint
from schedune.launch.overhead import vmm_overhead
from schedune_testing.fleets import KVM, SPECS, capability, fleets
from schedune_testing.nodes import NOW, facts, intent, node
from schedune_testing.stories import Story, codes_against, with_facts


def bytes_of(decision: Decision) -> str:
    explanation = Explanation(decision)
    rendered = json.dumps(evaluation_of(explanation).render(), sort_keys=True)
    return rendered + "\n".join(why_lines(explanation))


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
    explanation = Explanation(decision)
    evaluation = evaluation_of(explanation)
    rejected = sum(one.nodes for one in explanation.signatures(1000)[0])
    assert evaluation.nodes_eligible + rejected == evaluation.nodes_evaluated == len(fleet)
    assert sorted(explanation.rejected.tolist() + decision.ranking.tolist()) == [*range(len(fleet))]
    for row in explanation.rejected.tolist():
        assert explanation.causes(row)
    for count in explanation.counts:
        holders = [
            row
            for row in explanation.rejected.tolist()
            if count.row in [cause.reason.row for cause in explanation.causes(row)]
        ]
        assert count.nodes == len(holders)


def plainly_eligible(record: NodeRecord, spec: Any) -> bool:
    """The oracle: the same questions, one node after the other."""
    truth = record.truth
    assert truth is not None
    assert record.last_proof is not None
    status, wanted = truth.status, intent(**spec)
    assert status.cpu is not None
    assert status.capacity is not None
    needed = wanted.memory_bytes + vmm_overhead(wanted.vcpus, wanted.acceleration)
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
    by_name = {record.name: record for record in fleet}
    for row, profile in enumerate(decision.fleet.nodes):
        assert bool(decision.eligible[row]) == plainly_eligible(by_name[profile.name], spec)


@given(free_mebi=st.integers(100, 4096), vcpus=st.integers(1, 8))
@settings(max_examples=60, deadline=None)
def test_the_bound_of_memory_is_exact(free_mebi: int, vcpus: int) -> None:
    capacity = {"vcpus": 8, "memory": f"{free_mebi}Mi", "basis": "Declared"}
    record = node("n", facts("n", capacity=capacity))
    wanted = intent(resources={"vcpus": vcpus, "memory": "1Ti"})
    overhead = vmm_overhead(vcpus, wanted.acceleration)
    most = (free_mebi * 2**20 - overhead) // 2**20 * 2**20
    if most < 16 * 2**20:
        return
    explanation = Explanation(decide(Fleet.of([record]), wanted, now=NOW))
    assert [one.change for one in explanation.causes(0)] == [
        f"memory <= {render_bytes(most)} (asked 1Ti)"
    ]
    assert codes_against(record, resources={"vcpus": vcpus, "memory": str(most)}) == []
    assert codes_against(record, resources={"vcpus": vcpus, "memory": str(most + 2**20)}) == [
        "REJECT_INSUFFICIENT_MEMORY"
    ]


def test_fewer_vcpus_need_less_overhead_and_the_bound_of_memory_knows_it() -> None:
    capacity = {"vcpus": 4, "memory": "8Gi", "basis": "Declared"}
    record = node("n", facts("n", capacity=capacity))
    wanted = intent(resources={"vcpus": 16, "memory": "32Gi"})
    explanation = Explanation(decide(Fleet.of([record]), wanted, now=NOW))
    memory = 8 * 1024 - 64 - 4
    assert [one.change for one in explanation.causes(0)] == [
        "vcpus <= 4 (asked 16)",
        f"memory <= {memory}Mi (asked 32Gi)",
    ]
    assert codes_against(record, resources={"vcpus": 4, "memory": f"{memory}Mi"}) == []
    assert codes_against(record, resources={"vcpus": 4, "memory": f"{memory + 1}Mi"}) != []


@given(claims=st.lists(st.integers(1, 4), max_size=8), vcpus=st.integers(1, 8))
@settings(max_examples=60, deadline=None)
def test_what_is_claimed_is_not_given_twice(claims: list[int], vcpus: int) -> None:
    held = [ClaimRecord("n", str(number), one, 0) for number, one in enumerate(claims)]
    wanted = intent(resources={"vcpus": vcpus, "memory": "1Gi"})
    decision = decide(Fleet.of([node("n")], held), wanted, now=NOW)
    assert (decision.chosen is not None) == (sum(claims) + vcpus <= 8)


@given(fleets(), SPECS, st.integers(1, 8), st.integers(1, 64))
@settings(max_examples=60, deadline=None)
def test_more_of_a_resource_never_makes_a_node_ineligible(
    fleet: list[NodeRecord], spec: Any, vcpus: int, gibi: int
) -> None:
    before = decide(Fleet.of(fleet), intent(**spec), now=NOW)
    richer = [_richer(record, vcpus, gibi) for record in fleet]
    after = decide(Fleet.of(richer), intent(**spec), now=NOW)
    assert not (before.eligible & ~after.eligible).any()


def _richer(record: NodeRecord, vcpus: int, gibi: int) -> NodeRecord:
    assert record.truth is not None
    status = record.truth.status
    assert status.capacity is not None
    memory = str(parse_bytes(status.capacity.memory) + gibi * 2**30)
    more = {"vcpus": status.capacity.vcpus + vcpus, "memory": memory}
    capacity = status.capacity.model_copy(update=more)
    status = status.model_copy(update={"capacity": capacity})
    return replace(record, truth=record.truth.model_copy(update={"status": status}))


def test_a_decision_about_a_fleet_that_has_changed_is_not_explained() -> None:
    fleet = Fleet.of([node("n")])
    decision = decide(fleet, intent(), now=NOW)
    fleet.reserve(ClaimRecord("n", "p", 1, 1))
    try:
        evaluation_of(Explanation(decision))
    except OutdatedError:
        return
    raise AssertionError("an outdated decision was explained")


def test_nothing_stands_against_a_healthy_node() -> None:
    assert codes_against(node("n")) == []


def test_a_binary_without_kvm_on_a_node_without_kvm_is_a_consequence_not_a_cause() -> None:
    (qemu,) = facts("n")["backends"]
    record = with_facts(
        capabilities=[capability(KVM, "Unsupported")],
        backends=[{**qemu, "accelerations": ["Emulated"]}],
    )
    (cause,) = Story(record).explanation().causes(0)
    assert cause.reason.row.code == "REJECT_MISSING_KVM"
    consequences = [one.row.code for one in cause.consequences]
    assert consequences == ["ERR_LAUNCH_ACCELERATION_UNAVAILABLE"]


def test_without_facts_of_the_processor_nobody_knows_for_what_a_kernel_must_be() -> None:
    assert codes_against(with_facts(cpu=None))[0] == "REJECT_ARCHITECTURE_UNKNOWN"


WRONGS: list[dict[str, Any]] = [
    {"health": {"state": "Quarantined"}}, {"capabilities": []}, {"artifacts": []},
    {"backends": []}, {"capacity": None}, {"cpu": None}, {},
    {"capabilities": [capability(KVM, "Unsupported")]}, {"artifactsTruncated": 3, "artifacts": []},
]  # fmt: skip


def test_the_explanation_of_a_large_fleet_keeps_its_bounds() -> None:
    records = [
        node(
            f"n{number:04}",
            facts(f"n{number:04}", **first, **{k: v for k, v in second.items() if k not in first}),
        )
        for number, (first, second) in enumerate(product(WRONGS * 6, WRONGS * 6))
    ]
    decision = decide(Fleet.of(records), intent(resources={"vcpus": 7, "memory": "15Gi"}), now=NOW)
    explanation = Explanation(decision)
    assert len(json.dumps(evaluation_of(explanation).render())) <= 32 * 1024
    assert len(json.dumps(evaluation_of(explanation, placed=True).render())) <= 2 * 1024
    lines = why_lines(explanation)
    assert len(lines) <= 12
    assert all(len(line) <= 118 and line.isascii() and "\t" not in line for line in lines)


@pytest.mark.parametrize("key", [{}, {"key": ""}])
def test_a_toleration_of_no_key_that_exists_tolerates_every_taint(key: dict[str, str]) -> None:
    fleet = Fleet.of([node("n", taints=(Taint("vip", "yes", "NoSchedule"),))])
    wanted = intent(placement={"tolerations": [{"operator": "Exists", **key}]})
    assert decide(fleet, wanted, now=NOW).chosen == 0
