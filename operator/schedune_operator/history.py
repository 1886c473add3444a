"""Earlier placements: remembered on the workload, and what follows from them."""

from typing import Final

from schedune.api.vmplacement import VMPlacement
from schedune.api.vmworkload import Attempt
from schedune.codes import execution as codes
from schedune.codes.table import TABLE

MOST: Final = 16
_BEFORE_GUEST: Final = frozenset(TABLE[code].reason for code in codes.BEFORE_GUEST)
_BY_REASON: Final = {row.reason: row.code for row in TABLE.values()}


def failed_before_guest(placement: VMPlacement) -> bool:
    """Say whether a placement ended before its guest was ready."""
    ended = placement.status.ended
    return ended is not None and (
        placement.status.refusal is not None or ended.reason in _BEFORE_GUEST
    )


def remember(history: list[Attempt], placement: VMPlacement) -> list[Attempt]:
    """Return the history with this placement in it, once."""
    if any(one.placement_uid == placement.metadata.uid for one in history):
        return history
    ended, last = placement.status.ended, placement.status.last_exit
    reason = ended.reason if ended else ""
    refusal = placement.status.refusal
    attempt = Attempt(
        attempt=placement.spec.attempt,
        backend=placement.spec.backend,
        code=refusal.code if refusal else _BY_REASON.get(reason),
        console_tail=last.console_tail if last else [],
        end_time=ended.time if ended else None,
        exit_reason=reason or None,
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
