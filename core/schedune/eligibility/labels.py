"""Does the Kubernetes Node carry the labels that the intent asks for, and no taint it minds?"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final

import numpy as np

from schedune.api.vmworkload import NodeSelectorTerm, SelectorRequirement, Toleration
from schedune.codes import eligibility as codes
from schedune.codes import placement
from schedune.codes.row import Reason
from schedune.eligibility.finding import Finding, Question
from schedune.fleet.column import Column, Mask
from schedune.fleet.node import Taint
from schedune.fleet.view import View
from schedune.launch.intent import Intent

_HARD: Final = ("NoSchedule", "NoExecute")


def check_selector(question: Question) -> Iterable[Finding]:
    """Object where a label of the node selector is missing or different."""
    view = question.view
    for key, wanted in sorted(question.intent.spec.placement.node_selector.items()):
        reason = partial(_selector_reason, view, key, wanted)
        yield Finding(
            f"nodeSelector/{key}",
            codes.SELECTOR_MISMATCH,
            view.ask_keyed("label", key, partial(_differs, wanted)),
            reason,
            change=partial(_selector_change, reason),
            words=partial(_alike, view, [key]),
        )


def _differs(wanted: str, value: str | None) -> bool:
    return value != wanted


def _selector_reason(view: View, key: str, wanted: str, at: int) -> Reason:
    return Reason(codes.SELECTOR_MISMATCH, label(view, key, at), f"{key}={wanted}")


def _selector_change(reason: Callable[[int], Reason], at: int) -> str:
    told = reason(at)
    return f"nodeSelector accepts {told.observed} (asked {told.required})"


def label(view: View, key: str, at: int) -> str:
    """Write a node's label as people do."""
    labels = view.node(at).labels
    return f"{key}={labels[key]}" if key in labels else f"no {key}"


def accepted_labels(view: View, intent: Intent) -> Mask:
    """Say which rows have the labels of the node selector and of the required affinity."""
    masks = [
        ~view.ask_keyed("label", key, partial(_differs, wanted))
        for key, wanted in intent.spec.placement.node_selector.items()
    ]
    terms = _required_terms(intent)
    return np.asarray(np.logical_and.reduce([view.every(), *masks, _holds(view, terms)]), np.bool_)


def _required_terms(intent: Intent) -> Sequence[NodeSelectorTerm]:
    affinity = intent.spec.placement.node_affinity
    return affinity.required.node_selector_terms if affinity and affinity.required else ()


def _holds(view: View, terms: Sequence[NodeSelectorTerm]) -> Mask:
    """Say where one of the terms holds; everywhere, if there is none."""
    if not terms:
        return view.every()
    return np.asarray(np.logical_or.reduce([term_holds(view, term) for term in terms]), np.bool_)


def check_affinity(question: Question) -> Iterable[Finding]:
    """Object where no term of the required affinity holds."""
    view, terms = question.view, _required_terms(question.intent)
    if not terms:
        return
    holds = _holds(view, terms)
    keys = sorted({one.key for term in terms for one in term.match_expressions})
    wanted = " or ".join(_tell_term(term) for term in terms)
    yield Finding(
        "nodeAffinity",
        placement.AFFINITY_MISMATCH,
        np.asarray(~holds, np.bool_),
        lambda at: Reason(
            placement.AFFINITY_MISMATCH,
            ", ".join(label(view, key, at) for key in keys) or "nothing",
            wanted,
        ),
        change=lambda at: (
            "nodeAffinity accepts "
            + (", ".join(label(view, key, at) for key in keys) or "the node")
            + f" (asked {wanted})"
        ),
        words=partial(_alike, view, keys),
    )


def _alike(view: View, keys: Sequence[str]) -> Column:
    """Give rows with the same values of all these labels the same number."""
    alike = np.zeros(len(view), np.int64)
    for key in keys:
        column = view.fleet.keyed("label", key)
        alike = alike * max(len(column.values), 1) + view.codes(column)
        alike = np.unique(alike, return_inverse=True)[1]
    return alike


def term_holds(view: View, term: NodeSelectorTerm) -> Mask:
    """Say on which rows all demands of a term hold; one without demands holds nowhere."""
    if not term.match_expressions:
        return view.none()
    masks = [
        view.ask_keyed("label", one.key, partial(requirement_holds, one))
        for one in term.match_expressions
    ]
    return np.asarray(np.logical_and.reduce(masks), np.bool_)


def requirement_holds(one: SelectorRequirement, value: str | None) -> bool:
    """Compare a label as a Pod's node affinity does."""
    match one.operator:
        case "In":
            return value in one.values
        case "NotIn":
            return value not in one.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt":
            return _compares(one, value)


def _compares(one: SelectorRequirement, value: str | None) -> bool:
    """Both sides must be whole numbers, and there is exactly one to compare with."""
    try:
        found, (limit,) = int(value or ""), [int(text) for text in one.values]
    except ValueError:
        return False
    return found > limit if one.operator == "Gt" else found < limit


def _tell_term(term: NodeSelectorTerm) -> str:
    told = [
        f"{one.key} {one.operator} {','.join(one.values)}".rstrip()
        for one in term.match_expressions
    ]
    return " and ".join(told) or "nothing"


def check_taints(question: Question) -> Iterable[Finding]:
    """Object to each taint that keeps the workload away and is not tolerated."""
    view, tolerations = question.view, question.intent.spec.placement.tolerations
    column = view.fleet.coded["taints"]
    taints = {taint for held in column.values for taint in held if taint.effect in _HARD}
    for taint in sorted(taints, key=str):
        if any(tolerates(one, taint) for one in tolerations):
            continue
        objects = view.ask("taints", partial(_has, taint))
        if objects.any():
            yield Finding(
                f"taint/{taint}",
                codes.TAINT_NOT_TOLERATED,
                objects,
                partial(_taint_reason, taint),
                change=partial(_taint_change, taint),
            )


def _has(taint: Taint, held: tuple[Taint, ...]) -> bool:
    return taint in held


def _taint_reason(taint: Taint, _at: int) -> Reason:
    return Reason(codes.TAINT_NOT_TOLERATED, str(taint), "no such taint")


def _taint_change(taint: Taint, _at: int) -> str:
    return f"tolerations accept {taint}"


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    """Compare as Kubernetes does for Pods."""
    if toleration.effect is not None and toleration.effect != taint.effect:
        return False
    if not toleration.key:
        return toleration.operator == "Exists"
    if toleration.key != taint.key:
        return False
    return toleration.operator == "Exists" or (toleration.value or "") == taint.value
