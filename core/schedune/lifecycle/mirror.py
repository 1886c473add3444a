"""Tell a workload's situation from its placement: what the agent said, seen from above."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from schedune.api.evaluation import CodeCount, Evaluation
from schedune.api.text import plain_line
from schedune.api.vmplacement import PlacementState, Prepared, VMPlacement
from schedune.api.vmworkload import LaunchMode
from schedune.codes import disks, execution, summary
from schedune.codes.row import Reason, Row
from schedune.codes.table import TABLE
from schedune.lifecycle.restart import is_failure
from schedune.lifecycle.situation import Claim, Situation

S = PlacementState
MOST_REFUSALS: Final = 4
"""Named among why; the condition names all."""
_LAUNCHED: Final = frozenset({S.STARTING, S.RUNNING, S.DEGRADED, S.TERMINATING})
_WAITS: Final = frozenset({execution.PREPARATION_WAITS.code, disks.DISK_GONE.code})
_CHECKED: Final = frozenset({*_LAUNCHED, S.VALIDATED, S.LAUNCHING, S.EXITED})


def mirror(
    placement: VMPlacement,
    changed: list[str],
    evaluation: Evaluation | None,
    *,
    silent_since: datetime | None,
    is_silent: bool,
    refusals: Sequence[Reason] = (),
) -> Situation:
    """Return the situation of a workload that has a placement of its own.

    ``refusals`` say why its spec, as it is now, is not served: its VM runs on as it was placed.
    """
    node, state = placement.spec.node_name, placement.status.state
    scheduled = _claim("True", summary.PLACED, _placed(placement, evaluation))
    validated = _claim("True", summary.VALIDATED, node)
    if state not in _CHECKED:
        validated = _claim("Unknown", summary.WAITING_FOR_AGENT, node)
    launched = _claim("True", summary.LAUNCHED, node)
    if state not in _LAUNCHED:
        launched = Claim("False", summary.NOT_LAUNCHED, summary.NOT_LAUNCHED.sentence)
    ready, settled, stalled = _ready(placement)
    if is_silent and placement.status.ended is None:
        last = (
            f"{silent_since:%Y-%m-%dT%H:%M:%SZ}" if silent_since else "before this operator started"
        )
        ready, settled = _claim("Unknown", summary.NODE_SILENT, node, last), False
    return Situation(
        ready=ready,
        scheduled=scheduled,
        validated=validated,
        launched=launched if state is not S.UNKNOWN else _claim("Unknown", summary.NOT_YET_DECIDED),
        up_to_date=_up_to_date(changed, refusals),
        stalled=stalled,
        settled=settled and not stalled,
        why=_why(placement, ready.message, evaluation, refusals),
    )


def _up_to_date(changed: Sequence[str], refusals: Sequence[Reason]) -> Claim:
    if refusals:
        return Claim("False", refusals[0].row, "; ".join(one.message for one in refusals))
    if changed:
        return _claim("False", summary.RESTART_REQUIRED, ", ".join(changed))
    return _claim("True", summary.UP_TO_DATE)


def _placed(placement: VMPlacement, evaluation: Evaluation | None) -> str:
    bound, among = placement.spec, ""
    told = f"placed on {bound.node_name} with {bound.backend.value}, score {bound.evidence.score}"
    if evaluation is not None and evaluation.nodes_evaluated:
        among = f"; {evaluation.nodes_eligible}/{evaluation.nodes_evaluated} nodes could run it"
    return f"{told}{among}"


def _claim(status: str, row: Row, observed: str = "", required: str = "") -> Claim:
    message = Reason(row, observed, required).message
    return Claim(
        "True" if status == "True" else "False" if status == "False" else "Unknown", row, message
    )


def _ready(placement: VMPlacement) -> tuple[Claim, bool, bool]:
    """Return Ready, and whether that is settled, or stalled."""
    status, node = placement.status, placement.spec.node_name
    if status.ended is not None:
        return _after_end(placement)
    if placement.spec.mode is not LaunchMode.EXECUTE and status.state is S.VALIDATED:
        dry = placement.spec.mode is LaunchMode.DRY_RUN
        row = summary.DRY_RUN_PREPARED if dry else summary.VALIDATED
        return _claim("True", row, node), True, False
    match status.state:
        case None:
            return _claim("False", summary.WAITING_FOR_AGENT, node), False, False
        case S.RUNNING:
            return _claim("True", summary.RUNNING, _where(placement)), True, False
        case S.DEGRADED:
            return _claim("False", summary.DEGRADED, _last_words(placement)), False, False
        case S.UNKNOWN:
            row = TABLE.get(_last_code(placement), execution.RECOVERY_UNANSWERED)
            return Claim("Unknown", row, _last_words(placement)), False, False
        case S.TERMINATING:
            return _claim("False", summary.STOPPING, _last_words(placement)), False, False
        case _:
            return _claim("False", summary.LAUNCHING, _on_its_way(placement)), False, False


def _on_its_way(placement: VMPlacement) -> str:
    told = f"{placement.status.state} on {placement.spec.node_name}"
    waits = _last_code(placement) in _WAITS
    return f"{told}, {_last_words(placement)}" if waits else told


def _after_end(placement: VMPlacement) -> tuple[Claim, bool, bool]:
    reason = placement.status.ended.reason if placement.status.ended else ""
    told = f"{reason} on {placement.spec.node_name}"
    if is_failure(reason):
        return _claim("False", summary.FAILED, told), False, True
    return _claim("True", summary.COMPLETED, told), True, False


def _where(placement: VMPlacement) -> str:
    rung = placement.status.readiness
    proof = f" ({rung.rung}: {_PROOF.get(rung.rung, 'proved')})" if rung else ""
    return f"{placement.spec.node_name} with {placement.spec.backend.value}{proof}"


_PROOF: Final = {
    "R2": "the VMM says that it runs",
    "R3": "the console shows the text asked for",
    "R4": "the guest answered",
    "R5": "its port greets",
}


def _last_code(placement: VMPlacement) -> str:
    return placement.status.trace[-1].code if placement.status.trace else ""


def _last_words(placement: VMPlacement) -> str:
    return placement.status.trace[-1].message if placement.status.trace else "nothing is known yet"


def _why(
    placement: VMPlacement,
    headline: str,
    evaluation: Evaluation | None,
    refusals: Sequence[Reason],
) -> list[str]:
    evidence, status = placement.spec.evidence, placement.status
    lines = [
        headline,
        *(
            f"The spec is refused, {one.row.code}: {one.message}"
            for one in refusals[:MOST_REFUSALS]
        ),
        f"Placed on {placement.spec.node_name} (score {evidence.score})"
        f" at {evidence.decision_time:%H:%M:%S}Z, attempt {placement.spec.attempt}.",
    ]
    if status.vmm is not None:
        lines.append(f"pid {status.vmm.pid}, control socket {status.vmm.control_socket}")
    if status.prepared is not None:
        lines.append(f"Prepared: {_counted(status.prepared)} in the VMPlacement's status.prepared")
    lines += _rejections(evaluation.codes if evaluation else [])
    lines += [
        f"{entry.time:%H:%M:%SZ} {entry.to.value}: {entry.message or entry.code}"
        for entry in status.trace[-3:]
    ]
    return [plain_line(line) for line in lines][:12]


def _counted(prepared: Prepared) -> str:
    arguments, requests = len(prepared.argv), len(prepared.requests)
    return f"{arguments} arguments" + (f" and {requests} requests" if requests else "")


def _rejections(causes: list[CodeCount]) -> list[str]:
    """Tell, as a table, why the VM does not run elsewhere."""
    if not causes:
        return []
    rows = [(one.sample_nodes[0], one.code, one.message) for one in causes]
    node = max(len(row[0]) for row in rows)
    code = max(len(row[1]) for row in rows)
    table = [("NODE", "CODE", "WHY NOT THERE"), *rows]
    return [f"{row[0]:<{node}}  {row[1]:<{code}}  {row[2]}" for row in table]
