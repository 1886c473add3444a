"""One workload on one node: every objection, for every backend."""

from schedune.decision.against import everything_against
from schedune.decision.explanation import Explanation
from schedune.explaining import form
from schedune.explaining.explain import objection_of, refusal_of
from schedune_cli.reading.workloads import Given


def why_not(given: Given, explanation: Explanation, node_name: str) -> form.WhyNot:
    """Return everything against a node that is known, or what would run there."""
    decision = explanation.decision
    row = decision.fleet.row[node_name]
    against = everything_against(explanation.matrix, row)
    is_eligible, chosen = bool(decision.eligible[row]), decision.chosen
    return form.WhyNot(
        metadata=form.WorkloadName(name=given.intent.name, namespace=given.intent.namespace),
        position=given.position_of(),
        node_name=node_name,
        verdict=_answer(is_eligible=is_eligible, is_chosen=row == chosen),
        chosen=decision.node(chosen).name if chosen is not None else "",
        backend=decision.backend_on(row).value if is_eligible else "",
        score=int(decision.scores[row]) if is_eligible else None,
        time=decision.now,
        refusals=[refusal_of(reason, given) for reason in given.refusals],
        objections=[objection_of(cause) for cause in against.common],
        backends=[
            form.BackendAnswer(
                backend=backend.value,
                verdict="CannotLaunch" if causes else "CanLaunch",
                objections=[objection_of(cause) for cause in causes],
            )
            for backend, causes in against.backends.items()
        ],
    )


def _answer(*, is_eligible: bool, is_chosen: bool) -> form.NodeAnswer:
    if is_chosen:
        return form.NodeAnswer.CHOSEN
    return form.NodeAnswer.ELIGIBLE if is_eligible else form.NodeAnswer.REJECTED
