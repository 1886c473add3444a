"""Two recordings of truths compared, as a document."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from schedune.api.base import ApiModel, Time
from schedune.examination.difference import Change, Meaning, changes_of
from schedune.fleet.node import NodeRecord

Count = Annotated[int, Field(ge=0)]
ABSENT = "absent"


class FactChange(ApiModel):
    """One fact that is not what it was."""

    path: str
    """Where it stands: as in the object, list elements by their names."""
    then: str
    """What it was; `absent`: it was not there."""
    now: str
    """What it is; `absent`: it is not there."""


class NodeChange(ApiModel):
    """One node at two times."""

    node_name: str
    """The node."""
    presence: Literal["Both", "OnlyThen", "OnlyNow"]
    """In which of the two it is."""
    decisive: list[FactChange] = Field(default_factory=list)
    """Facts that verdicts hang on."""
    other: list[FactChange] = Field(default_factory=list)
    """Facts that no verdict hangs on."""
    noise: Count = 0
    """How many times, durations and repetitions differ as well."""

    @property
    def differs(self) -> bool:
        """Whether anything but noise is not what it was."""
        return self.presence != "Both" or bool(self.decisive or self.other)


class TruthDifference(ApiModel):
    """Two recordings of truths compared."""

    api_version: Literal["schedune.io/v1alpha1"] = "schedune.io/v1alpha1"
    kind: Literal["TruthDifference"] = "TruthDifference"
    then: Time | None = None
    """The earlier time; absent: nothing tells it."""
    now: Time | None = None
    """The later time; absent: nothing tells it."""
    nodes: list[NodeChange] = Field(default_factory=list)
    """Every node of either, those on which verdicts may be others first, then by name."""

    @property
    def differs(self) -> bool:
        """Whether anything but noise is not what it was."""
        return any(one.differs for one in self.nodes)


@dataclass(frozen=True, slots=True)
class Moment:
    """Nodes as they were once."""

    records: Mapping[str, NodeRecord]
    time: datetime | None


def compare_truths(then: Moment, now: Moment, names: Sequence[str] = ()) -> TruthDifference:
    """Compare the nodes of two moments; all of them where none is named."""
    wanted = names or sorted({*then.records, *now.records})
    nodes = [_node(name, then, now) for name in dict.fromkeys(wanted)]
    return TruthDifference(then=then.time, now=now.time, nodes=sorted(nodes, key=_rank))


def _rank(one: NodeChange) -> tuple[bool, bool, bool, str]:
    return one.presence == "Both", not one.decisive, not one.other, one.node_name


def _node(name: str, then: Moment, now: Moment) -> NodeChange:
    before, after = then.records.get(name), now.records.get(name)
    if before is None or after is None:
        presence: Literal["OnlyThen", "OnlyNow"] = "OnlyNow" if before is None else "OnlyThen"
        return NodeChange(node_name=name, presence=presence)
    found = [*_freshness(before, after, then.time, now.time), *changes_of(before, after)]
    by_meaning = {one: [each for each in found if each.meaning is one] for one in Meaning}
    return NodeChange(
        node_name=name,
        presence="Both",
        decisive=[_told(one) for one in by_meaning[Meaning.DECISIVE]],
        other=[_told(one) for one in by_meaning[Meaning.OTHER]],
        noise=len(by_meaning[Meaning.NOISE]),
    )


def _freshness(
    before: NodeRecord, after: NodeRecord, then: datetime | None, now: datetime | None
) -> Iterator[Change]:
    """Compare whether the facts could be believed at each time, where the times are known."""
    if then is None or now is None:
        return
    states = _states_at(before, then), _states_at(after, now)
    for name in [one for one in states[0] if one in states[1]]:
        if states[0][name] != states[1][name]:
            yield Change(name, states[0][name], states[1][name], Meaning.DECISIVE)
    limits = before.lease_seconds, after.lease_seconds
    if limits[0] != limits[1]:
        yield Change(("lease", "leaseDurationSeconds"), *limits, Meaning.OTHER)


def _states_at(record: NodeRecord, time: datetime) -> dict[tuple[str, ...], str]:
    """Say of all facts, and of each capability that grows old by itself, whether it is fresh."""
    states: dict[tuple[str, ...], str] = {("freshness",): "never proved"}
    if record.last_proof is not None:
        states["freshness",] = _state(record.last_proof, record.lease_seconds, time)
    for one in record.truth.status.capabilities if record.truth else ():
        if one.stale_after_seconds is not None:
            state = _state(one.observed_time, one.stale_after_seconds, time)
            states["freshness", one.name] = state
    return states


def _state(proved: datetime, limit_s: int, time: datetime) -> str:
    return "Fresh" if (time - proved).total_seconds() <= limit_s else "Stale"


def _told(change: Change) -> FactChange:
    last = change.path[-1]
    return FactChange(
        path=".".join(change.path), then=_say(last, change.then), now=_say(last, change.now)
    )


def _say(name: str, value: object) -> str:
    """Write a value whole: a difference of one byte must be seen."""
    if value is None or value in ([], ()):
        return ABSENT
    if isinstance(value, BaseModel):
        return "; ".join(_pairs(value)) or "present"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(_say(name, one) for one in value)
    return str(value.value if isinstance(value, Enum) else value)


def _pairs(value: BaseModel) -> Iterator[str]:
    for name, one in type(value).model_fields.items():
        inner = getattr(value, name)
        if inner is not None and inner not in ("", [], {}):
            yield f"{one.alias or name} {_say(name, inner)}"
