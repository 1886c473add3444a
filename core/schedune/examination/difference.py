"""What differs between two truths of a node: what verdicts hang on first, noise counted.

No list of facts stands here: the models' fields are walked. Verdicts hang on a change if
putting it back, or in, changes what the decision keeps of the node.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from pydantic import BaseModel

from schedune.api.base import field_name
from schedune.examination.keys import keys_of
from schedune.fleet.node import NodeRecord
from schedune.fleet.profile import Interner, NodeProfile, profile_of

_REPEATS: Final = frozenset({"digest", "why"})
"""Parts of a status that only repeat the others."""
_PROJECTED: Final = "conditions"
"""What these say besides their status repeats other facts."""
_NOISY_UNITS: Final = ("milliseconds",)
_AGES: Final = frozenset({"last_proof", "lease_seconds"})
"""Parts of a record that tell of the heartbeat; its freshness is compared, not its time."""
_ABOUT: Final = frozenset({"apiVersion", "kind", "metadata"})


class Meaning(StrEnum):
    """What a change is for those who place VMs."""

    DECISIVE = "Decisive"
    OTHER = "Other"
    NOISE = "Noise"


@dataclass(frozen=True, slots=True)
class Change:
    """One fact that is not what it was; None: it is, or was, not there."""

    path: tuple[str, ...]
    then: object
    now: object
    meaning: Meaning


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A place at which two records differ, and each record as it would be with the other's."""

    path: tuple[str, ...]
    then: object
    now: object
    put_now: Callable[[], NodeRecord]
    """The earlier record, with what is there now."""
    put_then: Callable[[], NodeRecord]
    """The later record, with what was there then."""


_Put = Callable[[Any], NodeRecord]


def changes_of(then: NodeRecord, now: NodeRecord) -> Iterator[Change]:
    """Give every difference between two records of one node, heartbeats apart."""
    profiles = _bare(then), _bare(now)
    for leaf in _of_record(then, now):
        yield Change(leaf.path, leaf.then, leaf.now, _meaning(leaf, profiles))


def _meaning(leaf: _Leaf, profiles: tuple[NodeProfile, NodeProfile]) -> Meaning:
    if _is_noise(leaf):
        return Meaning.NOISE
    as_it_was = _bare(leaf.put_now()) == profiles[0] and _bare(leaf.put_then()) == profiles[1]
    return Meaning.OTHER if as_it_was else Meaning.DECISIVE


def _is_noise(leaf: _Leaf) -> bool:
    """Times, how long something took, and what only repeats other facts."""
    if _REPEATS & set(leaf.path):
        return True
    last = leaf.path[-1]
    is_time = isinstance(leaf.then, datetime) or isinstance(leaf.now, datetime)
    if is_time or last.lower().endswith(_NOISY_UNITS):
        return True
    return _PROJECTED in leaf.path and last in ("message", "reason", "observedGeneration")


def _bare(record: NodeRecord) -> NodeProfile:
    """Reduce a record to what verdicts hang on: without proofs, digests and sentences."""
    profile = profile_of(record, Interner())
    facts = profile.facts
    if facts is not None:
        facts = replace(
            facts,
            capabilities={
                name: replace(one, message="") for name, one in facts.capabilities.items()
            },
            constraints=tuple((code, "") for code, _ in facts.constraints),
        )
    return replace(profile, last_proof=0, lease_seconds=0, digest=None, facts=facts)


# --- the walk ----------------------------------------------------------------------------


def _of_record(then: NodeRecord, now: NodeRecord) -> Iterator[_Leaf]:
    for one in fields(NodeRecord):
        if one.name not in _AGES:
            sides = getattr(then, one.name), getattr(now, one.name)
            puts = _setter(then, one.name), _setter(now, one.name)
            head = () if one.name == "truth" else ("node", field_name(one.name))
            yield from _walk(head, sides, puts)


def _setter(record: NodeRecord, name: str) -> _Put:
    return lambda value: replace(record, **{name: value})


def _walk(
    path: tuple[str, ...], sides: tuple[Any, Any], puts: tuple[_Put, _Put]
) -> Iterator[_Leaf]:
    """Descend as long as both sides have the same form; where they differ is a leaf."""
    then, now = sides
    if then == now:
        return
    if isinstance(then, BaseModel) and type(then) is type(now):
        yield from _walk_model(path, sides, puts)
    elif _is_list(then) and _is_list(now) and (_holds_parts(then) or _holds_parts(now)):
        yield from _walk_list(path, sides, puts)
    elif isinstance(then, Mapping) and isinstance(now, Mapping):
        for key in sorted({*then, *now}):
            below = _entry(then, key, puts[0]), _entry(now, key, puts[1])
            yield from _walk((*path, key), (then.get(key), now.get(key)), below)
    else:
        yield _Leaf(path or ("NodeTruth",), then, now, lambda: puts[0](now), lambda: puts[1](then))


def _walk_model(
    path: tuple[str, ...], sides: tuple[Any, Any], puts: tuple[_Put, _Put]
) -> Iterator[_Leaf]:
    for name, one in type(sides[0]).model_fields.items():
        spelt = one.alias or field_name(name)
        if not path and spelt in _ABOUT:
            continue
        inner = getattr(sides[0], name), getattr(sides[1], name)
        below = _in_model(sides[0], name, puts[0]), _in_model(sides[1], name, puts[1])
        yield from _walk((*path, spelt), inner, below)


def _in_model(side: BaseModel, name: str, put: _Put) -> _Put:
    return lambda value: put(side.model_copy(update={name: value}))


def _entry(side: Mapping[str, Any], key: str, put: _Put) -> _Put:
    def put_entry(value: Any) -> NodeRecord:
        rest = {one: held for one, held in side.items() if one != key}
        return put(rest if value is None else {**rest, key: value})

    return put_entry


def _walk_list(
    path: tuple[str, ...], sides: tuple[Any, Any], puts: tuple[_Put, _Put]
) -> Iterator[_Leaf]:
    """Compare elements by their names; their order says nothing."""
    names = _names(sides)
    then, now = (dict(zip(names[at], sides[at], strict=True)) for at in (0, 1))
    for key in sorted({*then, *now}):
        inner = (then.get(key), now.get(key))
        below = (
            _element(then, key, puts[0], type(sides[0])),
            _element(now, key, puts[1], type(sides[1])),
        )
        yield from _walk((*path, key), inner, below)


def _element(named: Mapping[str, Any], key: str, put: _Put, kind: Callable[[Any], Any]) -> _Put:
    """Put one element into a list, or take it out; the order of names keeps that repeatable."""

    def put_element(value: Any) -> NodeRecord:
        rest = {one: held for one, held in named.items() if one != key}
        changed = rest if value is None else {**rest, key: value}
        order = [*dict.fromkeys([*named, key])]
        return put(kind([changed[one] for one in order if one in changed]))

    return put_element


def _names(sides: tuple[Any, Any]) -> tuple[tuple[str, ...], ...]:
    if any(isinstance(one, BaseModel) for side in sides for one in side):
        return keys_of(*sides).names
    return tuple(tuple(str(one) for one in side) for side in sides)


def _is_list(value: object) -> bool:
    return isinstance(value, (list, tuple))


def _holds_parts(value: Any) -> bool:
    return any(isinstance(one, BaseModel) or is_dataclass(one) for one in value)
