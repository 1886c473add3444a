"""The record that a worker begins with: an earlier agent's, or one made of what is told."""

from typing import Final

from schedune.api.vmplacement import PlacementState, VMPlacement
from schedune.api.vmworkload import LaunchMode
from schedune_agent.record import LaunchRecord

_UNKNOWN: Final = PlacementState.UNKNOWN


def begin_record(placement: VMPlacement, record: LaunchRecord | None) -> LaunchRecord:
    """Go on from the record, or from the status where it is lost or a newer agent's."""
    if record is None:
        return _with_terms(_fresh_record(placement), placement)
    if not record.is_of_newer_agent:
        return _with_terms(record, placement)
    fresh = _fresh_record(placement)
    state = _UNKNOWN if fresh.ended is None else fresh.state
    told = {"record_format": record.record_format, "state": state}
    return _with_terms(fresh.model_copy(update=told), placement)


def _with_terms(record: LaunchRecord, placement: VMPlacement) -> LaunchRecord:
    """Fill in what the placement says for good, whoever wrote the record, or lost it.

    Its grace is for whoever ends the guest without a placement to ask; what it holds of the
    node also for a record from before that was kept; a dry run holds nothing.
    """
    terms: dict[str, object] = {"grace_seconds": placement.spec.launch.termination_grace_seconds}
    if record.claim is None and placement.spec.mode is LaunchMode.EXECUTE:
        terms["claim"] = placement.spec.claim
    return record.model_copy(update=terms)


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
