"""Does KVM run guests on the node?"""

from collections.abc import Iterable
from datetime import datetime

from schedune.api.vmworkload import Acceleration
from schedune.codes.row import Reason
from schedune.eligibility.finding import Finding, by_row
from schedune.fleet.fleet import Fleet
from schedune.launch.intent import Intent
from schedune.launch.validate import judge_kvm

ATOM = "kvm"


def check_kvm(fleet: Fleet, intent: Intent, now: datetime) -> Iterable[Finding]:
    """Object where the strong probe's answer is no, not now, or unknown."""
    if intent.acceleration is not Acceleration.KVM:
        return []
    return by_row(ATOM, [_judge(fleet, index) for index in range(len(fleet))])


def _judge(fleet: Fleet, index: int) -> Reason | None:
    facts = fleet.facts(index)
    if facts is None or not fleet.known[index]:
        return None
    return next(judge_kvm(facts), None)
