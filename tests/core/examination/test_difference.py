"""Two truths compared: what verdicts hang on is told apart by asking, not by a list of names."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schedune.api.nodetruth import NodeTruth
from schedune.api.scheduling_policy import SchedulingPolicy
from schedune.decision.decide import decide
from schedune.decision.explanation import Explanation
from schedune.examination.difference import Change, Meaning, changes_of
from schedune.examination.difference_form import Moment, TruthDifference, compare_truths
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import NodeRecord, Taint
from schedune_testing.fleets import BACKENDS, VARIED_SPECS, varied_nodes
from schedune_testing.nodes import NOW, facts, intent, node

EVERY = SchedulingPolicy.model_validate({"backends": BACKENDS})
DECISIVE, OTHER, NOISE = Meaning.DECISIVE, Meaning.OTHER, Meaning.NOISE


def changed(part: str, **changes: Any) -> dict[str, Any]:
    """Return the facts of a node with one element of a list changed."""
    status = facts("n")
    (element,) = status[part]
    return {**status, part: [{**element, **changes}]}


def told(then: NodeRecord, now: NodeRecord) -> dict[str, Meaning]:
    return {".".join(one.path): one.meaning for one in changes_of(then, now)}


CHANGES: dict[str, tuple[dict[str, Any], str, Meaning]] = {
    "a capability's state": (
        changed("capabilities", state="Unavailable"),
        "status.capabilities.kvm_vm_launch.state", DECISIVE,
    ),
    "a capability's reason": (
        changed("capabilities", reasonCode="CAP_KVM_MISSING"),
        "status.capabilities.kvm_vm_launch.reasonCode", DECISIVE,
    ),
    "a capability's words": (
        changed("capabilities", message="in other words"),
        "status.capabilities.kvm_vm_launch.message", OTHER,
    ),
    "when it was observed": (
        changed("capabilities", observedTime="2026-11-24T13:00:00Z"),
        "status.capabilities.kvm_vm_launch.observedTime", NOISE,
    ),
    "a backend's version": (
        changed("backends", version="7.2.1"), "status.backends.QEMU.version", DECISIVE,
    ),
    "a backend's acceleration": (
        changed("backends", accelerations=["Emulated"]),
        "status.backends.QEMU.accelerations", DECISIVE,
    ),
    "where a backend is": (
        changed("backends", path="/opt/qemu"), "status.backends.QEMU.path", OTHER,
    ),
    "an artefact's format": (
        changed("artifacts", format="ELF"), "status.artifacts.kernel.format", DECISIVE,
    ),
    "an artefact that is gone": (
        {**facts("n"), "artifacts": []}, "status.artifacts.kernel", DECISIVE,
    ),
    "capacity": (
        {**facts("n"), "capacity": {"vcpus": 9, "memory": "16Gi", "basis": "Declared"}},
        "status.capacity.vcpus", DECISIVE,
    ),
    "the class": (
        {**facts("n"), "compatibilityClass": "ArmProduction"},
        "status.compatibilityClass", DECISIVE,
    ),
    "health": (
        {**facts("n"), "health": {"state": "Degraded"}}, "status.health.state", DECISIVE,
    ),
    "a constraint": (
        {**facts("n"), "constraints": [
            {"code": "DISK_PRESSURE", "type": "T", "observed": "o", "expected": "e"}
        ]},
        "status.constraints.T", DECISIVE,
    ),
    "a probe that fails": (
        {**facts("n"), "probes": [
            {"name": "numa", "outcome": "Failed", "durationMilliseconds": 1}
        ]},
        "status.probes.numa", DECISIVE,
    ),
    "the number of CPUs, which nobody counts": (
        {**facts("n"), "cpu": {"architecture": "amd64", "cores": 9}}, "status.cpu.cores", OTHER,
    ),
    "the kernel": (
        {**facts("n"), "os": {"hostname": "n", "kernel": "6.1", "name": "Debian"}},
        "status.os", OTHER,
    ),
    "the digest": ({**facts("n"), "digest": "sha256:b"}, "status.digest", NOISE),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_told_by_where_it_stands_and_what_it_means(name: str) -> None:
    status, path, meaning = CHANGES[name]
    assert told(node("n"), node("n", status)) == {path: meaning}


def test_how_long_a_probe_took_is_noise() -> None:
    runs = [
        [{"name": "cpu", "outcome": "Succeeded", "durationMilliseconds": took}] for took in (1, 9)
    ]
    then, now = (node("n", {**facts("n"), "probes": one}) for one in runs)
    assert told(then, now) == {"status.probes.cpu.durationMilliseconds": NOISE}


def test_what_kubernetes_and_administrators_say_counts_too() -> None:
    now = replace(
        node("n", scheduling="Cordoned", unschedulable=True, node_ready=False),
        labels={"zone": "a"},
        taints=(Taint("vms", "only", "NoSchedule"),),
    )
    assert told(node("n"), now) == {
        "node.labels.zone": DECISIVE,
        "node.nodeReady": DECISIVE,
        "node.taints.vms=only:NoSchedule": DECISIVE,
        "node.unschedulable": DECISIVE,
        "spec.scheduling": DECISIVE,
    }


def classed(name: str, override: str | None) -> NodeRecord:
    record = node("n", {**facts("n"), "compatibilityClass": name})
    assert record.truth is not None
    raw = record.truth.render()
    raw["spec"] = {"compatibilityClass": {"name": override, "reason": "r"}} if override else {}
    return replace(record, truth=NodeTruth.model_validate(raw))


def test_a_derived_class_says_nothing_where_an_administrator_set_another() -> None:
    then, now = classed("ArmProduction", "Mine"), classed("X86HoldingPool", "Mine")
    assert told(then, now) == {"status.compatibilityClass": OTHER}


def test_a_fact_that_counts_on_either_side_is_decisive_both_ways() -> None:
    then, now = classed("ArmProduction", "Mine"), classed("X86HoldingPool", None)
    both = {"status.compatibilityClass": DECISIVE, "spec.compatibilityClass": DECISIVE}
    assert told(then, now) == told(now, then) == both


def test_how_long_a_capability_is_believed_is_decisive() -> None:
    then, now = (node("n", changed("capabilities", staleAfterSeconds=s)) for s in (60, 3600))
    assert told(then, now) == {"status.capabilities.kvm_vm_launch.staleAfterSeconds": DECISIVE}


def test_a_truth_that_came_or_went_is_one_change() -> None:
    assert told(replace(node("n"), truth=None), node("n")) == {"NodeTruth": DECISIVE}


def test_conditions_repeat_facts_but_their_status_is_told() -> None:
    fresh = {"type": "Fresh", "status": "True", "reason": "Fresh", "message": "m",
             "lastTransitionTime": "2026-11-24T12:00:00Z"}  # fmt: skip
    stale = {**fresh, "status": "False", "reason": "Stale", "message": "old"}
    then, now = (node("n", {**facts("n"), "conditions": [one]}) for one in (fresh, stale))
    at = "status.conditions.Fresh"
    assert told(then, now) == {f"{at}.status": OTHER, f"{at}.reason": NOISE, f"{at}.message": NOISE}


# --- fleets ------------------------------------------------------------------------------


def fleet(*records: NodeRecord, after_s: float = 0) -> Moment:
    return Moment({one.name: one for one in records}, NOW + timedelta(seconds=after_s))


def test_nodes_that_are_new_or_gone_come_first_then_those_whose_verdicts_may_change() -> None:
    quiet = {**facts("n"), "cpu": {"architecture": "amd64", "cores": 9}}
    then = fleet(node("a"), node("b"), node("c"), node("gone"))
    now = fleet(
        node("a"), node("b", {**quiet, **_own("b")}), node("c", unschedulable=True), node("new")
    )
    found = compare_truths(then, now)
    assert [(one.node_name, one.presence) for one in found.nodes] == [
        ("gone", "OnlyThen"), ("new", "OnlyNow"), ("c", "Both"), ("b", "Both"), ("a", "Both"),
    ]  # fmt: skip
    assert [one.differs for one in found.nodes] == [True, True, True, True, False]
    assert not compare_truths(then, now, ["a"]).differs


def _own(name: str) -> dict[str, Any]:
    return {key: facts(name)[key] for key in ("identity", "digest")}


def test_facts_that_are_no_longer_vouched_for_are_another_matter() -> None:
    (one,) = compare_truths(fleet(node("a")), fleet(node("a"), after_s=1000)).nodes
    assert [(each.path, each.then, each.now) for each in one.decisive] == [
        ("freshness", "Fresh", "Stale")
    ]


def test_a_capability_that_grew_old_by_itself_is_told() -> None:
    aging = node("a", {**changed("capabilities", staleAfterSeconds=60), **_own("a")})
    (one,) = compare_truths(fleet(aging), fleet(aging, after_s=100)).nodes
    assert [each.path for each in one.decisive] == ["freshness.kvm_vm_launch"]


# --- whatever the nodes are --------------------------------------------------------------

PAIRS = st.tuples(varied_nodes("n"), varied_nodes("n"))


@settings(deadline=None)
@given(varied_nodes("n"))
def test_a_node_does_not_differ_from_itself(record: NodeRecord) -> None:
    assert list(changes_of(record, record)) == []
    found = compare_truths(fleet(record), fleet(record))
    assert not found.differs
    assert found.nodes[0].noise == 0


@settings(deadline=None)
@given(PAIRS)
def test_the_other_way_round_every_change_is_the_other_way_round(
    pair: tuple[NodeRecord, NodeRecord],
) -> None:
    there, back = changes_of(*pair), changes_of(*reversed(pair))
    assert list(there) == [Change(one.path, one.now, one.then, one.meaning) for one in back]


@settings(deadline=None)
@given(PAIRS)
def test_what_verdicts_hang_on_is_told_first(pair: tuple[NodeRecord, NodeRecord]) -> None:
    then, now = pair
    (one,) = compare_truths(fleet(then), fleet(now)).nodes
    found = list(changes_of(then, now))
    paths = {meaning: [".".join(each.path) for each in found if each.meaning is meaning]
             for meaning in Meaning}  # fmt: skip
    decisive = [each.path for each in one.decisive if each.path != "freshness"]
    assert (decisive, [each.path for each in one.other], one.noise) == (
        paths[DECISIVE], paths[OTHER], len(paths[NOISE]),
    )  # fmt: skip
    assert len({each.path for each in (*one.decisive, *one.other)}) == len(
        [*one.decisive, *one.other]
    )


@settings(deadline=None)
@given(PAIRS, VARIED_SPECS)
def test_where_a_verdict_differs_something_decisive_does(
    pair: tuple[NodeRecord, NodeRecord], spec: dict[str, Any]
) -> None:
    then, now = pair[0], replace(pair[1], last_proof=pair[0].last_proof)
    if causes(then, spec) != causes(now, spec):
        assert DECISIVE in told(then, now).values()


@settings(deadline=None)
@given(PAIRS, VARIED_SPECS)
def test_a_fact_that_no_verdict_hangs_on_changes_none(
    pair: tuple[NodeRecord, NodeRecord], spec: dict[str, Any]
) -> None:
    """Facts beside those of the decision are exchanged: the causes stay, and no word is lost."""
    then = pair[0]
    assert then.truth is not None
    quiet = {"os": {"hostname": "h", "kernel": "6", "name": "d"}, "memory": {"totalBytes": 1}}
    raw = then.truth.render()
    raw["status"] = {**raw["status"], **quiet}  # type: ignore[dict-item]
    now = replace(then, truth=NodeTruth.model_validate(raw))
    assert told(then, now) == {"status.os": OTHER, "status.memory": OTHER}
    assert causes(then, spec) == causes(now, spec)


def causes(record: NodeRecord, spec: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the code and the atom of everything against a node."""
    explanation = Explanation(decide(Fleet.of([record]), intent(**spec), now=NOW, policy=EVERY))
    if explanation.decision.eligible[0]:
        return []
    return sorted((one.reason.row.code, one.atom) for one in explanation.causes(0))


def test_the_document_says_the_same_as_the_changes() -> None:
    found = compare_truths(fleet(node("n")), fleet(node("n", changed("backends", version="8.0"))))
    assert isinstance(found, TruthDifference)
    (fact,) = found.nodes[0].decisive
    assert (fact.path, fact.then, fact.now) == ("status.backends.QEMU.version", "7.2.0", "8.0")
