"""The placement's status, projected from the record: conditions, trace, lines for people."""

from datetime import datetime
from typing import Final

from schedune.api.base import Condition
from schedune.api.text import plain_line
from schedune.api.vmplacement import (
    PlacementState,
    Prepared,
    VMMProcess,
    VMPlacement,
    VMPlacementStatus,
)
from schedune.api.vmworkload import LaunchMode
from schedune.codes import execution as codes
from schedune.codes.row import Reason, Row
from schedune.codes.table import TABLE
from schedune_agent.record import MOST_TRACE, LaunchRecord

_S: Final = PlacementState
_LIVE: Final = frozenset({_S.STARTING, _S.RUNNING, _S.DEGRADED, _S.TERMINATING})
_BEFORE_ADMISSION: Final = frozenset({None, _S.PENDING})


def project(
    placement: VMPlacement,
    record: LaunchRecord,
    socket: str,
    prepared: Prepared | None,
    now: datetime,
    trouble: Reason | None,
) -> VMPlacementStatus:
    """Return the status that the record stands for; trouble: why it may be out of date."""
    known = {one.type: one for one in placement.status.conditions}
    vmm = _vmm(record, socket)
    return VMPlacementStatus(
        conditions=[
            _keep_transition(one, known.get(one.type))
            for one in _conditions(placement, record, now, trouble)
        ],
        addresses=record.addresses,
        ended=record.ended,
        incarnation=record.incarnation,
        last_exit=record.last_exit,
        observed_generation=placement.metadata.generation,
        prepared=prepared,
        readiness=record.readiness,
        refusal=record.refusal,
        state=record.state,
        trace=record.trace[-MOST_TRACE:],
        vmm=vmm,
        why=_why(placement, record, vmm, trouble),
    )


def _vmm(record: LaunchRecord, socket: str) -> VMMProcess | None:
    process = record.process
    if process is None:
        return record.lost_process
    return VMMProcess(
        pid=process.pid,
        start_time=process.start_time,
        boot_id=process.boot_id,
        version=record.version,
        control_socket=socket,
        survival=record.survival,
    )


def _keep_transition(fresh: Condition, known: Condition | None) -> Condition:
    if known is None or known.status != fresh.status:
        return fresh
    return fresh.model_copy(update={"last_transition_time": known.last_transition_time})


def _conditions(
    placement: VMPlacement, record: LaunchRecord, now: datetime, trouble: Reason | None
) -> list[Condition]:
    state = record.state
    row, message = (trouble.row, trouble.message) if trouble else _last(record)

    def condition(kind: str, status: str, reason: Row) -> Condition:
        return Condition(
            type=kind, status=status, reason=reason.reason, message=message,
            last_transition_time=now, observed_generation=placement.metadata.generation,
        )  # fmt: skip

    admitted = "Unknown" if state in _BEFORE_ADMISSION else "False" if record.refusal else "True"
    launched = "Unknown" if state is _S.UNKNOWN else "True" if state in _LIVE else "False"
    ready = (
        "Unknown" if state is _S.UNKNOWN else "True" if _is_settled(placement, state) else "False"
    )
    if trouble and ready == "True":
        # What was seen since cannot be written down: the record is an old proof.
        ready = "Unknown"
    return [
        condition("Admitted", admitted, row),
        condition("Launched", launched, row),
        condition("Ready", ready, row),
    ]


def _is_settled(placement: VMPlacement, state: PlacementState | None) -> bool:
    """Say whether it is as asked: a VM that runs, or a dry run that is prepared."""
    wanted = _S.RUNNING if placement.spec.mode is LaunchMode.EXECUTE else _S.VALIDATED
    return state is wanted


def _last(record: LaunchRecord) -> tuple[Row, str]:
    if not record.trace:
        return codes.PREPARING, ""
    entry = record.trace[-1]
    return TABLE.get(entry.code, codes.PREPARING), entry.message


def _why(
    placement: VMPlacement, record: LaunchRecord, vmm: VMMProcess | None, trouble: Reason | None
) -> list[str]:
    rung = record.readiness.rung if record.readiness else "-"
    spec = placement.spec
    lines = [f"{spec.backend.value} on {spec.node_name}: {record.state}, readiness {rung}"]
    if vmm is not None:
        lines.append(
            f"pid {vmm.pid}, {spec.backend.value} {vmm.version or '-'},"
            f" control socket {vmm.control_socket}"
        )
    if trouble is not None:
        lines.append(f"{trouble.row.code}: {trouble.message}")
    lines.append("TIME      STATE        CODE")
    lines += [
        f"{entry.time:%H:%M:%S}  {entry.to.value:<11}  {entry.code}: {entry.message}"
        for entry in record.trace[-8:]
    ]
    return [plain_line(line) for line in lines]
