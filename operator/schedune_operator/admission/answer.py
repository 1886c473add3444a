"""What is said of a VMWorkload that somebody applies: whether it could run now."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from schedune.api.scheduling_policy import SchedulingPolicy
from schedune.api.text import shorten
from schedune.api.vmworkload import RunState
from schedune.decision.decide import decide
from schedune.decision.explanation import Explanation
from schedune.decision.sentence import verdict_now
from schedune.fleet.fleet import Fleet
from schedune.launch.intent import Intent, parse_intent, read_workload, unsupported_fields
from schedune_kube.client import Raw

LONGEST_WARNING: Final = 250
"""The API server cuts a warning at 256 characters."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is answered."""

    warning: str = ""
    """Empty: nothing stands in the way, or nothing is known."""
    is_refused: bool = False


FINE: Final = Verdict()


def judge(
    raw: Raw, fleet: Fleet, policy: SchedulingPolicy, now: datetime, *, refuses: bool
) -> Verdict:
    """Say of an object whether some node can run it now; ``refuses``: else it is refused.

    Nothing is said of one that is not to run, and of a fleet of which nothing is known.
    """
    workload = read_workload(raw)
    if isinstance(workload, tuple):
        return Verdict(_told(workload[0].message), refuses)
    wrong = unsupported_fields(workload.spec) or parse_intent(workload)
    if not isinstance(wrong, Intent):
        return Verdict(_told("; ".join(one.message for one in wrong)), refuses)
    if workload.spec.run_state is RunState.STOPPED:
        return FINE
    decision = decide(fleet, wrong, now=now, policy=policy)
    if decision.chosen is not None:
        return FINE
    return Verdict(_told(verdict_now(Explanation(decision))), refuses)


def _told(text: str) -> str:
    return shorten(text, LONGEST_WARNING)


def review_of(uid: str, verdict: Verdict) -> Raw:
    """Return the answer to one request in the form of ``admission.k8s.io/v1``."""
    response: Raw = {"uid": uid, "allowed": not verdict.is_refused}
    if verdict.is_refused:
        response["status"] = {"code": 422, "reason": "Invalid", "message": verdict.warning}
    elif verdict.warning:
        response["warnings"] = [verdict.warning]
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": response,
    }
