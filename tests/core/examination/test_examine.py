"""One node examined: the verdict is the decision's own, and problems say whom they concern."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schedune.api.choices import Acceleration, Backend
from schedune.api.nodetruth import Artifact, ArtifactKind
from schedune.api.scheduling_policy import SchedulingPolicy
from schedune.decision.decide import decide
from schedune.examination.examine import Sighting, Wanted, examine
from schedune.examination.form import Answer, NodeExamination, Reach, Seen
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import ClaimRecord, NodeRecord, Taint
from schedune_testing.fleets import BACKENDS, capability, varied_nodes
from schedune_testing.nodes import NOW, facts, intent, node

KVM = "kvm_vm_launch"
EVERY = SchedulingPolicy.model_validate({"backends": BACKENDS})


def look(
    record: NodeRecord, wanted: Wanted | None = None, seen: Seen = Seen.CLUSTER
) -> NodeExamination:
    return examine(Sighting(record, seen, NOW), wanted or Wanted())


def without(*names: str, **changes: Any) -> dict[str, Any]:
    return {key: one for key, one in {**facts("n"), **changes}.items() if key not in names}


def reaches(told: NodeExamination) -> dict[str, Reach]:
    return {one.code: one.reach for one in told.problems}


def test_against_a_good_node_nothing_stands() -> None:
    told = look(node("n"), Wanted(backends=(Backend.QEMU,)))
    assert told.verdict.answer is Answer.CAN_LAUNCH
    assert told.verdict.backends == [Backend.QEMU]
    assert {one.reach for one in told.problems} <= {Reach.NOTICE}


def test_kvm_that_runs_no_guest_stands_against_every_vm_with_its_remedy() -> None:
    dead = capability(
        KVM, "Unavailable", reasonCode="CAP_KVM_RUNS_NO_GUEST", message="opens, but runs no guest",
        source="/dev/kvm", method="ran a guest",
    )  # fmt: skip
    told = look(node("n", facts("n", capabilities=[dead])))
    first = told.problems[0]
    assert told.verdict.answer is Answer.CANNOT_LAUNCH
    assert "opens, but runs no guest" in told.verdict.message
    assert (first.subject, first.code) == (KVM, "CAP_KVM_RUNS_NO_GUEST")
    assert (first.reach, first.state) == (Reach.EVERY_VM, "Unavailable")
    assert (first.source, first.method) == ("/dev/kvm", "ran a guest")
    assert "nested virtualization" in first.remedy


def test_without_kvm_emulated_vms_can_be_launched_where_they_are_asked_for() -> None:
    record = node("n", facts("n", capabilities=[capability(KVM, "Unsupported")]))
    assert "Emulated" in look(record).verdict.message
    told = look(record, Wanted(Acceleration.EMULATED))
    assert told.verdict.answer is Answer.CAN_LAUNCH
    assert told.verdict.message == "VMs can be launched emulated by QEMU"


def test_a_backend_that_is_missing_concerns_some_while_another_can() -> None:
    record = node("n")
    both = look(record, Wanted(backends=(Backend.QEMU, Backend.FIRECRACKER)))
    alone = look(record, Wanted(backends=(Backend.FIRECRACKER,)))
    code = "ERR_LAUNCH_MISSING_CAPABILITY_FC_BINARY"
    assert both.verdict.answer is Answer.CAN_LAUNCH
    assert alone.verdict.answer is Answer.CANNOT_LAUNCH
    assert reaches(both)[code] is Reach.SOME_VMS
    assert reaches(alone)[code] is Reach.EVERY_VM
    assert reaches(look(record))[code] is Reach.SOME_VMS
    without_it = look(record, Wanted(backends=(Backend.QEMU,)))
    assert reaches(without_it)[code] is Reach.NOTICE


def test_an_undeclared_capacity_stands_against_every_vm_but_no_machine_can_know_it() -> None:
    record = node("n", without("capacity"))
    told, here = look(record), look(record, seen=Seen.THIS_MACHINE)
    assert told.verdict.answer is Answer.CANNOT_LAUNCH
    assert reaches(told)["CAPACITY_UNDECLARED"] is Reach.EVERY_VM
    assert here.verdict.answer is Answer.CAN_LAUNCH
    assert reaches(here)["CAPACITY_UNDECLARED"] is Reach.NOTICE


def test_a_full_node_can_launch_nothing() -> None:
    claim = ClaimRecord("n", "p", vcpus=8, memory_bytes=2**30)
    told = examine(Sighting(node("n"), Seen.CLUSTER, NOW, [claim]), Wanted())
    assert told.verdict.answer is Answer.CANNOT_LAUNCH
    assert reaches(told)["REJECT_INSUFFICIENT_VCPUS"] is Reach.EVERY_VM


def test_a_taint_concerns_those_that_do_not_tolerate_it() -> None:
    told = look(node("n", taints=(Taint("vms", "only", "NoSchedule"),)))
    assert told.verdict.answer is Answer.CAN_LAUNCH
    assert reaches(told)["REJECT_TAINT_NOT_TOLERATED"] is Reach.SOME_VMS


def test_facts_that_only_are_too_old_are_no_word_about_the_node() -> None:
    told = look(node("n", age_s=500))
    assert told.verdict.answer is Answer.TOO_OLD
    assert told.heartbeat is not None
    assert (told.heartbeat.state, told.heartbeat.proof_age_seconds) == ("Stale", 500)
    broken = node("n", facts("n", capabilities=[capability(KVM, "Unsupported")]), age_s=500)
    assert look(broken).verdict.answer is Answer.CANNOT_LAUNCH


def test_a_node_of_which_nothing_is_known_is_told_as_such() -> None:
    told = look(NodeRecord("n", "uid-n", None, None, 180))
    assert told.verdict.answer is Answer.CANNOT_LAUNCH
    assert reaches(told)["REJECT_TRUTH_MISSING"] is Reach.EVERY_VM


@pytest.mark.parametrize(
    ("renewed", "digest", "told"),
    [(None, "", "NoLease"), (NOW, "sha256:n", "Vouched"), (NOW, "sha256:other", "Other")],
)
def test_whether_somebody_vouches_for_exactly_these_facts_is_told(
    renewed: Any, digest: str, told: str
) -> None:
    sighting = Sighting(node("n"), Seen.CLUSTER, NOW, lease_renewed=renewed, lease_digest=digest)
    heartbeat = examine(sighting, Wanted()).heartbeat
    assert heartbeat is not None
    assert heartbeat.digest == told


def test_probes_that_did_not_answer_alarms_and_constraints_are_problems() -> None:
    probes = [
        {"name": "numa", "outcome": "TimedOut", "reasonCode": "PROBE_FAILED",
         "durationMilliseconds": 3000},
        {"name": "cpu", "outcome": "Succeeded", "durationMilliseconds": 1},
    ]  # fmt: skip
    alarm = {"code": "DISK_PRESSURE", "severity": "Critical", "onsetTime": "2026-11-24T11:00:00Z",
             "message": "no room"}  # fmt: skip
    constraint = {"code": "CONSTRAINT_NO_KVM", "type": "T", "observed": "none", "expected": "KVM"}
    health = {"state": "Warning", "alarms": [alarm]}
    status = facts("n", probes=probes, health=health, constraints=[constraint])
    told = {one.subject: one for one in look(node("n", status)).problems}
    assert (told["probe numa"].state, told["probe numa"].reach) == ("TimedOut", Reach.SOME_VMS)
    assert "probe cpu" not in told
    assert (told["alarm"].code, told["alarm"].reach) == ("DISK_PRESSURE", Reach.SOME_VMS)
    assert told["constraint T"].code == "CONSTRAINT_NO_KVM"


def test_a_capability_that_nobody_could_find_out_is_a_problem_and_a_plain_no_is_none() -> None:
    extra = [
        capability("intel_tdx", "Unknown", reasonCode="X_CODE_OF_LATER", message="cannot be read"),
        capability("amd_sev", "Unsupported", reasonCode="X_CODE_OF_LATER"),
    ]
    status = facts("n", capabilities=[*facts("n")["capabilities"], *extra])
    told = {one.subject: one for one in look(node("n", status)).problems}
    assert told["intel_tdx"].message == "cannot be read"
    assert "amd_sev" not in told


def test_problems_that_concern_most_come_first() -> None:
    record = node("n", without("capacity", probes=[
        {"name": "x", "outcome": "Failed", "durationMilliseconds": 1}
    ]))  # fmt: skip
    wanted = Wanted(backends=(Backend.QEMU,))
    order = [[*Reach].index(one.reach) for one in look(record, wanted).problems]
    assert order == sorted(order)
    assert len(set(order)) == 3


def with_files(record: NodeRecord) -> NodeRecord:
    """Give a node a kernel and a ramdisk that each backend of its architecture boots."""
    assert record.truth is not None
    assert record.truth.status.cpu is not None
    architecture = record.truth.status.cpu.architecture
    form = "ELF" if architecture == "amd64" else "Image"
    files = [
        Artifact(name=kind, kind=kind, format=form, size_bytes=1, architecture=architecture)
        for kind in (ArtifactKind.KERNEL, ArtifactKind.INITRD)
    ]
    status = record.truth.status.model_copy(update={"artifacts": files})
    return replace(record, truth=record.truth.model_copy(update={"status": status}))


@settings(deadline=None)
@given(varied_nodes("n"), st.sampled_from(Acceleration))
def test_the_verdict_is_what_the_decision_says_of_a_vm_whose_files_are_there(
    record: NodeRecord, acceleration: Acceleration
) -> None:
    wanted = Wanted(acceleration, tuple(Backend))
    told = examine(Sighting(record, Seen.CLUSTER, NOW), wanted, EVERY)
    asked = intent(
        runtimeClass="MicroVM",
        acceleration=acceleration.value,
        resources={"vcpus": 1, "memory": "64Mi"},
        boot={"kernel": {"artifact": "Kernel"}, "initrd": {"artifact": "Initrd"}},
        backend={"preference": BACKENDS},
        placement={"maxTruthAgeSeconds": 86400, "tolerations": [{"operator": "Exists"}]},
    )
    decision = decide(Fleet.of([with_files(record)]), asked, now=NOW, policy=EVERY)
    against_all = [one.code for one in told.problems if one.reach is Reach.EVERY_VM]
    can = told.verdict.answer is Answer.CAN_LAUNCH
    assert can == bool(decision.eligible[0]), against_all
    assert can == (not against_all)
    assert can == any(
        one.answer == "Can" for one in told.launches if one.acceleration == acceleration
    )
