"""Can a backend launch the VM on the node? Asked of every (node, backend) pair."""

from collections.abc import Iterable
from datetime import datetime

from schedune.codes import eligibility as codes
from schedune.codes.row import Reason
from schedune.eligibility.finding import Finding, by_row
from schedune.eligibility.kvm import ATOM as KVM_ATOM
from schedune.fleet.fleet import Fleet
from schedune.launch.intent import Intent
from schedune.launch.needs import BackendNeed, judge_backend


def check_backends(fleet: Fleet, intent: Intent, now: datetime) -> Iterable[Finding]:
    """Object, for each backend of its own, with everything that stands against it.

    A binary without KVM on a node without KVM is a consequence, not a second cause.
    """
    for backend in intent.backends:
        minimum, exact = intent.minimum_and_exact(backend)
        need = BackendNeed(backend, intent.acceleration, minimum, exact)
        objections = [_judge(need, fleet, index) for index in range(len(fleet))]
        for code in sorted({reason.row.code for found in objections for reason in found}):
            answers = [
                next((one for one in found if one.row.code == code), None) for found in objections
            ]
            follows = KVM_ATOM if code == codes.ACCELERATION_UNAVAILABLE.code else None
            yield from by_row(f"backend/{backend.value}", answers, backend=backend, follows=follows)


def _judge(need: BackendNeed, fleet: Fleet, index: int) -> list[Reason]:
    facts = fleet.facts(index)
    if facts is None or not fleet.known[index]:
        return []
    return list(judge_backend(need, facts))
