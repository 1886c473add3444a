"""Compare one case: equal, allowed to differ by a rule, not expressible, or wrong."""

import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from schedune_conformance import decisions, launches, lifecycle, nodes, validation, versions
from schedune_conformance.answer import Answers, NotExpressibleError, Result
from schedune_conformance.corpus import Case
from schedune_conformance.defects import defect_of
from schedune_conformance.rules import RULES

ANSWERS: Final[Mapping[str, Callable[[Case], Answers]]] = {
    "agent_prepare": launches.answer_agent_prepare,
    "bootstrap": lifecycle.answer_bootstrap,
    "evaluate": decisions.answer_evaluate,
    "explain": nodes.answer_explain,
    "orphan": lifecycle.answer_orphan,
    "parse_version": versions.answer_parse_version,
    "plan": decisions.answer_plan,
    "prepare": launches.answer_prepare,
    "project": nodes.answer_project,
    "readiness": lifecycle.answer_readiness,
    "reconcile": lifecycle.answer_reconcile,
    "schedule": decisions.answer_schedule,
    "socket_path": versions.answer_socket_path,
    "transition": lifecycle.answer_transition,
    "validate_launch": validation.answer_validate_launch,
    "version": versions.answer_version,
}


def compare(case: Case) -> Result:
    """Return how our answer to a case stands to the original's; to crash is to fail."""
    try:
        return _compare(case, ANSWERS[case.kind](case))
    except NotExpressibleError as error:
        return Result(skipped=str(error))
    except Exception:  # noqa: BLE001 - one case must not hide the others
        return Result((traceback.format_exc(),))


def _compare(case: Case, answers: Answers) -> Result:
    failures: list[str] = []
    used: list[str] = []
    excused: frozenset[str] = frozenset()
    if case.defect:
        defect = defect_of(case.defect)
        if defect is None:
            return Result((f"no rule says what is wanted instead of: {case.defect}",))
        excused = defect.aspect
        failures += defect.judge(case, answers)
        used.append(defect.judge.__name__)
    for name in answers.expected.keys() - excused:
        rule = _allowing_rule(case, name, answers)
        if rule is None:
            expected, ours = answers.expected[name], answers.ours.get(name)
            failures.append(f"{name}: the original says {expected!r}, we say {ours!r}")
        elif rule:
            used.append(rule)
    return Result(tuple(sorted(failures)), tuple(used))


def _allowing_rule(case: Case, name: str, answers: Answers) -> str | None:
    """Return the rule that allows a difference; "": there is none to allow; None: none does."""
    if answers.expected[name] == answers.ours.get(name):
        return ""
    for rule in RULES:
        if rule(case.kind, name, answers):
            return rule.__name__
    return None


def count_outcomes(cases: Iterable[tuple[Case, Result]]) -> Mapping[str, Counter[str]]:
    """Count outcomes per kind."""
    table: dict[str, Counter[str]] = {}
    for case, result in cases:
        table.setdefault(case.kind, Counter())[result.outcome] += 1
    return table
