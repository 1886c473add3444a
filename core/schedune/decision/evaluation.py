"""Fold an explanation into ``status.evaluation``: bounded, and saying where it was cut."""

import json
from collections.abc import Sequence
from typing import Final

from schedune.api.evaluation import (
    Candidate,
    CodeCount,
    Core,
    Evaluation,
    NearMiss,
    Objection,
    Relaxation,
    Repair,
    ScorePart,
    Signature,
)  # fmt: skip
from schedune.api.text import shorten
from schedune.codes.row import Actor
from schedune.decision.causes import Cause
from schedune.decision.digest import input_digest
from schedune.decision.explanation import Count, Explanation
from schedune.decision.sentence import would_change

LARGEST: Final = 32 * 1024
LARGEST_PLACED: Final = 2 * 1024
SAMPLES: Final = 3
MOST_CANDIDATES: Final = 5
MOST_NEAREST: Final = 5
MOST_CODES: Final = 32
MOST_OBJECTIONS: Final = 12
MOST_REPAIRS: Final = 3
MOST_CHANGES: Final = 16
MOST_PLACED: Final = 6
"""How many signatures stay once the workload is placed (2 KiB in all)."""
MOST_CODES_PLACED: Final = 4
_TEXT_PLACED: Final = 110
_TEXT: Final = 240


def evaluation_of(explanation: Explanation, *, placed: bool = False) -> Evaluation:
    """Explain a decision within the bounds of an object's status.

    Unplaced: at most 32 KiB. Placed: at most 2 KiB: the counts, the best candidate, and
    the causes on the nodes that came nearest.
    """
    decision = explanation.decision
    cut: list[str] = []
    common = {
        "nodes_eligible": int(decision.eligible.sum()),
        "nodes_evaluated": len(decision.question.view),
        "time": decision.now,
        "truth_digest": input_digest(decision),
    }
    if placed:
        hidden = ["codes", "nearest"] if len(explanation.rejected) else []
        told = Evaluation(
            candidates=_candidates(explanation, 1, cut),
            codes=_story(explanation),
            signatures=_signatures(explanation, MOST_PLACED, cut),
            truncated=[*cut, *hidden],
            **common,
        )
        return fitted(told, LARGEST_PLACED)
    told = Evaluation(
        candidates=_candidates(explanation, MOST_CANDIDATES, cut),
        codes=_codes(explanation, cut),
        nearest=_nearest(explanation, cut),
        signatures=_signatures(explanation, MOST_CODES, cut),
        **_ways(explanation, cut),
        truncated=cut,
        **common,
    )
    return fitted(told, LARGEST)


_SHORTER: Final = (
    ("signatures", 16), ("nearest", 3), ("signatures", 8), ("cores", 4), ("relaxations", 4),
    ("codes", 16), ("nearest", 1), ("signatures", 3), ("codes", 3), ("signatures", 1),
    ("codes", 2), ("signatures", 0), ("nearest", 0),
)  # fmt: skip
"""In which order lists are cut, and to what, until an explanation fits."""


def fitted(told: Evaluation, largest: int) -> Evaluation:
    """Cut lists, in a fixed order, until the JSON form is no larger than allowed."""
    for name, most in _SHORTER:
        if len(json.dumps(told.render(), ensure_ascii=False).encode()) <= largest:
            break
        if len(getattr(told, name)) > most:
            cut = sorted({*told.truncated, name})
            told = told.model_copy(update={name: getattr(told, name)[:most], "truncated": cut})
    return told


def _names(explanation: Explanation, rows: Sequence[int]) -> list[str]:
    return [explanation.decision.node(row).name for row in rows]


def _story(explanation: Explanation) -> list[CodeCount]:
    """Tell the causes on the nearest nodes first: why it runs here and not there."""
    counts = {one.row.code: one for one in explanation.counts}
    told: dict[str, CodeCount] = {}
    for row in explanation.rejected[: 4 * MOST_CODES_PLACED].tolist():
        for cause in explanation.causes(row):
            code = cause.reason.row.code
            if code not in told:
                told[code] = CodeCount(
                    code=code,
                    count=counts[code].nodes,
                    message=shorten(cause.reason.message, _TEXT_PLACED),
                    reason=cause.reason.row.reason,
                    sample_nodes=_names(explanation, [row]),
                )
        if len(told) >= MOST_CODES_PLACED:
            break
    return list(told.values())[:MOST_CODES_PLACED]


def _codes(explanation: Explanation, cut: list[str]) -> list[CodeCount]:
    counts = explanation.counts
    if len(counts) > MOST_CODES:
        cut.append("codes")
    return [_code(explanation, one) for one in counts[:MOST_CODES]]


def _code(explanation: Explanation, count: Count) -> CodeCount:
    first = count.first_rows[0]
    cause = next(one for one in explanation.causes(first) if one.reason.row.code == count.row.code)
    return CodeCount(
        code=count.row.code,
        count=count.nodes,
        message=shorten(cause.reason.message, _TEXT),
        reason=count.row.reason,
        remedy=count.row.remedy or None,
        sample_nodes=_names(explanation, count.first_rows),
    )


def _signatures(explanation: Explanation, most: int, cut: list[str]) -> list[Signature]:
    found, total = explanation.signatures(most)
    if total > most:
        cut.append("signatures")
    return [
        Signature(
            codes=list(one.codes)[:MOST_CODES],
            count=one.nodes,
            sample_nodes=_names(explanation, one.first_rows[:SAMPLES]),
        )
        for one in found
    ]


def _nearest(explanation: Explanation, cut: list[str]) -> list[NearMiss]:
    rows = explanation.rejected
    if len(rows) > MOST_NEAREST:
        cut.append("nearest")
    return [_near_miss(explanation, row) for row in rows[:MOST_NEAREST].tolist()]


def _near_miss(explanation: Explanation, row: int) -> NearMiss:
    causes, name = explanation.causes(row), explanation.decision.node(row).name
    return NearMiss(
        node_name=name,
        message=shorten(f"{name} if {would_change(causes)}", 1024),
        objections=[_objection(cause) for cause in causes[:MOST_OBJECTIONS]],
    )


def _objection(cause: Cause) -> Objection:
    reason = cause.reason
    return Objection(
        code=reason.row.code,
        actor="User" if cause.who is Actor.USER else "Administrator",
        message=shorten(reason.message, _TEXT),
        observed=shorten(reason.observed, _TEXT),
        required=shorten(reason.required, _TEXT),
        change=shorten(cause.change, _TEXT),
        consequences=sorted({one.row.code for one in cause.consequences})[:MOST_OBJECTIONS],
    )


def _candidates(explanation: Explanation, most: int, cut: list[str]) -> list[Candidate]:
    decision = explanation.decision
    if len(decision.ranking) > most:
        cut.append("candidates")
    return [
        Candidate(
            node_name=decision.node(row).name,
            backend=decision.backend_on(row).value,
            parts=[
                ScorePart(name=part.name, score=int(part.values[row]), weight=part.weight)
                for part in decision.parts
            ],
            score=int(decision.scores[row]),
        )
        for row in decision.ranking[:most].tolist()
    ]


def _ways(explanation: Explanation, cut: list[str]) -> dict[str, object]:
    """Tell what would have to give, where nothing is eligible."""
    if explanation.decision.chosen is not None:
        return {}
    found = explanation.relaxations
    relaxations = [
        Relaxation(
            actor="User" if way.who is Actor.USER else "Administrator",
            changes=[shorten(change, _TEXT) for change in way.changes][:MOST_CHANGES],
            nodes=way.nodes,
            sample_nodes=_names(explanation, way.sample_rows),
        )
        for way in found.ways
    ]
    cores = [
        Core(
            demands=[shorten(one, _TEXT) for one in core.demands][:MOST_CHANGES],
            scope="EvenRepaired" if core.after_repair else "Now",
        )
        for core in found.cores
    ]
    repairs = [
        Repair(
            change=shorten(one.change, _TEXT),
            nodes=one.nodes,
            sample_nodes=_names(explanation, one.sample_rows),
        )
        for one in found.repairs[:MOST_REPAIRS]
    ]
    if not found.complete:
        cut.append("relaxations")
    return {"relaxations": relaxations, "cores": cores, "repairs": repairs}
