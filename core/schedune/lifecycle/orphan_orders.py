"""What follows from an administrator's order about a process that no placement accounts for.

An order is bound to the proof that was shown: pid, start time and boot id. It is for
exactly that process, or for none; and it can never reach a placement's own VM.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from schedune.api.nodetruth import OrphanAction
from schedune.codes import recovery
from schedune.codes.row import Reason, Row
from schedune.lifecycle.orphans import (
    FoundProcess,
    OrphanClass,
    OrphanFinding,
    Owner,
    ProcessKey,
    Verdict,
)

_ADOPTABLE: Final = (OrphanClass.SPLIT, OrphanClass.LEAKED)
"""Of a placement that is there: several claim to be its VM, or one that is not proved."""


class Deed(StrEnum):
    """What is to be done."""

    NOTHING = "Nothing"
    TERMINATE = "Terminate"
    ADOPT = "Adopt"


@dataclass(frozen=True, slots=True)
class OrderJudgement:
    """One order, judged on what a sweep found."""

    order: OrphanAction
    deed: Deed
    reason: Reason
    """Why nothing is done, or what will have been done."""
    placement_uid: str = ""
    """For ``Adopt``: whose VM it is from now on."""

    @property
    def key(self) -> ProcessKey:
        """Which process it is for."""
        return key_of(self.order)


def key_of(order: OrphanAction) -> ProcessKey:
    """Return which process an order is for."""
    return ProcessKey(order.pid, order.start_time, order.boot_id)


def ignored_by(orders: Iterable[OrphanAction]) -> Collection[ProcessKey]:
    """Return the processes that an administrator ordered to be ignored."""
    return {key_of(one) for one in orders if one.action == "Ignore"}


def judge_order(
    order: OrphanAction,
    processes: Iterable[FoundProcess],
    verdicts: Mapping[ProcessKey, Verdict],
    current: Collection[str],
) -> OrderJudgement:
    """Say what one order means now; ``current`` are the UIDs of placements that have not ended."""
    found = next((one for one in processes if one.key == key_of(order)), None)
    if found is None:
        told = f"no VMM of this pid began at {order.start_time} in this boot"
        return _nothing(order, recovery.ORPHAN_ORDER_STALE, told)
    verdict = verdicts[found.key]
    if isinstance(verdict, Owner):
        told = f"it is the VM of placement {verdict.placement_uid}, and no orphan"
        return _nothing(order, recovery.ORPHAN_ORDER_REFUSED, told)
    match order.action:
        case "Ignore":
            return _nothing(order, recovery.ORPHAN_IGNORED)
        case "Terminate":
            reason = Reason(recovery.ORPHAN_TERMINATED, subject=subject_of(order))
            return OrderJudgement(order, Deed.TERMINATE, reason)
        case "Adopt":
            return _judge_adoption(order, found, verdict, current)


def _judge_adoption(
    order: OrphanAction, found: FoundProcess, finding: OrphanFinding, current: Collection[str]
) -> OrderJudgement:
    wanted, marked = order.placement_uid or "", found.placement_uid
    if not wanted:
        return _nothing(order, recovery.ORPHAN_ORDER_REFUSED, "the order names no placementUID")
    if wanted != marked:
        told = f"its marker names {marked or 'no placement'}, the order {wanted}"
        return _nothing(order, recovery.ORPHAN_ORDER_REFUSED, told)
    if wanted not in current or finding.orphan_class not in _ADOPTABLE:
        told = f"placement {wanted} is gone or has ended: nothing can be adopted into it"
        return _nothing(order, recovery.ORPHAN_ORDER_REFUSED, told)
    reason = Reason(recovery.ORPHAN_ADOPTED, f"placement {wanted}", subject=subject_of(order))
    return OrderJudgement(order, Deed.ADOPT, reason, wanted)


def _nothing(order: OrphanAction, row: Row, told: str = "") -> OrderJudgement:
    return OrderJudgement(order, Deed.NOTHING, Reason(row, told, subject=subject_of(order)))


def subject_of(order: OrphanAction) -> str:
    """Return how an order's process is called."""
    return f"pid {order.pid}"
