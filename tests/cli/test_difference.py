"""``explain --at A --diff B``: what is answered otherwise, and only the facts that did it."""

from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schedune.decision.decide import decide
from schedune.decision.diff import NodeDiff, Side, Verdict, diff_nodes
from schedune.decision.explanation import Explanation
from schedune.decision.units import Moment, units_of
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import NodeRecord
from schedune_testing.fleets import VARIED_SPECS, varied_fleets
from schedune_testing.nodes import NOW, intent
from schedune_testing.recordings import (
    Files,
    document,
    lease,
    node,
    placed,
    placement,
    run,
    snapshot,
    truth,
    whole,
    workload,
)

CALL = ("explain", "--at", "then.yaml", "--diff", "now.yaml")
LATER = "2026-11-24T12:30:00Z"
NO_KVM = {"name": "kvm_vm_launch", "reasonCode": "CAP_KVM_MISSING", "state": "Unsupported",
          "observedTime": LATER, "message": "there is no /dev/kvm"}  # fmt: skip


def later(name: str, **changes: Any) -> list[dict[str, Any]]:
    """Return a node half an hour later, with a heartbeat of then."""
    return [node(name), truth(name, **changes), lease(name, LATER)]


def facts_of(*arguments: str) -> dict[str, list[str]]:
    """Return, by node, the facts that are told of the first workload."""
    (first, *_) = document(*CALL, *arguments)["items"]
    return {one["nodeName"]: [fact["name"] for fact in one["facts"]] for one in first["nodes"]}


def test_a_fact_that_did_it_is_told_and_one_that_did_not_is_not(files: Files) -> None:
    files.write("then.yaml", snapshot(*whole("a", "b"), workload()))
    changed = later(
        "a",
        capabilities=[NO_KVM],
        networks=[{"name": "br0"}],
        cpu={"architecture": "amd64", "cores": 9},
    )
    changed[0]["metadata"]["labels"]["pool"] = "new"
    files.write("now.yaml", snapshot(*changed, *later("b"), workload(), recorded=LATER))
    told = document(*CALL)
    assert (told["then"], told["now"]) == ("2026-11-24T12:00:00Z", LATER)
    (one,) = told["items"]
    assert (one["chosenThen"], one["chosenNow"], one["unchanged"]) == ("a", "b", 1)
    (change,) = one["nodes"]
    assert change["then"] == {"verdict": "Eligible", "causes": []}
    assert [cause["code"] for cause in change["now"]["causes"]] == ["REJECT_MISSING_KVM"]
    assert change["facts"] == [
        {
            "name": "capabilities kvm_vm_launch",
            "then": "Supported: a guest ran",
            "now": "Unsupported: there is no /dev/kvm",
        }
    ]
    text = run(*CALL)
    assert "Supported: a guest ran -> Unsupported: there is no /dev/kvm" in text.stdout
    assert text.exit_code == 0


def test_two_causes_are_told_each_with_its_fact(files: Files) -> None:
    files.write("then.yaml", snapshot(*whole("a"), workload()))
    changed = later("a", capabilities=[NO_KVM], health={"state": "Degraded"})
    changed[0]["spec"] = {"unschedulable": True}
    files.write("now.yaml", snapshot(*changed, workload(), recorded=LATER))
    assert facts_of() == {
        "a": ["Node unschedulable", "status.health", "capabilities kvm_vm_launch"]
    }


def test_facts_that_hide_each_other_are_told_as_a_smallest_set(files: Files) -> None:
    """No truth at all hides the cordon in it; only both together give the former answer."""
    spec = {"scheduling": "Cordoned"}
    files.write("then.yaml", snapshot(node("a"), truth("a", spec=spec), lease("a"), workload()))
    other = {"nodeUID": "other", "machineID": "m", "bootID": "b", "agentVersion": "1"}
    files.write(
        "now.yaml",
        snapshot(
            node("a"), truth("a", identity=other), lease("a", LATER), workload(), recorded=LATER
        ),
    )
    assert facts_of() == {"a": ["spec.scheduling", "status.identity"]}


def test_facts_that_act_alone_are_told_with_those_that_they_need_to_restore_the_answer(
    files: Files,
) -> None:
    """The one that goes matters only beside the one that came, which changes the answer alone."""
    ours = {"preference": ["QEMU", "CloudHypervisor"]}
    full = {"capacity": {"vcpus": 0, "memory": "64Gi", "disk": "1Ti", "basis": "Declared"}}
    hypervisor = {"name": "CloudHypervisor", "path": "/usr/bin/vmm", "version": "52.0",
                  "architecture": "amd64", "accelerations": ["KVM"]}  # fmt: skip
    asked = workload(backend=ours)
    files.write("then.yaml", snapshot(node("a"), truth("a", **full), lease("a"), asked))
    changed = later("a", capabilities=[], backends=[hypervisor], **full)
    files.write("now.yaml", snapshot(*changed, asked, recorded=LATER))
    assert facts_of() == {
        "a": ["capabilities kvm_vm_launch", "backends CloudHypervisor", "backends QEMU"]
    }


def test_a_heartbeat_that_stopped_is_told_and_one_that_went_on_is_not(files: Files) -> None:
    files.write("then.yaml", snapshot(*whole("a", "b"), workload()))
    files.write("now.yaml", snapshot(*whole("a"), *later("b"), workload(), recorded=LATER))
    (one,) = document(*CALL)["items"]
    (change,) = one["nodes"]
    assert change["facts"] == [
        {
            "name": "proof of the facts",
            "then": "proved 0 s ago (Lease 180 s)",
            "now": "proved 1800 s ago (Lease 180 s)",
        }
    ]


def test_placements_that_came_are_told(files: Files) -> None:
    asked = workload("vm", resources={"vcpus": 7, "memory": "1Gi"})
    files.write("then.yaml", snapshot(*whole("a"), asked))
    files.write("now.yaml", snapshot(*later("a"), asked, *placed("x", "a"), recorded=LATER))
    told = {one["metadata"]["name"]: one for one in document(*CALL)["items"]}
    (change,) = told["vm"]["nodes"]
    assert [fact["name"] for fact in change["facts"]] == ["placements on the node"]
    assert change["facts"][0]["now"] == "1 VM with 2 vCPUs and 4162Mi"
    assert told["x"]["presence"] == "OnlyNow"


def test_what_changed_on_other_nodes_is_told_where_it_did_it(files: Files) -> None:
    apart = {
        "placement": {
            "antiAffinity": [
                {"topologyKey": "zone", "workloadSelector": {"matchLabels": {"app": "web"}}}
            ]
        }
    }
    other = workload("other")
    other["metadata"].update(uid="w-other", labels={"app": "web"})

    def fleet(*more: Any, recorded: str) -> Any:
        nodes = [*later("a"), *later("b")]
        for one in nodes:
            if one["kind"] == "Node":
                one["metadata"]["labels"]["zone"] = "z"
        return snapshot(*nodes, workload("vm", **apart), *more, recorded=recorded)

    files.write("then.yaml", fleet(recorded=LATER))
    files.write("now.yaml", fleet(other, placement("other", "b"), recorded=LATER))
    told = facts_of("vm")
    assert told["a"] == ["other nodes and placements"]
    assert told["b"] == ["placements on the node"]


def test_what_else_is_another_of_a_placement_is_told_where_it_holds_as_much(files: Files) -> None:
    keeper, asked = workload("keeper"), workload("vm")
    keeper["metadata"]["uid"] = "w-keeper"
    asked["metadata"]["labels"] = {"app": "web"}
    others = [*later("a"), placement("keeper", "a"), asked]
    for one in others:
        if one["kind"] == "Node":
            one["metadata"]["labels"]["zone"] = "z"
    files.write("then.yaml", snapshot(*others, deepcopy(keeper), recorded=LATER))
    selector = {"matchLabels": {"app": "web"}}
    rule = {"topologyKey": "zone", "workloadSelector": selector}
    keeper["spec"]["placement"] = {"antiAffinity": [rule]}
    files.write("now.yaml", snapshot(*others, keeper, recorded=LATER))
    told = {one["metadata"]["name"]: one for one in document(*CALL)["items"]}
    (fact,) = told["vm"]["nodes"][0]["facts"]
    assert fact["then"].endswith("antiAffinity none)")
    assert fact["now"].endswith("antiAffinity zone app=web)")
    assert fact["then"].startswith("default/keeper (disk ")


def limited(**limits: str) -> dict[str, Any]:
    held = {f"schedune.io/max-{name}": text for name, text in limits.items()}
    metadata = {"name": "default", "annotations": held}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


@pytest.mark.parametrize(
    ("then", "now", "told"),
    [
        ([], [limited(vcpus="1")], ("none", "1 vCPU")),
        ([limited(vcpus="64", memory="1Ti")], [limited(memory="1Gi")], ("64 vCPUs, 1Ti", "1Gi")),
        ([limited(vcpus="x")], [], ("unreadable schedune.io/max-vcpus: 'x'", "none")),
    ],
)
def test_a_changed_quota_is_told_as_such(
    files: Files, then: list[Any], now: list[Any], told: tuple[str, str]
) -> None:
    files.write("then.yaml", snapshot(*whole("a"), *then, workload()))
    files.write("now.yaml", snapshot(*later("a"), *now, workload(), recorded=LATER))
    (one,) = document(*CALL)["items"]
    ((fact,),) = [node["facts"] for node in one["nodes"]]
    assert fact["name"] == "quota of namespace default"
    assert (fact["then"], fact["now"]) == told


def test_what_uses_up_an_unchanged_quota_is_told_and_not_the_quota(files: Files) -> None:
    limit, other = limited(vcpus="3"), placed("other", "b")
    files.write("then.yaml", snapshot(*whole("a", "b"), limit, workload()))
    files.write(
        "now.yaml", snapshot(*later("a"), *later("b"), limit, workload(), *other, recorded=LATER)
    )
    (told,) = [one for one in document(*CALL)["items"] if one["metadata"]["name"] == "vm"]
    facts = {one["nodeName"]: [fact["name"] for fact in one["facts"]] for one in told["nodes"]}
    assert facts == {"a": ["other nodes and placements"], "b": ["placements on the node"]}


def test_a_changed_spec_is_told(files: Files) -> None:
    files.write("then.yaml", snapshot(*whole("a"), workload()))
    files.write("now.yaml", snapshot(*later("a"), workload(architecture="arm64"), recorded=LATER))
    assert facts_of() == {"a": ["the workload itself"]}


def test_nodes_that_came_or_went_are_told(files: Files) -> None:
    files.write("then.yaml", snapshot(*whole("a"), workload()))
    files.write("now.yaml", snapshot(*later("b"), workload(), recorded=LATER))
    (one,) = document(*CALL)["items"]
    verdicts = {
        node["nodeName"]: (node["then"]["verdict"], node["now"]["verdict"]) for node in one["nodes"]
    }
    assert verdicts == {"a": ("Eligible", "Absent"), "b": ("Absent", "Eligible")}


def test_workloads_of_files_are_compared_on_recorded_truths(files: Files) -> None:
    files.write("vm.yaml", workload())
    files.write("then.yaml", truth("a"))
    files.write("now.yaml", truth("a", health={"state": "Degraded"}))
    assert facts_of("-f", "vm.yaml") == {"a": ["status.health"]}
    assert run(*CALL, "-f", "vm.yaml").exit_code == 1


def test_a_vm_that_runs_is_judged_without_itself_at_both_times(files: Files) -> None:
    big = {"resources": {"vcpus": 7, "memory": "1Gi"}}
    files.write("then.yaml", snapshot(*whole("a"), workload("vm", **big)))
    files.write("now.yaml", snapshot(*later("a"), *placed("vm", "a", **big), recorded=LATER))
    assert facts_of() == {}


@pytest.mark.parametrize(
    "arguments",
    [
        ("--at", "then.yaml"), ("--diff", "now.yaml"),
        ("--at", "a", "--diff", "b", "--truth", "c"), ("--at", "a", "--diff", "b", "-o", "sarif"),
    ],
)  # fmt: skip
def test_options_that_do_not_go_together_are_refused(
    arguments: tuple[str, ...], files: Files
) -> None:
    told = run("explain", *arguments)
    assert told.exit_code == 2
    assert "--at and --diff" in told.stderr or "--diff is told as" in told.stderr


# --- whatever the fleets -------------------------------------------------------------------


def verdict(side: Side, name: str) -> Verdict:
    """Judge the whole fleet, the plain way."""
    fleet = Fleet.of(side.records.values(), side.claims)
    explanation = Explanation(decide(fleet, side.intent, now=side.time))
    row = fleet.row[name]
    if explanation.decision.eligible[row]:
        return frozenset()
    return frozenset((one.reason.row.code, one.atom) for one in explanation.causes(row))


def sides(then: list[NodeRecord], now: list[NodeRecord], asked: Any) -> tuple[Side, Side]:
    shift = timedelta(minutes=7)
    moved = [
        replace(one, last_proof=one.last_proof + shift if one.last_proof else None) for one in now
    ]
    before = Side({one.name: one for one in then}, (), asked, NOW)
    return before, Side({one.name: one for one in moved}, (), asked, NOW + shift)


def restored(before: Side, after: Side, name: str, facts: set[str]) -> Verdict:
    """Judge the later fleet with some facts of one node put back."""
    record = after.records[name]
    moments = Moment(before.records[name], before.time), Moment(record, after.time)
    for unit in units_of(*moments):
        if unit.name in facts:
            record = unit.put_back(record)
    return verdict(replace(after, records={**after.records, name: record}), name)


def check_facts(change: NodeDiff, before: Side, after: Side) -> None:
    """Every fact that is told does it alone, or belongs to the smallest set that does it."""
    name, told = change.node_name, {fact.name for fact in change.facts}
    then, now = verdict(before, name), verdict(after, name)
    assert told
    assert restored(before, after, name, told) == then
    alone = {fact for fact in told if restored(before, after, name, {fact}) != now}
    for fact in told - alone:
        assert restored(before, after, name, told - {fact}) != then


@settings(deadline=None, max_examples=60)
@given(varied_fleets(), varied_fleets(), VARIED_SPECS)
def test_only_changed_answers_are_told_and_only_by_what_changed_them(
    then: list[NodeRecord], now: list[NodeRecord], spec: dict[str, Any]
) -> None:
    before, after = sides(then, now, intent(**spec))
    changes = {one.node_name: one for one in diff_nodes(before, after)}
    for name in {*before.records, *after.records}:
        if name not in before.records or name not in after.records:
            assert [fact.name for fact in changes[name].facts] == ["node"]
        elif verdict(before, name) == verdict(after, name):
            assert name not in changes
        else:
            check_facts(changes[name], before, after)


@settings(deadline=None)
@given(st.data())
def test_a_fleet_compared_with_itself_has_no_difference(data: st.DataObject) -> None:
    records = data.draw(varied_fleets())
    before, after = sides(records, records, intent(**data.draw(VARIED_SPECS)))
    assert diff_nodes(before, after) == ()
