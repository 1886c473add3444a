"""Does a workload want a node? One that is stopped, being deleted or served wants none."""

from collections.abc import Sequence
from typing import Final

from schedune.api.vmplacement import VMPlacement
from schedune.api.vmworkload import LaunchMode, RunState, VMWorkload
from schedune.codes import summary
from schedune.codes.execution import BEFORE_GUEST
from schedune.codes.table import TABLE
from schedune.launch.intent import Intent
from schedune.lifecycle.changes import changed_fields
from schedune.lifecycle.mirror import mirror

BEING_DELETED: Final = "its VMWorkload is being deleted"
_BEFORE_GUEST: Final = frozenset(TABLE[code].reason for code in BEFORE_GUEST)


def why_no_node(workload: VMWorkload, intent: Intent, resting: VMPlacement | None = None) -> str:
    """Say why a workload needs no node; "": it wants one.

    ``resting`` is a placement of it that holds nothing: one that ended, or a dry run.
    """
    ended = why_ended(workload)
    if ended:
        return ended
    if resting is None or makes_room(workload, resting, changed_fields(resting, workload, intent)):
        return ""
    return mirror(resting, [], None, silent_since=None, is_silent=False).ready.message


def why_ended(workload: VMWorkload) -> str:
    """Say by which order a workload has no VM, or ends the one it has; "": by none."""
    if workload.metadata.deletion_timestamp is not None:
        return BEING_DELETED
    return summary.STOPPED.sentence if workload.spec.run_state is RunState.STOPPED else ""


def makes_room(workload: VMWorkload, placement: VMPlacement, changed: Sequence[str]) -> bool:
    """Say whether a placement has served its turn and makes room for another of its workload.

    One that ended under its restartPolicy does not, and no dry run that stands, until the
    workload changes. ``changed``: what of the workload is another than it was made for.
    """
    is_dry, has_ended = placement.spec.mode is not LaunchMode.EXECUTE, bool(placement.status.ended)
    if not (is_dry or has_ended):
        return False
    if changed or is_restart_asked(workload, placement):
        return True
    if is_dry:
        return has_ended
    by_order = placement.spec.stop is not None or placement.metadata.deletion_timestamp is not None
    return by_order or failed_before_guest(placement)


def is_restart_asked(workload: VMWorkload, placement: VMPlacement) -> bool:
    """Say whether restartToken has a value that the placement was not made for.

    One that was taken away asks for nothing.
    """
    token = workload.spec.restart_token
    return token is not None and token != placement.spec.workload.restart_token


def failed_before_guest(placement: VMPlacement) -> bool:
    """Say whether a placement ended before its guest was ready."""
    ended = placement.status.ended
    return ended is not None and (
        placement.status.refusal is not None or ended.reason in _BEFORE_GUEST
    )
