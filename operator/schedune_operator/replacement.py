"""Does a running VM have to make room for what its workload asks for now?"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from schedune.api.vmplacement import VMPlacement
from schedune.api.vmworkload import LaunchMode, RunState, VMWorkload
from schedune.codes import summary as codes
from schedune.codes.row import Reason, Row
from schedune.decision.explanation import Explanation
from schedune.decision.sentence import headline
from schedune.launch.intent import Intent
from schedune.lifecycle.wants import is_restart_asked
from schedune_operator.holds import Holds, is_told


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
    holds: Holds,
    workload: VMWorkload,
    intent: Intent,
    placement: VMPlacement,
    changed: Sequence[str],
) -> Order:
    """End a VM whose change asks for that, once there is a place for the changed one.

    The place is held until the VM is placed anew; without one it runs on.
    """
    ends = is_told(placement, codes.SPEC_CHANGED) and placement.status.ended is None
    if not ends and not recreates(workload, placement, changed):
        return Order()
    if ends and holds.told_of((intent.namespace, intent.name)) is not None:
        return Order()
    found = holds.seek(intent, placement, partial(_tell, changed))
    if ends:
        return Order()
    return Order(stop=codes.SPEC_CHANGED) if found.has_place else Order(waits=found.told)


def _tell(changed: Sequence[str], explanation: Explanation) -> Reason:
    """Tell that a changed VM is placed anew, or why it cannot be."""
    if explanation.decision.chosen is not None:
        return Reason(codes.SPEC_CHANGED)
    return Reason(codes.RECREATE_WAITS, ", ".join(changed), headline(explanation))
