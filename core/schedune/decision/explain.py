"""Fold a decision into ``status.evaluation``: bounded, and saying where it was cut."""

from collections import defaultdict
from typing import Final

from schedune.api.evaluation import (
    Candidate,
    CodeCount,
    Evaluation,
    NearMiss,
    Objection,
    ScorePart,
    Signature,
)  # fmt: skip
from schedune.decision.decide import Cause, Decision
from schedune.decision.digest import input_digest
from schedune.decision.sentence import would_change
from schedune.scoring import SCORES

SAMPLES: Final = 3
MOST_CANDIDATES: Final = 5
MOST_NEAREST: Final = 5
MOST_CODES: Final = 32
MOST_OBJECTIONS: Final = 16
MOST_PLACED: Final = 6
"""How many signatures stay once the workload is placed (2 KiB in all)."""
MOST_CODES_PLACED: Final = 4
_TEXT_PLACED: Final = 120
_TEXT: Final = 240


def evaluation_of(decision: Decision, *, placed: bool = False) -> Evaluation:
    """Explain a decision within the bounds of an object's status.

    Unplaced: at most 32 KiB. Placed: at most 2 KiB: the counts, the best candidate, and
    the causes on the nodes that came nearest.
    """
    rejected = {
        index: decision.causes(index)
        for index in range(len(decision.fleet))
        if not decision.eligible[index]
    }
    cut: list[str] = []
    return Evaluation(
        candidates=_candidates(decision, 1 if placed else MOST_CANDIDATES, cut),
        codes=_story(decision, rejected) if placed else _codes(decision, rejected, cut),
        nearest=[] if placed else _nearest(decision, rejected, cut),
        nodes_eligible=int(decision.eligible.sum()),
        nodes_evaluated=len(decision.fleet),
        signatures=_signatures(decision, rejected, MOST_PLACED if placed else MOST_CODES, cut),
        time=decision.now,
        truncated=cut + (["codes", "nearest"] if placed and rejected else []),
        truth_digest=input_digest(decision),
    )


def _name(decision: Decision, index: int) -> str:
    return decision.fleet.nodes[index].name


def _story(decision: Decision, rejected: dict[int, tuple[Cause, ...]]) -> list[CodeCount]:
    """Tell the causes on the nearest nodes first: why it runs here and not there."""
    told: dict[str, CodeCount] = {}
    for index in nearest_rows(decision, rejected):
        for cause in rejected[index]:
            row = cause.reason.row
            if row.code not in told:
                told[row.code] = CodeCount(
                    code=row.code,
                    count=sum(any(c.reason.row is row for c in held) for held in rejected.values()),
                    message=cause.reason.message[:_TEXT_PLACED],
                    reason=row.reason,
                    sample_nodes=[_name(decision, index)],
                )
        if len(told) >= MOST_CODES_PLACED:
            break
    return list(told.values())[:MOST_CODES_PLACED]


def _codes(
    decision: Decision, rejected: dict[int, tuple[Cause, ...]], cut: list[str]
) -> list[CodeCount]:
    nodes: dict[str, list[int]] = defaultdict(list)
    first: dict[str, Cause] = {}
    for index, causes in rejected.items():
        for code, cause in {cause.reason.row.code: cause for cause in reversed(causes)}.items():
            nodes[code].append(index)
            first.setdefault(code, cause)
    ordered = sorted(nodes, key=lambda code: (-len(nodes[code]), code))
    if len(ordered) > MOST_CODES:
        cut.append("codes")
    return [
        CodeCount(
            code=code,
            count=len(nodes[code]),
            message=first[code].reason.message[:_TEXT],
            reason=first[code].reason.row.reason,
            remedy=first[code].reason.row.remedy,
            sample_nodes=[_name(decision, index) for index in nodes[code][:SAMPLES]],
        )
        for code in ordered[:MOST_CODES]
    ]


def _signatures(
    decision: Decision, rejected: dict[int, tuple[Cause, ...]], most: int, cut: list[str]
) -> list[Signature]:
    nodes: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for index, causes in rejected.items():
        nodes[tuple(sorted({cause.reason.row.code for cause in causes}))].append(index)
    ordered = sorted(nodes, key=lambda codes: (-len(nodes[codes]), codes))
    if len(ordered) > most:
        cut.append("signatures")
    return [
        Signature(
            codes=list(codes)[:MOST_CODES],
            count=len(nodes[codes]),
            sample_nodes=[_name(decision, index) for index in nodes[codes][:SAMPLES]],
        )
        for codes in ordered[:most]
    ]


def nearest_rows(decision: Decision, rejected: dict[int, tuple[Cause, ...]]) -> list[int]:
    """Order rejected nodes by how little would have to change, then by name."""
    return sorted(rejected, key=lambda index: (len(rejected[index]), _name(decision, index)))


def _nearest(
    decision: Decision, rejected: dict[int, tuple[Cause, ...]], cut: list[str]
) -> list[NearMiss]:
    ordered = nearest_rows(decision, rejected)
    if len(ordered) > MOST_NEAREST:
        cut.append("nearest")
    return [
        NearMiss(
            node_name=_name(decision, index),
            message=f"{_name(decision, index)} if {would_change(rejected[index])}"[:1024],
            objections=[_objection(cause) for cause in rejected[index][:MOST_OBJECTIONS]],
        )
        for index in ordered[:MOST_NEAREST]
    ]


def _objection(cause: Cause) -> Objection:
    row = cause.reason.row
    return Objection(
        code=row.code,
        actor="User" if row.actor.value == "User" else "Administrator",
        message=cause.reason.message[:_TEXT],
        observed=cause.reason.observed[:_TEXT],
        required=(cause.bound or cause.reason.required)[:_TEXT],
        consequences=[reason.row.code for reason in cause.consequences][:MOST_OBJECTIONS],
    )


def _candidates(decision: Decision, most: int, cut: list[str]) -> list[Candidate]:
    if len(decision.ranking) > most:
        cut.append("candidates")
    return [
        Candidate(
            node_name=_name(decision, index),
            backend=decision.backend_on(index).value,
            parts=[
                ScorePart(name=score.name, score=int(part[index]), weight=score.weight)
                for score, part in zip(SCORES, decision.parts, strict=True)
            ],
            score=int(decision.scores[index]),
        )
        for index in decision.ranking[:most]
    ]
