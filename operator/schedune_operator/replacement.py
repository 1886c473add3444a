"""Does a running VM have to make room for what its workload asks for now?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from schedune.api.scheduling_policy import SchedulingPolicy
from schedune.api.vmplacement import VMPlacement
from schedune.api.vmworkload import LaunchMode, RunState, VMWorkload
from schedune.codes import summary as codes
from schedune.codes.row import Reason, Row
from schedune.decision.decide import Decision, decide
from schedune.decision.explanation import Explanation
from schedune.decision.sentence import headline
from schedune.fleet.fleet import Fleet
from schedune.launch.intent import Intent

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Order:
    """Why a VM is to be ended, or why it is not though its workload changed."""

    stop: Row | None = None
    waits: Reason | None = None
    """The spec changed, and the changed VM has no node."""
    told: Reason | None = None
    """Why it ends, where there is more to tell."""
    stays: Reason | None = None
    """Its node is being drained, and the VM has no other."""


def is_restart_asked(workload: VMWorkload, placement: VMPlacement) -> bool:
    """Say whether restartToken has a value that the placement was not made for.

    One that was taken away asks for nothing.
    """
    token = workload.spec.restart_token
    return token is not None and token != placement.spec.workload.restart_token


def order_for(workload: VMWorkload, placement: VMPlacement) -> Order:
    """Return what the user ordered outright, whatever the fleet is like."""
    if placement.spec.mode is not LaunchMode.EXECUTE:
        return Order()
    if workload.spec.run_state is RunState.STOPPED:
        return Order(stop=codes.STOPPED)
    if is_restart_asked(workload, placement):
        return Order(stop=codes.RESTART_REQUESTED)
    return Order()


def recreates(workload: VMWorkload, placement: VMPlacement, changed: Sequence[str]) -> bool:
    """Say whether a change ends the VM by itself, once there is a place for the changed one."""
    return (
        bool(changed)
        and workload.spec.update_strategy == "Recreate"
        and placement.spec.mode is LaunchMode.EXECUTE
        and placement.spec.stop is None
        and placement.status.ended is None
    )


def order_to_recreate(
    fleet: Fleet,
    intent: Intent,
    placement: VMPlacement,
    changed: Sequence[str],
    policy: SchedulingPolicy,
    now: datetime,
) -> Order:
    """End the VM if a node can run the changed one with this one's claim freed; else it runs on."""

    def judge(decision: Decision) -> Order:
        if decision.chosen is not None:
            return Order(stop=codes.SPEC_CHANGED)
        told = headline(Explanation(decision))
        return Order(waits=Reason(codes.RECREATE_WAITS, ", ".join(changed), told))

    return as_if_gone(fleet, intent, placement, policy, now, judge)


def as_if_gone(
    fleet: Fleet,
    intent: Intent,
    placement: VMPlacement,
    policy: SchedulingPolicy,
    now: datetime,
    tell: Callable[[Decision], T],
) -> T:
    """Decide as if a VM had ended, and tell of it: its claim freed, its life in nobody's way."""
    with fleet.without(placement.metadata.uid):
        return tell(decide(fleet, replace(intent, uid=""), now=now, policy=policy))
