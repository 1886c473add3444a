"""A decision about one workload put into the form in which it is told."""

from datetime import UTC, datetime
from typing import Final

import numpy as np

from schedune.codes import eligibility, summary
from schedune.codes.row import Actor, Precedence, Reason, Row
from schedune.decision.causes import Cause
from schedune.decision.digest import input_digest
from schedune.decision.explanation import Count, Explanation
from schedune.decision.sentence import headline
from schedune.explaining import form
from schedune.explaining.asked import Asked
from schedune.explaining.fields import field_of
from schedune.fleet.profile import NEVER
from schedune.telling.words import aged

_SAMPLES: Final = 3
_SECOND: Final = 1_000_000
AGE_ATOMS: Final = ("heartbeat", "maxTruthAgeSeconds", "clock")
"""Objections to the time at which a fleet was recorded, not to what it is."""
_AGE_ROWS: Final = (eligibility.TELEMETRY_STALE, eligibility.CLOCK_SKEW)


def explain(
    given: Asked, explanation: Explanation, placed_on: str = "", *, most_nodes: int | None = None
) -> form.Explanation:
    """Return everything that can be told of a decision.

    With ``most_nodes`` at most so many eligible and so many rejected nodes are told of.
    """
    decision = explanation.decision
    verdict = verdict_of(given, explanation)
    row = _headline_row(given, explanation)
    chosen = decision.chosen if verdict is form.Verdict.ELIGIBLE else None
    return form.Explanation(
        metadata=form.WorkloadName(name=given.intent.name, namespace=given.intent.namespace),
        position=given.position_of(),
        verdict=verdict,
        code=row.code,
        message=_message(given, explanation, verdict),
        placed_on=placed_on,
        chosen=decision.node(chosen).name if chosen is not None else "",
        nodes_evaluated=len(decision.question.view),
        nodes_eligible=int(decision.eligible.sum()),
        time=decision.now,
        truth_digest=input_digest(decision),
        refusals=[refusal_of(reason, given) for reason in given.refusals],
        nodes=_nodes(explanation, chosen, most_nodes),
        codes=[_count(one, explanation, given) for one in explanation.counts],
        **_ways(explanation),
    )


def verdict_of(given: Asked, explanation: Explanation) -> form.Verdict:
    """Say what became of a workload; a refusal outranks what the nodes would say."""
    if given.refusals:
        return form.Verdict.REFUSED
    if explanation.decision.chosen is not None:
        return form.Verdict.ELIGIBLE
    return form.Verdict.TRUTH_TOO_OLD if is_too_old(explanation) else form.Verdict.NO_ELIGIBLE_NODE


def is_too_old(explanation: Explanation) -> bool:
    """Say whether age alone keeps every node away that is not wrong anyhow.

    Every node's facts are too old to be believed, and some would run the VM were they not.
    """
    matrix = explanation.matrix
    aged = [number for number, atom in enumerate(matrix.atoms) if atom.name in AGE_ATOMS]
    by_age = np.zeros(matrix.size, np.bool_)
    for one in matrix.findings:
        if one.atom.name in AGE_ATOMS:
            by_age |= one.objects
    return bool(by_age.any() and by_age.all() and len(matrix.freed_by(matrix.mask_of(aged))))


def _message(given: Asked, explanation: Explanation, verdict: form.Verdict) -> str:
    if given.refusals:
        return given.refusals[0].message
    if verdict is not form.Verdict.TRUTH_TOO_OLD:
        return headline(explanation)
    decision = explanation.decision
    newest = max(int(proof) for proof in decision.fleet.numbers["last_proof"])
    if newest == NEVER:
        remedy = "record status.observedTime, or the Leases: schedune snapshot"
        return f"nothing tells when the facts were proved; {remedy}"
    proved = datetime.fromtimestamp(newest // _SECOND, UTC)
    seconds = int((decision.now - proved).total_seconds())
    apart = f"{aged(seconds)} old" if seconds >= 0 else f"from {aged(-seconds)} in the future"
    return (
        f"the facts cannot answer for {decision.now:%Y-%m-%dT%H:%M:%SZ}: the newest are {apart}; "
        f"ask for their own time with --now {proved:%Y-%m-%dT%H:%M:%SZ}, or record them anew: "
        "schedune snapshot"
    )


def _headline_row(given: Asked, explanation: Explanation) -> Row:
    """Return the code that is told first: it does not flap while capacity moves."""
    if given.refusals:
        return given.refusals[0].row
    if explanation.decision.chosen is not None:
        return summary.PLACED
    too_old, order = is_too_old(explanation), list(Precedence)
    rows = [
        (order.index(one.row.precedence), -one.nodes, one.row.code, one.row)
        for one in explanation.counts
        if not too_old or one.row in _AGE_ROWS
    ]
    return min(rows, key=lambda one: one[:3])[3] if rows else summary.NO_ELIGIBLE_NODE


def refusal_of(reason: Reason, given: Asked) -> form.Refusal:
    """Return why the operator would refuse a workload, in the form in which it is told."""
    return form.Refusal(
        code=reason.row.code,
        position=given.position_of(reason.subject),
        field=reason.subject,
        message=reason.message,
        remedy=reason.row.remedy,
    )


def _nodes(
    explanation: Explanation, chosen: int | None, most: int | None
) -> list[form.NodeVerdict]:
    decision = explanation.decision
    eligible = [
        form.NodeVerdict(
            node_name=decision.node(row).name,
            verdict=form.NodeAnswer.CHOSEN if row == chosen else form.NodeAnswer.ELIGIBLE,
            backend=decision.backend_on(row).value,
            score=int(decision.scores[row]),
            parts=[
                form.ScorePart(name=part.name, score=int(part.values[row]), weight=part.weight)
                for part in decision.parts
            ],
        )
        for row in decision.ranking[:most].tolist()
    ]
    matrix = explanation.matrix
    rejected = [
        form.NodeVerdict(
            node_name=decision.node(row).name,
            verdict=form.NodeAnswer.REJECTED,
            backend=matrix.backends[int(matrix.shown[row])].value,
            objections=[objection_of(cause) for cause in explanation.causes(row)],
        )
        for row in explanation.rejected[:most].tolist()
    ]
    return [*eligible, *rejected]


def objection_of(cause: Cause) -> form.Objection:
    """Return a cause in the form in which it is told."""
    reason = cause.reason
    followers = {one.row.code: one.message for one in cause.consequences}
    return form.Objection(
        code=reason.row.code,
        actor=who(cause.who),
        demand=cause.atom,
        message=reason.message,
        observed=reason.observed,
        required=reason.required,
        change=cause.change,
        remedy=reason.row.remedy,
        consequences=[
            form.Consequence(code=code, message=message)
            for code, message in sorted(followers.items())
        ],
    )


def who(actor: Actor) -> form.Who:
    """Fold who can do something about it into the two that are told."""
    return "User" if actor is Actor.USER else "Administrator"


def _names(explanation: Explanation, rows: tuple[int, ...]) -> list[str]:
    return [explanation.decision.node(row).name for row in rows[:_SAMPLES]]


def _count(count: Count, explanation: Explanation, given: Asked) -> form.CodeCount:
    first = count.first_rows[0]
    cause = next(one for one in explanation.causes(first) if one.reason.row.code == count.row.code)
    field = field_of(cause.atom, given.workload.spec)
    return form.CodeCount(
        code=count.row.code,
        reason=count.row.reason,
        count=count.nodes,
        message=cause.reason.message,
        remedy=count.row.remedy,
        position=given.position_of_demand(field),
        sample_nodes=_names(explanation, count.first_rows),
    )


def _ways(explanation: Explanation) -> dict[str, object]:
    """Tell what would have to give, where nothing is eligible."""
    if explanation.decision.chosen is not None:
        return {}
    found = explanation.relaxations
    relaxations = [
        form.Relaxation(
            changes=list(way.changes),
            actor=who(way.who),
            nodes=way.nodes,
            sample_nodes=_names(explanation, way.sample_rows),
        )
        for way in found.ways
    ]
    cores = [
        form.Core(demands=list(one.demands), scope="EvenRepaired" if one.after_repair else "Now")
        for one in found.cores
    ]
    repairs = [
        form.Repair(
            change=one.change, nodes=one.nodes, sample_nodes=_names(explanation, one.sample_rows)
        )
        for one in found.repairs
    ]
    complete = "Complete" if found.complete else "Capped"
    return {"relaxations": relaxations, "cores": cores, "repairs": repairs, "complete": complete}
