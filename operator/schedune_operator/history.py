"""Earlier placements: remembered on the workload, and what follows from them."""

from datetime import datetime
from typing import Final

from schedune.api.text import shorten
from schedune.api.vmplacement import VMPlacement
from schedune.api.vmworkload import Attempt
from schedune.codes import fencing
from schedune.codes.row import Reason
from schedune.codes.table import TABLE

MOST: Final = 16
_BY_REASON: Final = {row.reason: row.code for row in TABLE.values()}


def remember(history: list[Attempt], placement: VMPlacement) -> list[Attempt]:
    """Return the history with this placement in it, once."""
    ended, refusal = placement.status.ended, placement.status.refusal
    reason = ended.reason if ended else ""
    code = refusal.code if refusal else _BY_REASON.get(reason)
    return _with(history, placement, code, reason, ended.time if ended else None)


def remember_fenced(
    history: list[Attempt], placement: VMPlacement, fence: Reason, now: datetime
) -> list[Attempt]:
    """Return the history with a placement that counts as ended in it, and with the evidence.

    What its agent had told of an end goes before.
    """
    if placement.status.ended is not None:
        return remember(history, placement)
    evidence = f"{fence.row.reason}: {fence.observed}; {fence.required}"
    return _with(history, placement, fence.row.code, evidence, now)


def without_fence(history: list[Attempt], placement: VMPlacement) -> list[Attempt]:
    """Take the end of a placement back that was told and not carried out: its node speaks."""
    uid, codes_of_ours = (
        placement.metadata.uid,
        (fencing.NODE_FENCED.code, fencing.VM_RELEASED.code),
    )
    return [one for one in history if one.placement_uid != uid or one.code not in codes_of_ours]


def _with(
    history: list[Attempt],
    placement: VMPlacement,
    code: str | None,
    exit_reason: str,
    end_time: datetime | None,
) -> list[Attempt]:
    if any(one.placement_uid == placement.metadata.uid for one in history):
        return history
    last = placement.status.last_exit
    attempt = Attempt(
        attempt=placement.spec.attempt,
        backend=placement.spec.backend,
        code=code,
        console_tail=last.console_tail if last else [],
        end_time=end_time,
        exit_reason=shorten(exit_reason, 256) or None,
        generation=placement.spec.workload.generation,
        node_name=placement.spec.node_name,
        placement_uid=placement.metadata.uid,
        start_time=placement.metadata.creation_timestamp,
        truth_digest=placement.spec.evidence.truth_digest,
    )
    return [*history, attempt][-MOST:]


def next_attempt(history: list[Attempt]) -> int:
    """Return the number of the next attempt."""
    return max((one.attempt for one in history), default=0) + 1
