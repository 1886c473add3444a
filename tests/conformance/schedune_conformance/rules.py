"""The differences that the corpus's README allows: one function for each.

A rule is asked about one field of one case whose answers differ, and says whether its
section allows that. Rules look at kinds, fields and answers, never at names of cases.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from schedune_conformance.answer import Answers
from schedune_conformance.words import FAMILIES, HINTS, TELEMETRY

Rule = Callable[[str, str, Answers], bool]
_DECISIONS: Final = ("evaluate", "schedule", "plan")
_NO_BACKEND: Final = "ERR_LAUNCH_BACKEND_NOT_SUPPORTED"
_OF_A_TARGET: Final = ("status", "selected_node", "selected_backend", "codes", "rejected")
_MISSING: Final = "ERR_LAUNCH_MISSING_ARTIFACT"
_ABSENT: Final = ("REJECT_ARTIFACT_MISSING", "REJECT_ARTIFACT_UNKNOWN")
_OF_A_CAPABILITY: Final = "_probe"
"""How the original names what is old: the capability and this (upstream 5)."""


def codes_of_the_seven_families_only(kind: str, field: str, answers: Answers) -> bool:
    """README 6.1: restrict our answer to the seven families of the original.

    An evaluate-all decision gives codes of other stages too: capacity, launchability.
    """
    if kind not in _DECISIONS or "families" not in answers.evidence:
        return False
    return _agree_by_family(kind, field, answers) and not _holds_finer_code(answers)


def finer_code_of_a_family(kind: str, field: str, answers: Answers) -> bool:
    """README 6, last paragraph: unknown and unavailable apart from missing, a constraint
    as a parameter, staleness with a code of its own; the verdict is the same.
    """
    if kind not in _DECISIONS or "families" not in answers.evidence:
        return False
    return _agree_by_family(kind, field, answers) and _holds_finer_code(answers)


def _agree_by_family(kind: str, field: str, answers: Answers) -> bool:
    families, expected = answers.evidence["families"], answers.expected[field]
    if kind == "evaluate":
        told: dict[str, Any] = {"codes": sorted(families), "eligible": not families}
        return field in told and bool(told[field] == expected)
    rejected = {name: sorted(found) for name, found in families.items() if found}
    ranked = sorted(families.keys() - rejected.keys())
    told = {"rejected": rejected, "ranked": ranked, "eligible": bool(ranked)}
    if kind == "plan":
        told = {"rejected": rejected}
    return field in told and bool(told[field] == expected)


def staleness_is_judged_where_it_is_needed(kind: str, field: str, answers: Answers) -> bool:
    """README 6, last paragraph: staleness judged per capability that the intent needs.

    The original calls a node stale for any old capability. Here an old one counts where it
    is relied upon; one that says no is no, and the verdict is the same.
    """
    stale = answers.evidence.get("stale") or {""}
    if not all(one.endswith(_OF_A_CAPABILITY) for one in stale):
        return False
    if kind == "explain":
        return field == "is_fresh" and answers.expected[field] is False
    if kind != "evaluate" or answers.expected["eligible"] or answers.ours["eligible"]:
        return False
    if field == "freshness_ok":
        return answers.expected[field] is False
    families = answers.evidence["families"]
    return field == "codes" and {*answers.expected[field]} - families == {TELEMETRY}


def _holds_finer_code(answers: Answers) -> bool:
    """Say whether any code of ours belongs to a family of another name."""
    ours = answers.ours.get("codes") or _flat(answers.ours.get("rejected", {}).values())
    return any(FAMILIES.get(code, code) != code for code in ours)


def _flat(lists: Iterable[Iterable[str]]) -> list[str]:
    return [one for found in lists for one in found]


def further_codes_that_are_true(kind: str, field: str, answers: Answers) -> bool:
    """README 6.2: every expected code and reason must be there, further ones may be."""
    if kind != "validate_launch" or "reasons" not in answers.evidence:
        return False
    expected, ours = answers.expected[field], answers.ours.get(field)
    if field == "codes":
        in_force = {*expected} - {_NO_BACKEND}
        return not answers.expected["eligible"] and in_force <= {*(ours or ())}
    if field == "rejected_backends":
        return _reasons_are_among_ours(expected, answers.evidence["reasons"])
    return field == "evidence" and {*expected} <= {*(ours or ())}


def _reasons_are_among_ours(expected: Any, reasons: Any) -> bool:
    return all(
        code in reasons.get(backend, {}) and bracket == reasons[backend][code]
        for backend, (code, bracket) in expected.items()
    )


def no_backend_is_selectable(kind: str, field: str, answers: Answers) -> bool:
    """README 6.3: ``ERR_LAUNCH_BACKEND_NOT_SUPPORTED`` is "every backend has its reasons"."""
    if field != "codes" or answers.expected["codes"] != [_NO_BACKEND]:
        return False
    if kind == "validate_launch":
        reasons = answers.evidence.get("reasons", {})
        return not answers.ours["eligible"] and bool(reasons)
    return kind == "plan" and answers.ours["status"] == "Rejected" and bool(answers.ours["codes"])


def remedies_come_with_the_codes(kind: str, field: str, answers: Answers) -> bool:
    """README 3, upstream 9.4: a hint's key stands for a cause; here every cause that is
    given carries its own remedy, and that of each key must be given.
    """
    if (kind, field) != ("validate_launch", "remediation_hints"):
        return False
    objections = answers.evidence.get("objections", ())
    reasons = answers.evidence.get("reasons", {})
    given = {code for codes in reasons.values() for code in codes} | {*answers.ours["codes"]}
    wanted = [HINTS[key] for key in answers.expected[field]]
    return all(one.reason.row.remedy for one in objections) and {*wanted} <= given


def not_scheduled_is_validation_failed(kind: str, field: str, answers: Answers) -> bool:
    """README 6.5: "not scheduled, with launch codes" is ``ValidationFail`` here."""
    if kind != "plan" or answers.expected["status"] != "ValidationFail":
        return False
    rejected = answers.ours["status"] == "Rejected" and bool(answers.ours["codes"])
    return rejected and field in ("status", "selected_node")


def contradicting_parts_are_refused(kind: str, field: str, answers: Answers) -> bool:
    """README 6.5 and 7: one object cannot contradict itself; the importer refuses two."""
    if kind != "plan" or answers.expected["status"] != "Conflict":
        return False
    return field == "status" and "refused" in answers.evidence


def a_target_is_a_demand(kind: str, field: str, answers: Answers) -> bool:
    """README 5, last line, with upstream 16 D-B6: a target is a constraint, not a check.

    The original calls a plan Conflict whose target is not the first of its ranking; here
    it is placed there, or nowhere.
    """
    if kind != "plan" or answers.expected["status"] != "Conflict":
        return False
    target = answers.evidence.get("target")
    on_target = answers.ours["selected_node"] in (None, target)
    return bool(target) and on_target and field in _OF_A_TARGET


def refused_by_the_schema(kind: str, field: str, answers: Answers) -> bool:
    """README 6, last paragraph: what the API's schema refuses needs no later code."""
    refused = "refused" in answers.evidence and answers.expected.get("eligible") is False
    return refused and kind != "plan" and field != "eligible"


def moves_without_a_code_have_one_here(kind: str, field: str, answers: Answers) -> bool:
    """README 3: a trace's wording is informative; here every move has a code, also a good
    one. The codes of failure and recovery must be the same.
    """
    if (kind, field) != ("reconcile", "codes"):
        return False
    told = [one for one in answers.ours["codes"] if one.startswith(("ERR_", "RECOVERY_"))]
    return bool(told == answers.expected["codes"])


def an_absent_file_has_its_own_code(kind: str, field: str, answers: Answers) -> bool:
    """README 6.2 and last paragraph: an artefact that is not on the node, or of which nobody
    knows (a path), is named by a finer code than "no artefact"; the verdict is the same,
    and further codes may be there.
    """
    if (kind, field) != ("agent_prepare", "codes"):
        return False
    ours = [_MISSING if one in _ABSENT else one for one in answers.ours["codes"]]
    return not answers.expected["eligible"] and {*answers.expected["codes"]} <= {*ours}


def doubles_count_once(kind: str, field: str, answers: Answers) -> bool:
    """README 7: lists that are sets hold nothing twice."""
    if (kind, field) != ("evaluate", "matched_features"):
        return False
    return {*answers.expected[field]} == {*answers.ours[field]}


RULES: Final[tuple[Rule, ...]] = (
    codes_of_the_seven_families_only,
    finer_code_of_a_family,
    staleness_is_judged_where_it_is_needed,
    further_codes_that_are_true,
    no_backend_is_selectable,
    remedies_come_with_the_codes,
    not_scheduled_is_validation_failed,
    contradicting_parts_are_refused,
    a_target_is_a_demand,
    refused_by_the_schema,
    moves_without_a_code_have_one_here,
    an_absent_file_has_its_own_code,
    doubles_count_once,
)
"""Asked in this order; the first that allows a difference is counted."""
