"""Does a running VM have to make room for what its workload asks for now?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from schedune.api.scheduling_policy import SchedulingPolicy
from schedune.api.vmplacement import VMPlacement
from schedune.api.vmworkload import LaunchMode, RunState, VMWorkload
from schedune.codes import summary as codes
from schedune.codes.row import Reason, Row
from schedune.decision.decide import decide
from schedune.decision.explanation import Explanation
from schedune.decision.sentence import headline
from schedune.fleet.fleet import Fleet
from schedune.launch.intent import Intent


@dataclass(frozen=True, slots=True)
class Order:
    """Why a VM is to be ended, or why it is not though its workload changed."""

    stop: Row | None = None
    waits: Reason | None = None


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
    uid = placement.metadata.uid
    claim = fleet.claims.held.get(uid)
    fleet.release(uid)
    try:
        # Of no workload's: that this very VM still lives must not stand in its own way.
        decision = decide(fleet, replace(intent, uid=""), now=now, policy=policy)
        if decision.chosen is not None:
            return Order(stop=codes.SPEC_CHANGED)
        told = headline(Explanation(decision))
    finally:
        if claim is not None:
            fleet.reserve(claim)
    return Order(waits=Reason(codes.RECREATE_WAITS, ", ".join(changed), told))
