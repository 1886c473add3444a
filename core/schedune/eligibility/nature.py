"""Is the node of the kind that the guest needs?"""

from collections.abc import Iterable
from functools import partial

from schedune.api.vmworkload import Architecture
from schedune.codes import eligibility as codes
from schedune.codes import placement
from schedune.codes.row import Reason
from schedune.eligibility.finding import Finding, Question
from schedune.fleet.profile import NodeProfile
from schedune.fleet.view import View


def check_architecture(question: Question) -> Iterable[Finding]:
    """Object to another architecture than the intent's, and to an unknown one."""
    view, wanted = question.view, question.intent.architecture
    yield Finding(
        "architecture",
        codes.ARCHITECTURE_UNKNOWN,
        view.known & view.ask("architecture", lambda one: one == ""),
        lambda at: Reason(codes.ARCHITECTURE_UNKNOWN, "unknown", wanted.value),
        change=lambda at: "its architecture is known",
    )
    if wanted is Architecture.ANY:
        return
    yield Finding(
        "architecture",
        codes.ARCHITECTURE_MISMATCH,
        view.known & view.ask("architecture", lambda one: one not in ("", wanted.value)),
        lambda at: Reason(codes.ARCHITECTURE_MISMATCH, _architecture(view.node(at)), wanted.value),
        change=lambda at: f"architecture is {_architecture(view.node(at))} or Any (asked {wanted})",
        words=lambda: view.codes(view.fleet.coded["architecture"]),
    )


def _architecture(node: NodeProfile) -> str:
    return node.facts.architecture if node.facts else ""


def check_class(question: Question) -> Iterable[Finding]:
    """Object to a compatibility class that the intent does not accept, and to none."""
    accepted = question.intent.spec.placement.compatibility_classes
    if not accepted:
        return
    view, wanted = question.view, " or ".join(accepted)

    def found(at: int) -> str:
        facts = view.node(at).facts
        return (facts.node_class if facts else None) or "unknown"

    yield Finding(
        "compatibilityClass",
        placement.CLASS_UNKNOWN,
        view.known & view.ask("node_class", lambda one: one is None),
        lambda at: Reason(placement.CLASS_UNKNOWN, "unknown", wanted),
        change=lambda at: "its compatibility class is known",
    )
    yield Finding(
        "compatibilityClass",
        placement.CLASS_MISMATCH,
        view.known & view.ask("node_class", lambda one: one is not None and one not in accepted),
        lambda at: Reason(placement.CLASS_MISMATCH, found(at), wanted),
        change=lambda at: f"compatibilityClasses accept {found(at)} (asked {wanted})",
        words=lambda: view.codes(view.fleet.coded["node_class"]),
    )


def check_constraints(question: Question) -> Iterable[Finding]:
    """Object, for each constraint that the intent forbids, where the node carries it."""
    view = question.view
    for code in dict.fromkeys(question.intent.spec.placement.forbidden_constraints):
        yield Finding(
            f"forbiddenConstraint/{code}",
            placement.FORBIDDEN_CONSTRAINT,
            view.known & view.ask("constraints", partial(_carries, code)),
            partial(_constraint, view, code),
            change=partial(_not_forbidden, code),
        )


def _carries(code: str, held: tuple[tuple[str, str], ...]) -> bool:
    return any(one == code for one, _ in held)


def _constraint(view: View, code: str, at: int) -> Reason:
    facts = view.node(at).facts
    seen = dict(facts.constraints).get(code, "") if facts else ""
    return Reason(placement.FORBIDDEN_CONSTRAINT, seen, "absent", code)


def _not_forbidden(code: str, _at: int) -> str:
    return f"{code} is not forbidden"
