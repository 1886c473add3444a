"""What differs between two records of one node, fact by fact, each of which can be put back."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from schedune.api.nodetruth import Capability, NodeTruth
from schedune.fleet.node import NodeRecord

_ABSENT: Final = "absent"
_BY_NAME: Final = ("capabilities", "backends", "artifacts")
"""Lists of a truth whose elements are facts of their own."""
_WHOLE: Final = (
    "artifacts_truncated", "capacity", "compatibility_class", "constraints", "cpu", "health",
    "identity", "live_vms", "networks", "persistent_disks", "probes",
)  # fmt: skip
_SPEC: Final = ("scheduling", "capacity", "compatibility_class")
_RECORD: Final = ("uid", "node_ready", "unschedulable")
_LONGEST: Final = 120
PutBack = Callable[[NodeRecord], NodeRecord]


@dataclass(frozen=True, slots=True)
class Unit:
    """One fact that is not what it was."""

    name: str
    then: str
    now: str
    put_back: PutBack


@dataclass(frozen=True, slots=True)
class Moment:
    """A node at a time."""

    record: NodeRecord
    time: datetime


def units_of(then: Moment, now: Moment) -> Iterator[Unit]:
    """Give every fact that differs; ages are compared, never times."""
    yield from _record_units(then.record, now.record)
    yield from _proof_units(then, now)
    yield from _named_units("label", then.record.labels, now.record.labels, _put_label)
    before = {str(one): one for one in then.record.taints}
    yield from _named_units(
        "taint", before, {str(one): one for one in now.record.taints}, _put_taint
    )
    yield from _truth_units(then, now)


def _record_units(then: NodeRecord, now: NodeRecord) -> Iterator[Unit]:
    for name in _RECORD:
        before, after = getattr(then, name), getattr(now, name)
        if before != after:
            yield Unit(f"Node {name}", _say(before), _say(after), _field(name, before))


def _field(name: str, value: object) -> PutBack:
    return lambda record: replace(record, **{name: value})  # type: ignore[arg-type]


def _proof_units(then: Moment, now: Moment) -> Iterator[Unit]:
    """The age of the facts, against the Lease that holds at each time."""
    ages = [_age(one) for one in (then, now)]
    limits = [one.record.lease_seconds for one in (then, now)]
    if ages == [None, None] or (ages[0] == ages[1] and limits[0] == limits[1]):
        return
    proof = None if ages[0] is None else now.time - ages[0]
    told = [
        "never proved" if age is None else f"proved {int(age.total_seconds())} s ago"
        for age in ages
    ]
    yield Unit(
        "proof of the facts",
        f"{told[0]} (Lease {limits[0]} s)",
        f"{told[1]} (Lease {limits[1]} s)",
        lambda record: replace(record, last_proof=proof, lease_seconds=limits[0]),
    )


def _age(one: Moment) -> timedelta | None:
    return None if one.record.last_proof is None else one.time - one.record.last_proof


def _named_units(
    kind: str,
    then: Mapping[str, object],
    now: Mapping[str, object],
    put: Callable[[NodeRecord, str, Any], NodeRecord],
) -> Iterator[Unit]:
    for name in sorted({*then, *now}):
        before, after = then.get(name), now.get(name)
        if before != after:
            yield Unit(f"{kind} {name}", _say(before), _say(after), _named(put, name, before))


def _named(put: Callable[[NodeRecord, str, Any], NodeRecord], name: str, value: Any) -> PutBack:
    return lambda record: put(record, name, value)


def _put_label(record: NodeRecord, name: str, value: str | None) -> NodeRecord:
    labels = {key: one for key, one in record.labels.items() if key != name}
    return replace(record, labels=labels if value is None else {**labels, name: value})


def _put_taint(record: NodeRecord, name: str, value: Any) -> NodeRecord:
    taints = tuple(one for one in record.taints if str(one) != name)
    return replace(record, taints=taints if value is None else (*taints, value))


# --- the truth -----------------------------------------------------------------------


def _truth_units(then: Moment, now: Moment) -> Iterator[Unit]:
    before, after = then.record.truth, now.record.truth
    if before is None or after is None:
        if before is not after:
            yield Unit("NodeTruth", _there(before), _there(after), _field("truth", before))
        return
    for name in _SPEC:
        yield from _part_unit("spec", name, before, after)
    for name in _WHOLE:
        yield from _part_unit("status", name, before, after)
    shift = now.time - then.time
    for name in _BY_NAME:
        old = {one.name: _shifted(one, shift) for one in getattr(before.status, name)}
        new = {one.name: one for one in getattr(after.status, name)}
        yield from _element_units(name, old, new)


def _there(truth: NodeTruth | None) -> str:
    return _ABSENT if truth is None else "present"


def _part_unit(part: str, name: str, then: NodeTruth, now: NodeTruth) -> Iterator[Unit]:
    before, after = getattr(getattr(then, part), name), getattr(getattr(now, part), name)
    if _told(name, before) != _told(name, after):
        said = _say(_told(name, before)), _say(_told(name, after))
        yield Unit(f"{part}.{name}", *said, _truth_field(part, name, before))


def _told(name: str, value: Any) -> Any:
    """Leave out of probes how long they took: that is no fact about the node."""
    return [(one.name, one.outcome) for one in value] if name == "probes" else value


def _truth_field(part: str, name: str, value: object) -> PutBack:
    def put_back(record: NodeRecord) -> NodeRecord:
        if record.truth is None:
            return record
        changed = getattr(record.truth, part).model_copy(update={name: value})
        return replace(record, truth=record.truth.model_copy(update={part: changed}))

    return put_back


def _shifted(one: Any, shift: timedelta) -> Any:
    """Keep the age of what was observed, not its time."""
    if not isinstance(one, Capability):
        return one
    return one.model_copy(update={"observed_time": one.observed_time + shift})


def _element_units(name: str, then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Unit]:
    for key in sorted({*then, *now}):
        before, after = then.get(key), now.get(key)
        if _meaning(before) != _meaning(after):
            yield Unit(f"{name} {key}", _say(before), _say(after), _put_element(name, key, before))


def _meaning(one: Any) -> Any:
    """Leave the time out of what never grows old."""
    if isinstance(one, Capability) and one.stale_after_seconds is None:
        return one.model_copy(update={"observed_time": None})
    return one


def _put_element(name: str, key: str, value: Any) -> PutBack:
    def put_back(record: NodeRecord) -> NodeRecord:
        if record.truth is None:
            return record
        held: Sequence[Any] = getattr(record.truth.status, name)
        kept = [one for one in held if one.name != key]
        status = record.truth.status.model_copy(
            update={name: kept if value is None else [*kept, value]}
        )
        return replace(record, truth=record.truth.model_copy(update={"status": status}))

    return put_back


def _say(value: object) -> str:
    """Write a fact on one line."""
    if value is None or value in ([], ()):
        return _ABSENT
    if isinstance(value, Capability):
        told = f"{value.state.value}: {value.message or value.reason_code}"
    elif hasattr(value, "render"):
        told = ", ".join(f"{key}: {one}" for key, one in value.render().items())
    elif isinstance(value, list):
        told = "; ".join(_say(one) for one in value)
    else:
        told = str(getattr(value, "value", value))
    return told if len(told) <= _LONGEST else told[: _LONGEST - 3] + "..."
