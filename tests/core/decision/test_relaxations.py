"""Relaxations and conflict cores equal brute force; what is said to free a node does free it."""

import re
from itertools import chain, combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from schedune.api.quantity import parse_bytes
from schedune.api.scheduling_policy import SchedulingPolicy
from schedune.api.vmworkload import Backend
from schedune.codes.row import Actor
from schedune.decision.decide import decide
from schedune.decision.explanation import Explanation
from schedune.decision.sets import conflict_cores, members, minimal_rows
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import NodeRecord, Taint
from schedune_testing.fleets import VARIED_SPECS, varied_fleets
from schedune_testing.nodes import NOW, facts, intent, node

POLICY = SchedulingPolicy(backends=[Backend.QEMU, Backend.CLOUD_HYPERVISOR])


def explain(fleet: list[NodeRecord], spec: Any) -> Explanation:
    return Explanation(decide(Fleet.of(fleet), intent(**spec), now=NOW, policy=POLICY))


def pairs(explanation: Explanation) -> list[tuple[int, frozenset[int]]]:
    """The objections of every pair of rejected nodes, straight from the findings."""
    matrix = explanation.matrix
    found = []
    for row in explanation.rejected.tolist():
        for backend in matrix.backends:
            held = frozenset(
                matrix.numbers[one.atom]
                for one in matrix.findings
                if one.objects[row] and one.atom.backend in (None, backend)
            )
            found.append((row, held))
    return found


def subsets(atoms: set[int]) -> list[frozenset[int]]:
    ordered = sorted(atoms)
    chosen = chain.from_iterable(combinations(ordered, n) for n in range(len(ordered) + 1))
    return [frozenset(one) for one in chosen]


def smallest(sets: list[frozenset[int]]) -> set[frozenset[int]]:
    return {one for one in sets if not any(other < one for other in sets)}


@given(varied_fleets(most=4), VARIED_SPECS)
@settings(max_examples=80, deadline=None)
def test_relaxations_and_cores_equal_brute_force_over_all_subsets(
    fleet: list[NodeRecord], spec: Any
) -> None:
    explanation = explain(fleet, spec)
    assume(explanation.decision.chosen is None)
    held = [one for _, one in pairs(explanation)]
    atoms = set().union(*held)
    assume(len(atoms) <= 12)
    every = subsets(atoms)
    frees = smallest([one for one in every if any(pair <= one for pair in held)])
    excludes = smallest([one for one in every if all(pair & one for pair in held)])
    matrix = explanation.matrix
    assert {members(row) for row in minimal_rows(matrix.pairs)[0]} == frees
    found = conflict_cores(matrix.pairs)
    assert found.complete
    assert set(found.sets) == excludes


@given(varied_fleets(most=6), VARIED_SPECS)
@settings(max_examples=60, deadline=None)
def test_a_way_frees_only_nodes_that_nothing_else_stands_against_and_no_part_of_it_does(
    fleet: list[NodeRecord], spec: Any
) -> None:
    explanation = explain(fleet, spec)
    held = pairs(explanation)
    matrix = explanation.matrix
    for way in explanation.relaxations.ways:
        chosen = {matrix.numbers[atom] for atom in way.atoms}
        freed = {row for row, pair in held if pair <= chosen}
        assert 1 <= way.nodes <= len(freed)
        assert not any(pair < chosen for _, pair in held)
        assert set(way.sample_rows) <= freed
        assert way.changes


@given(varied_fleets(most=6), VARIED_SPECS)
@settings(max_examples=60, deadline=None)
def test_the_repair_that_frees_most_is_first_and_counts_what_it_frees(
    fleet: list[NodeRecord], spec: Any
) -> None:
    explanation = explain(fleet, spec)
    held = pairs(explanation)
    matrix = explanation.matrix
    counts = {}
    for number, atom in enumerate(matrix.atoms):
        if atom.who is Actor.ADMINISTRATOR:
            freed = {row for row, pair in held if pair <= {number}}
            if freed:
                counts[atom] = len(freed)
    repairs = explanation.relaxations.repairs
    assert {one.atom: one.nodes for one in repairs} == counts
    assert [one.nodes for one in repairs] == sorted(counts.values(), reverse=True)


@given(st.lists(st.integers(1, 2**10 - 1), min_size=1, max_size=40, unique=True), st.integers(1, 3))
@settings(max_examples=80, deadline=None)
def test_a_cap_leaves_true_and_minimal_cores_and_says_so(masks: list[int], most: int) -> None:
    rows = np.array(sorted(masks, key=lambda one: (one.bit_count(), one)), np.uint64)[:, None]
    found = conflict_cores(rows, most)
    for core in found.sets:
        assert all(core & members(row) for row in rows)
        for bit in core:
            assert not all((core - {bit}) & members(row) for row in rows)
    whole = set(conflict_cores(rows, 10_000).sets)
    assert set(found.sets) <= whole
    assert found.complete == (set(found.sets) == whole) or not found.complete


def test_two_numbers_that_trade_off_are_told_as_pairs_each_from_one_node() -> None:
    def sized(name: str, vcpus: int, memory: str) -> NodeRecord:
        capacity = {"vcpus": vcpus, "memory": memory, "basis": "Declared"}
        return node(name, facts(name, capacity=capacity))

    fleet = [sized("many", 16, "8Gi"), sized("large", 4, "64Gi"), sized("less", 4, "8Gi")]
    explanation = explain(fleet, {"resources": {"vcpus": 32, "memory": "128Gi"}})
    (way,) = explanation.relaxations.ways
    (numbers,) = way.changes
    assert numbers == (
        "vcpus <= 16 (asked 32) and memory <= 8112Mi (asked 128Gi)"
        " or vcpus <= 4 (asked 32) and memory <= 65468Mi (asked 128Gi)"
    )
    assert (way.nodes, way.sample_rows) == (2, (0, 2))


SIZES = st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), min_size=1, max_size=12)


@given(SIZES)
@settings(max_examples=80, deadline=None)
def test_asked_anew_with_the_numbers_told_as_many_nodes_are_eligible_as_was_said(
    sizes: list[tuple[int, int]],
) -> None:
    fleet = []
    for number, (vcpus, gibi) in enumerate(sizes):
        capacity = {"vcpus": vcpus, "memory": f"{gibi}Gi", "basis": "Declared"}
        name = f"n{number:02}"
        fleet.append(node(name, facts(name, capacity=capacity)))
    asked = {"vcpus": 8, "memory": "8Gi"}
    explanation = explain(fleet, {"resources": asked})
    assume(explanation.decision.chosen is None)
    for way in explanation.relaxations.ways:
        freed: set[int] = set()
        for alternative in way.changes[0].split(" or "):
            numbers = dict(re.findall(r"(vcpus|memory) <= (\w+)", alternative))
            changed = {**asked, **numbers, "vcpus": int(numbers.get("vcpus", asked["vcpus"]))}
            spec = {"resources": changed}
            found = decide(Fleet.of(fleet), intent(**spec), now=NOW, policy=POLICY)
            assert found.chosen is not None
            freed |= set(found.ranking.tolist())
        assert way.nodes == len(freed)
        assert set(way.sample_rows) <= freed


ZONES = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=12)


@given(ZONES)
@settings(max_examples=60, deadline=None)
def test_asked_anew_with_each_word_that_is_told_as_many_nodes_are_eligible_as_was_said(
    zones: list[str],
) -> None:
    fleet = [node(f"n{number:02}", labels={"zone": zone}) for number, zone in enumerate(zones)]
    (way,) = explain(fleet, {"placement": {"nodeSelector": {"zone": "z"}}}).relaxations.ways
    told = re.findall(r"nodeSelector accepts zone=(\w) \(asked zone=z\)", way.changes[0])
    assert len(told) == min(3, len(set(zones)))
    freed: set[int] = set()
    for zone in told:
        spec = {"placement": {"nodeSelector": {"zone": zone}}}
        freed |= set(decide(Fleet.of(fleet), intent(**spec), now=NOW).ranking.tolist())
    assert way.nodes == len(freed)
    assert set(way.sample_rows) <= freed
    counts = sorted((zones.count(zone) for zone in set(zones)), reverse=True)
    assert way.nodes == sum(counts[:3]), "the words that free most are told"


def test_with_other_changes_beside_it_the_words_that_free_most_are_told() -> None:
    fleet = [
        node(name, labels={"zone": zone}, taints=(Taint("vip", "", "NoSchedule"),))
        for name, zone in (("a", "east"), ("b", "west"), ("c", "west"))
    ]
    explanation = explain(fleet, {"placement": {"nodeSelector": {"zone": "z"}}})
    (way,) = explanation.relaxations.ways
    assert set(way.changes) == {
        "nodeSelector accepts zone=west (asked zone=z)",
        "tolerations accept vip:NoSchedule",
    }
    assert (way.nodes, way.sample_rows) == (2, (1, 2))


def test_memory_that_suffices_beside_fewer_vcpus_is_not_asked_down() -> None:
    capacity = {"vcpus": 4, "memory": "16464Mi", "basis": "Declared"}
    fleet = [node("a", facts("a", capacity=capacity))]
    explanation = explain(fleet, {"resources": {"vcpus": 32, "memory": "16Gi"}})
    (way,) = explanation.relaxations.ways
    assert way.changes == ("vcpus <= 4 (asked 32)",)
    (cause,) = explanation.causes(0)
    assert cause.shortfall == "vcpus short by 28"
    assert [one.row.reason for one in cause.consequences] == ["InsufficientMemory"]


@pytest.mark.parametrize("memory", ["500M", "1500M", "17M"])
def test_a_size_that_is_no_whole_mebibyte_is_told_as_what_suffices(memory: str) -> None:
    asked = parse_bytes(memory)
    capacity = {"vcpus": 4, "memory": str(asked), "disk": "0", "basis": "Declared"}
    fleet = [node("a", facts("a", capacity=capacity))]
    spec = {"acceleration": "Emulated", "resources": {"vcpus": 1, "memory": memory}}
    (cause,) = explain(fleet, spec).causes(0)
    least = int(re.findall(r"(?:asked |^)(\d+)Mi", cause.change)[0])
    assert least * 2**20 >= asked


def test_demands_that_contradict_even_on_a_repaired_fleet_come_first() -> None:
    stale = node("a", facts("a"), age_s=900)
    explanation = explain([stale, node("b")], {"architecture": "arm64"})
    first = explanation.relaxations.cores[0]
    assert first.after_repair
    assert first.demands == ("architecture: arm64",)


def test_where_repairs_alone_suffice_no_demand_is_called_contradictory() -> None:
    explanation = explain([node("a", facts("a"), age_s=900)], {})
    assert not any(core.after_repair for core in explanation.relaxations.cores)
    assert [one.nodes for one in explanation.relaxations.repairs] == [1]
