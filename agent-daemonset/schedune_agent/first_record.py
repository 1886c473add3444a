"""The record that a worker begins with: an earlier agent's, or one made of what is told."""

from typing import Final

from schedune.api.vmplacement import PlacementState, VMPlacement
from schedune.api.vmworkload import LaunchMode
from schedune_agent.record import LaunchRecord

_UNKNOWN: Final = PlacementState.UNKNOWN


def begin_record(placement: VMPlacement, record: LaunchRecord | None) -> LaunchRecord:
    """Go on from the record, or from the status where it is lost or a newer agent's."""
    if record is None:
        return _with_claim(_fresh_record(placement), placement)
    if not record.is_of_newer_agent:
        return _with_claim(record, placement)
    fresh = _fresh_record(placement)
    state = _UNKNOWN if fresh.ended is None else fresh.state
    told = {"record_format": record.record_format, "state": state}
    return _with_claim(fresh.model_copy(update=told), placement)


def _with_claim(record: LaunchRecord, placement: VMPlacement) -> LaunchRecord:
    """Fill in the claim, also of a record from before it was kept; a dry run has none."""
    if record.claim is not None or placement.spec.mode is not LaunchMode.EXECUTE:
        return record
    return record.model_copy(update={"claim": placement.spec.claim})


def _fresh_record(placement: VMPlacement) -> LaunchRecord:
    """Begin a record; what the status tells of an earlier one that was lost is kept.

    Where state and trace differ, an agent that could not read the record told the state:
    the record's own last move is what went before.
    """
    status = placement.status
    return LaunchRecord(
        placement_uid=placement.metadata.uid,
        workload_uid=placement.spec.workload.uid,
        namespace=placement.metadata.namespace,
        name=placement.metadata.name,
        backend=placement.spec.backend,
        state=status.trace[-1].to if status.trace else status.state,
        incarnation=max(1, status.incarnation),
        lost_process=status.vmm,
        trace=status.trace,
        readiness=status.readiness,
        addresses=status.addresses,
        last_exit=status.last_exit,
        refusal=status.refusal,
        ended=status.ended,
    )
