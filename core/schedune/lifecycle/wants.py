"""Does a workload want a node? One that is stopped, being deleted or served wants none."""

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
    if workload.metadata.deletion_timestamp is not None:
        return BEING_DELETED
    if workload.spec.run_state is RunState.STOPPED:
        return summary.STOPPED.sentence
    if resting is None or makes_room(workload, intent, resting):
        return ""
    return mirror(resting, [], None, silent_since=None, is_silent=False).ready.message


def makes_room(workload: VMWorkload, intent: Intent, resting: VMPlacement) -> bool:
    """Say whether a placement that holds nothing makes room for another one of its workload.

    One that ended under its restartPolicy does not, and no dry run that stands, until the
    workload changes.
    """
    bound, token = resting.spec, workload.spec.restart_token
    if token is not None and token != bound.workload.restart_token:
        return True
    if changed_fields(resting, workload, intent):
        return True
    if bound.mode is not LaunchMode.EXECUTE:
        return resting.status.ended is not None
    by_order = bound.stop is not None or resting.metadata.deletion_timestamp is not None
    return by_order or _failed_before_guest(resting)


def _failed_before_guest(placement: VMPlacement) -> bool:
    ended = placement.status.ended
    return placement.status.refusal is not None or (
        ended is not None and ended.reason in _BEFORE_GUEST
    )
