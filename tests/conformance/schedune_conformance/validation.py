"""The kind validate_launch: one launch spec on one node, all backends judged."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from schedune.api.nodetruth import NodeTruthStatus
from schedune.api.vmworkload import BackendPolicy, BackendVersion, VMWorkload
from schedune.launch.version import parse_version
from schedune_cli.importing.documents import import_document
from schedune_cli.importing.notes import Imported
from schedune_conformance import engine
from schedune_conformance.answer import Answers, NotExpressibleError
from schedune_conformance.corpus import Case, Document
from schedune_conformance.decisions import POLICY, decide_case
from schedune_conformance.lifecycle import moment
from schedune_conformance.words import (
    BACKEND_CODES,
    BINARIES,
    CAPABILITIES,
    GENERIC_CODES,
    SECCOMP,
    SECCOMP_CODE,
    TOKENS,
)

_NO_BACKEND: Final = "ERR_LAUNCH_BACKEND_NOT_SUPPORTED"
_VERSION: Final = "ERR_LAUNCH_RUNTIME_VERSION"
Reasons = Mapping[str, Mapping[str, str]]
"""Backend -> code in the original's words -> the reason code of the capability behind it."""


def answer_validate_launch(case: Case) -> Answers:
    """Validate a launch by deciding about its node alone.

    Raises:
        NotExpressibleError: the original takes what our API cannot hold.
    """
    expected = case.expected
    wanted = {
        "eligible": expected["eligible"],
        "codes": expected["codes"],
        "selected_backend": expected["selected_backend"],
        "rejected_backends": {
            backend: split_reason(reason)
            for backend, reason in expected["rejected_backends"].items()
        },
        "evidence": sorted(_expected_evidence(expected["evidence"])),
        "remediation_hints": sorted(expected["remediation_hints"]),
    }
    workload = launch_workload(case.raw["spec"])
    if not isinstance(workload, VMWorkload):
        if expected["eligible"] and not case.defect:
            raise NotExpressibleError(f"README 7: no VMWorkload can say this: {workload}")
        ours = {"eligible": False, "codes": [], "selected_backend": ""}
        return Answers(wanted, ours, {"refused": workload})
    decision = decide_case(case, workload)
    facts = _facts(decision)
    reasons = reasons_of(decision, 0, facts)
    eligible = bool(decision.eligible[0])
    ours = {
        "eligible": eligible,
        "codes": sorted({*_generic(decision), *_selectable(decision, reasons)}),
        "selected_backend": TOKENS[decision.backend_on(0)] if eligible else "",
        "rejected_backends": reasons,
        "evidence": sorted(_evidence(case, reasons, facts)),
        "remediation_hints": [],
    }
    objections = engine.objections(decision, 0)
    evidence = {"decision": decision, "objections": objections, "workload": workload}
    return Answers(wanted, ours, {**evidence, "reasons": reasons})


def split_reason(reason: str) -> tuple[str, str]:
    """Take ``CODE (CAP_X)`` apart: the two are compared separately (README 6.4)."""
    code, _, bracket = reason.partition(" (")
    return code, bracket.rstrip(")")


def launch_workload(spec: Document) -> VMWorkload | object:
    """Import a launch spec; a version that the API cannot hold is put in below it (README 7).

    Raises:
        NotExpressibleError: the runtime class is none of ours.
    """
    if spec["runtime_class"] == "Container":
        raise NotExpressibleError("README 7: runtime_class Container")
    found = import_document(spec, POLICY)
    if isinstance(found, Imported):
        return found.manifest
    demand = spec.get("runtime_version") or {}
    unreadable = {key: text for key, text in demand.items() if text and not parse_version(text)}
    if not unreadable:
        return found
    rest = {key: text for key, text in demand.items() if key not in unreadable}
    plain = import_document({**spec, "runtime_version": rest}, POLICY)
    if not isinstance(plain, Imported) or not isinstance(plain.manifest, VMWorkload):
        return plain
    return _demanding(plain.manifest, unreadable)


def _demanding(workload: VMWorkload, versions: Mapping[str, str]) -> VMWorkload:
    minimum, exact = versions.get("minimum_version"), versions.get("exact_version")
    demands = [
        BackendVersion.model_construct(name=one, minimum=minimum, exact=exact)
        for one in engine.read_intent(workload).backends
    ]
    preference = workload.spec.backend.preference if workload.spec.backend else None
    policy = BackendPolicy.model_construct(preference=preference, versions=demands)
    spec = workload.spec.model_copy(update={"backend": policy})
    return workload.model_copy(update={"spec": spec})


def _facts(decision: engine.Judged) -> NodeTruthStatus:
    truth = decision.nodes[0].truth
    assert truth is not None
    return truth.status


def reasons_of(decision: engine.Judged, index: int, facts: NodeTruthStatus) -> Reasons:
    """Return, for each backend that was tried, every reason against it."""
    held = {one.name: one.reason_code for one in facts.capabilities}
    found: dict[str, dict[str, str]] = {}
    for backend in decision.intent.backends:
        token = TOKENS[backend]
        for objection in engine.objections(decision, index):
            code = BACKEND_CODES.get(objection.code, objection.code)
            if objection.backend is backend or objection.code in BACKEND_CODES:
                capability = capability_behind(code, token)
                found.setdefault(token, {})[code] = held.get(capability, "")
    return found


def capability_behind(code: str, token: str) -> str:
    """Return the capability that a code against a backend speaks of; "": none."""
    if code.startswith(_VERSION):
        return BINARIES[token]
    return CAPABILITIES.get(code, "")


def _generic(decision: engine.Judged) -> Iterable[str]:
    for objection in engine.objections(decision, 0):
        if objection.code in GENERIC_CODES:
            yield GENERIC_CODES[objection.code]
        elif objection.reason.subject == SECCOMP:
            yield SECCOMP_CODE


def _selectable(decision: engine.Judged, reasons: Reasons) -> Iterable[str]:
    """Say that no backend is selectable where there is a reason against every one (6.3)."""
    if all(TOKENS[one] in reasons for one in decision.intent.backends):
        yield _NO_BACKEND


def _expected_evidence(found: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, ...]]:
    for one in found:
        stale = one.get("capability_stale")
        yield (
            one["backend"], one["reason_code"], one.get("capability_name") or "",
            one.get("capability_state") or "", "" if stale is None else str(stale),
        )  # fmt: skip


def _evidence(case: Case, reasons: Reasons, facts: NodeTruthStatus) -> Iterable[tuple[str, ...]]:
    held = {one.name: one for one in facts.capabilities}
    for token, codes in reasons.items():
        for code in codes:
            name = capability_behind(code, token)
            record = held.get(name)
            stale = "" if record is None else str(engine.is_stale(record, moment(case.now)))
            yield token, code, name, record.state.value if record else "", stale
