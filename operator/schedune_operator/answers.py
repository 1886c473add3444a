"""Answers about workloads that have no placement to mirror, or one that is on its way out."""

import textwrap
from dataclasses import replace

from schedune.api.text import WIDTH, plain_line
from schedune.api.vmplacement import VMPlacement
from schedune.api.vmworkload import LaunchMode, VMWorkloadStatus
from schedune.codes import summary as codes
from schedune.codes.row import Reason
from schedune.decision.placing import Nowhere
from schedune.lifecycle.situation import Claim, Situation
from schedune.lifecycle.wants import failed_before_guest
from schedune_operator.replacement import Order
from schedune_operator.status import Answer


def refused(reasons: tuple[Reason, ...], held: VMWorkloadStatus) -> Answer:
    """Say everything that is wrong with an intent; nothing happens until it is changed."""
    first = reasons[0]
    lines = [plain_line(f"{one.row.code}: {one.message}") for one in reasons[:10]]
    message = "; ".join(one.message for one in reasons)
    claim = Claim("False", first.row, message)
    why = [*lines, plain_line(first.row.remedy)]
    situation = Situation(ready=claim, scheduled=claim, stalled=True, why=why)
    return Answer(situation, held.evaluation, None, held.history)


def switched_off(held: VMWorkloadStatus) -> Answer:
    """Tell of a workload that is not to run, and has no VM."""
    told = codes.STOPPED.sentence
    ready, off = Claim("True", codes.STOPPED, told), Claim("False", codes.STOPPED, told)
    situation = Situation(ready=ready, scheduled=off, launched=off, settled=True, why=[told])
    return Answer(situation, None, None, held.history)


def on_its_way_out(situation: Situation, placement: VMPlacement) -> Situation:
    """Tell that a placement makes room: its end is not the end of the workload."""
    ended, node = placement.status.ended, placement.spec.node_name
    if situation.ready.status == "Unknown":
        return situation
    if ended is None and placement.spec.mode is not LaunchMode.EXECUTE:
        told = f"the one on {node} is for an earlier spec"
        reason = Reason(codes.WAITING_FOR_PREVIOUS_VM, told)
    elif ended is not None and failed_before_guest(placement):
        reason = Reason(codes.BACKING_OFF, f"{ended.reason} on {node}", "after a pause")
    else:
        told = f"{ended.reason} on {node}" if ended else f"{placement.status.state} on {node}"
        reason = Reason(codes.STOPPING, told)
    return replace(
        situation,
        ready=Claim("False", reason.row, reason.message),
        settled=False,
        stalled=False,
        why=[*textwrap.wrap(reason.message, WIDTH), *situation.why[1:]][:12],
    )


def tell_order(situation: Situation, order: Order) -> Situation:
    """Tell where a VM goes that leaves its node, or why one that should does not."""
    if order.waits is not None:
        waits = Claim("False", order.waits.row, order.waits.message)
        situation = replace(situation, up_to_date=waits)
    if order.stays is not None:
        lines = textwrap.wrap(order.stays.message, WIDTH)
        situation = replace(
            situation,
            scheduled=Claim("True", order.stays.row, order.stays.message),
            why=[*situation.why[:1], *lines, *situation.why[1:]][:12],
        )
    if order.told is not None:
        told = order.told
        situation = replace(
            situation,
            ready=Claim("False", told.row, told.message),
            settled=False,
            stalled=False,
            why=[*textwrap.wrap(told.message, WIDTH), *situation.why[1:]][:12],
        )
    return situation


def waiting_for(placement: VMPlacement, held: VMWorkloadStatus) -> Answer:
    """Tell that an earlier VM of this name has not ended yet."""
    metadata, vmm = placement.metadata, placement.status.vmm
    pid = f", pid {vmm.pid}" if vmm else ""
    told = (
        f"placement {metadata.uid} on {placement.spec.node_name}{pid} is {placement.status.state}"
    )
    message = codes.WAITING_FOR_PREVIOUS_VM.sentence.format(observed=told)
    claim = Claim("False", codes.WAITING_FOR_PREVIOUS_VM, message)
    return Answer(
        Situation(ready=claim, scheduled=claim, why=textwrap.wrap(message, WIDTH)),
        held.evaluation,
        None,
        held.history,
    )


def unplaced(
    told: Nowhere, claim: Claim, held: VMWorkloadStatus, *, stalled: bool = False
) -> Answer:
    """Tell that there is no placement, and everything that stands in its way."""
    situation = Situation(
        ready=claim,
        scheduled=Claim("False", claim.row, claim.message),
        launched=Claim("False", codes.NOT_LAUNCHED, codes.NOT_LAUNCHED.sentence),
        stalled=stalled,
        why=told.why,
    )
    return Answer(situation, told.evaluation, None, held.history)
