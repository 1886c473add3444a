"""What is wanted where the original is wrong (README 5): one function for each row.

A function gets one case and says what is missing of the behaviour that is wanted; the
fields of the defect's aspect are not compared otherwise, all others are.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from schedune.api.vmplacement import PlacementState as S
from schedune.api.vmworkload import Backend, VMWorkload
from schedune.lifecycle.orphans import FoundProcess, Owner, ProcessKey, judge_process
from schedune.lifecycle.transitions import ALLOWED
from schedune_cli.importing.words import ARCHITECTURES, BACKENDS
from schedune_conformance import engine
from schedune_conformance.answer import Answers
from schedune_conformance.corpus import Case
from schedune_conformance.lifecycle import found_process, held_placement, judge
from schedune_conformance.validation import reasons_of, split_reason
from schedune_conformance.words import TELEMETRY, TOKENS
from schedune_conformance.world import node_of

Judge = Callable[[Case, Answers], Iterator[str]]
_ATTEMPT: Final = re.compile(r"cannot transition from (\w+) to (\w+)")


@dataclass(frozen=True)
class Defect:
    """One row of the table of defects."""

    text: str
    """What the case's text must hold."""
    aspect: frozenset[str]
    """The fields that the defect is about."""
    judge: Judge


def eligible_means_launchable(case: Case, answers: Answers) -> Iterator[str]:
    """README 5, row 1: the decision rejects the node, with the launch codes of every backend."""
    if answers.ours["eligible"]:
        yield "eligible: the node cannot launch this, yet it is eligible"
    decision = answers.evidence["decision"]
    reasons = reasons_of(decision, 0, decision.nodes[0].truth.status)
    wanted = case.raw["launch_validation_of_same_workload"]["rejected_backends"]
    for backend, reason in wanted.items():
        code, _ = split_reason(reason)
        if code not in reasons.get(backend, {}):
            yield f"{backend}: {code} is not among {sorted(reasons.get(backend, {}))}"


def the_chosen_node_can_launch(case: Case, answers: Answers) -> Iterator[str]:
    """README 5, row 2: a node that can launch is selected."""
    decision = answers.evidence["decision"]
    chosen = decision.chosen
    if chosen is None:
        yield "nobody is selected"
        return
    name, backend = decision.nodes[chosen].name, decision.backend_on(chosen)
    if name == case.expected["selected_node"]:
        yield f"{name} is selected, which cannot launch"
    against = [one for one in engine.objections(decision, chosen) if one.backend in (None, backend)]
    if against:
        yield f"{name} is selected against {[one.code for one in against]}"


def the_future_is_not_fresh(case: Case, answers: Answers) -> Iterator[str]:
    """README 5, row 3: a timestamp beyond a small clock-skew allowance is not fresh."""
    if answers.ours["eligible"] or TELEMETRY not in answers.evidence["families"]:
        yield "facts from the future are believed"


def preference_takes_part_in_placement(case: Case, answers: Answers) -> Iterator[str]:
    """README 5, row 4: preference and fallback decide which backends are asked."""
    intent = case.raw["intent"]
    first = BACKENDS[intent["runtime_backend_preference"]]
    tried = answers.evidence["decision"].intent.backends
    if tried[0] is not first or (len(tried) > 1) != bool(intent.get("allow_backend_fallback")):
        yield f"{[one.value for one in tried]} are tried, {first.value} is preferred"
    launchable = [one for one in tried if _stands_nothing_against(one, answers)]
    if answers.ours["eligible"] != bool(launchable):
        yield f"eligible is {answers.ours['eligible']}, launchable are {launchable}"


def _stands_nothing_against(backend: Backend, answers: Answers) -> bool:
    return all(one.backend not in (None, backend) for one in answers.evidence["objections"])


def the_image_says_for_which_architecture(case: Case, answers: Answers) -> Iterator[str]:
    """README 5, row 5: the architecture of the image is a constraint inside the decision."""
    wanted = ARCHITECTURES[case.raw["template"]["architecture"]].value
    decision = answers.evidence["decision"]
    for index, node in enumerate(decision.nodes):
        codes = {one.code for one in engine.objections(decision, index)}
        held = node.truth.status.cpu.architecture
        if (held != wanted) != ("REJECT_ARCHITECTURE_MISMATCH" in codes):
            yield f"{node.name} is {held}, wanted is {wanted}: {codes}"
    if answers.ours["status"] == "Ready":
        chosen = answers.ours["selected_node"]
        if chosen == case.expected["selected_node"]:
            yield f"{chosen} is selected, which is of another architecture"


def health_and_freshness_are_asked(case: Case, answers: Answers) -> Iterator[str]:
    """README 5, row 6: health and freshness are checked before a launch is called valid."""
    held = {one.code for one in answers.evidence["objections"]}
    wanted = {"REJECT_NODE_UNHEALTHY", "REJECT_NODE_HEALTH_UNKNOWN", TELEMETRY}
    if answers.ours["eligible"] or not held & wanted:
        yield f"the launch is judged without health and freshness: {sorted(held)}"


def unsafe_ids_are_refused(case: Case, answers: Answers) -> Iterator[str]:
    """README 5, row 7: an unsafe id is refused, at the latest by the API's schema."""
    yield from _must_be_refused("workload_id", answers)


def networks_are_validated(case: Case, answers: Answers) -> Iterator[str]:
    """README 5, row 8: networks are validated, in the schema and on the host."""
    if "refused" in answers.evidence:
        yield from _must_be_refused("networks", answers)
        return
    (envelope,) = case.envelopes()
    workload = answers.evidence["workload"]
    node = node_of(envelope, workload.model_copy(
        update={"spec": workload.spec.model_copy(update={"networks": []})}
    ))  # fmt: skip
    decision = engine.decide_on([node], workload, answers.evidence["decision"].now)
    if decision.eligible[0]:
        yield "a node without the bridge is eligible"


def _must_be_refused(field: str, answers: Answers) -> Iterator[str]:
    problems = answers.evidence.get("refused", ())
    if not any(one.field.startswith(field) and one.remedy for one in problems):
        yield f"{field} is not refused: {problems}"


def stale_evidence_has_its_own_code(case: Case, answers: Answers) -> Iterator[str]:
    """README 5, row 9: stale evidence is told apart from missing, with a remedy."""
    stale = [one for one in answers.evidence["objections"] if "STALE" in one.code]
    if not any(one.reason.row.remedy for one in stale):
        yield f"nothing says stale: {sorted({one.code for one in answers.evidence['objections']})}"


def everything_reaches_the_launch(case: Case, answers: Answers) -> Iterator[str]:
    """README 5, row 10: all disks, read_only, networks and security arrive, or are refused."""
    spec, workload = case.raw["spec"], answers.evidence["workload"]
    assert isinstance(workload, VMWorkload)
    found = {one.source.host_path: one for one in workload.spec.disks}
    for volume in spec.get("storage") or []:
        disk = found.get(volume["host_path"])
        if disk is None or (disk.access == "ReadOnly") != bool(volume.get("read_only")):
            yield f"{volume} arrives as {disk}"
    addresses = [one.get("mac_address", "") for one in spec.get("networks") or []]
    if addresses != [one.tap.mac_address or "" for one in workload.spec.networks if one.tap]:
        yield f"networks arrive as {workload.spec.networks}"
    profile = (spec.get("security") or {}).get("seccomp_profile")
    required = workload.spec.placement.required_capabilities
    if bool(profile) != ("kernel_seccomp_supported" in required):
        yield f"seccomp arrives as {required}"


def table_and_reconciler_agree(case: Case, answers: Answers) -> Iterator[str]:
    """README 5, row 11: what the reconciler needs is in the table, and it asks for no more."""
    if case.kind == "transition":
        if not answers.ours["allowed"]:
            yield f"no move from {case.raw['from']} to {case.raw['to']}"
        return
    before, step = S(case.raw["record"]["state"]), answers.evidence["step"]
    if step.reason is None or step.state not in ALLOWED[before]:
        yield f"the record sticks in {before}"
    attempt = _ATTEMPT.search(case.expected["error"])
    wanted = S(attempt[2]) if attempt else S.UNKNOWN
    if wanted not in ALLOWED[before]:
        wanted = S.UNKNOWN
    if step.state is not wanted:
        yield f"from {before} to {step.state}, wanted is {wanted}"


def without_a_pid_a_vm_is_unknown(case: Case, answers: Answers) -> Iterator[str]:
    """README 5, row 12: Unknown until there is positive evidence."""
    if answers.ours["state"] != "Unknown":
        yield f"a record without a pid becomes {answers.ours['state']}"
    if answers.ours["codes"] != ["ERR_RECONCILE_PROCESS_MISSING"]:
        yield f"its code is {answers.ours['codes']}"


def marker_and_comparison_use_one_id(case: Case, answers: Answers) -> Iterator[str]:
    """README 5, row 13: a process carries the id that it is compared by.

    The process of the case belongs to the record that the original finds by its number;
    started by us it would carry that record's id, and be found by it under any number.
    """
    owner = case.expected["execution_id"]
    held = [held_placement(one) for one in case.raw["records"]]
    process = found_process(case.raw["proc"])
    marked = FoundProcess(ProcessKey(process.key.pid + 1, 1, ""), process.backend, owner)
    if owner and judge_process(marked, held) != Owner(owner):
        yield f"a process with the marker {owner} is not found by it"
    if answers.ours["matched"]:
        yield "a marker of no placement is matched by a mere number"


def kvm_is_what_a_launch_needs(case: Case, answers: Answers) -> Iterator[str]:
    """README 5, row 14: usable KVM is ``kvm_vm_launch``, Supported and fresh."""
    held = {one.name: one.state.value for one in answers.evidence["facts"].capabilities}
    wanted = held.get("kvm_vm_launch") == "Supported" and case.expected["is_fresh"]
    if answers.evidence["can_run_kvm"] != wanted:
        yield f"KVM is called {answers.evidence['can_run_kvm']}, the node says {held}"


def firecracker_is_a_backend_like_others(case: Case, answers: Answers) -> Iterator[str]:
    """README 5, row 15: Firecracker is executed, and has a readiness rule."""
    if case.kind == "readiness":
        ours, like = judge(case, Backend.FIRECRACKER), judge(case, Backend.QEMU)
        if (ours.liveness, ours.readiness) != (like.liveness, like.readiness):
            yield f"Firecracker is judged {ours}, QEMU {like}"
    elif not answers.ours["eligible"] or answers.ours["selected_backend"] != "firecracker":
        told = sorted({one.code for one in answers.evidence["objections"]})
        yield f"a launch by {TOKENS[Backend.FIRECRACKER]} is refused: {told}"


def _defect(text: str, judge: Judge, *aspect: str) -> Defect:
    return Defect(text, frozenset(aspect), judge)


_LAUNCH: Final = (
    "eligible", "codes", "selected_backend", "rejected_backends", "evidence", "remediation_hints",
)  # fmt: skip
_PLAN: Final = ("status", "selected_node", "selected_backend", "codes", "rejected")
_DEFECTS: Final = (
    _defect("cannot be launched on this node", eligible_means_launchable, "eligible"),
    _defect("has no VMM binary", the_chosen_node_can_launch),
    _defect("future timestamps", the_future_is_not_fresh, "eligible", "codes", "freshness_ok"),
    _defect("never read", preference_takes_part_in_placement, "eligible"),
    _defect("intent any + template", the_image_says_for_which_architecture, *_PLAN),
    _defect("does not look at health", health_and_freshness_are_asked, *_LAUNCH),
    _defect("ERR_LAUNCH_UNSAFE_WORKLOAD_ID is never raised", unsafe_ids_are_refused, *_LAUNCH),
    _defect("network type/host device not validated", networks_are_validated, *_LAUNCH),
    _defect(
        "stale evidence reported as missing", stale_evidence_has_its_own_code,
        "codes", "rejected_backends", "evidence", "remediation_hints",
    ),
    _defect("are all dropped", everything_reaches_the_launch),
    _defect(
        "the table forbids a move", table_and_reconciler_agree, "allowed",
    ),
    _defect(
        "its own table forbids", table_and_reconciler_agree, "state", "codes", "has_error",
    ),
    _defect(
        "a record without a pid", without_a_pid_a_vm_is_unknown,
        "state", "codes", "has_error", "runtime_readiness",
    ),
    _defect(
        "marker in argv is the workload id", marker_and_comparison_use_one_id,
        "matched", "execution_id", "classification", "codes",
    ),
    _defect("look at capability kvm_virtualization", kvm_is_what_a_launch_needs),
    _defect(
        "scope limit", firecracker_is_a_backend_like_others, *_LAUNCH, "liveness", "readiness",
    ),
)  # fmt: skip


def defect_of(text: str) -> Defect | None:
    """Return the row that a case's text belongs to; None: there is none."""
    return next((one for one in _DEFECTS if one.text in text), None)
