"""Every fact of a truth as rows, whatever facts the model has: its fields are walked, not named."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Final

from pydantic import BaseModel

from schedune.examination.keys import keys_of
from schedune.telling.words import aged

_HOW: Final = ("source", "method", "observed_time")
"""Fields that tell how a fact was come by; they stand beside it."""
_BINARY: Final = (("Ti", 2**40), ("Gi", 2**30), ("Mi", 2**20), ("Ki", 2**10))
_UNITS: Final = {"seconds": " s", "milliseconds": " ms", "percent": " %", "mhz": " MHz"}


@dataclass(frozen=True, slots=True)
class FactRow:
    """One fact."""

    group: str
    """The part of the node that it is about."""
    name: str
    """Which fact of it; "" where the group is one fact."""
    value: str
    how: str = ""
    """Source, method and age, where the fact has its own."""


@dataclass(slots=True)
class FactRows:
    """All facts of a truth."""

    rows: list[FactRow] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    """Groups of which there is none."""
    unknown: list[str] = field(default_factory=list)
    """Groups of which nothing is known."""


def rows_of(part: BaseModel, now: datetime, leave_out: Sequence[str] = ()) -> FactRows:
    """Return the facts of a model, field by field; what is not there is named at least."""
    told = FactRows()
    for name in type(part).model_fields:
        if name in leave_out:
            continue
        value, group = getattr(part, name), words(name)
        if value is None:
            told.unknown.append(group)
        elif value in ([], {}):
            told.absent.append(group)
        else:
            told.rows += _rows(group, name, value, now)
    return told


def _rows(group: str, name: str, value: object, now: datetime) -> Iterator[FactRow]:
    if isinstance(value, BaseModel):
        how = _how(value, now)
        for one, inner in _own_fields(value):
            yield from _inner_rows(group, one, inner, now, how)
    elif models := _models(value):
        keys = keys_of(models)
        for key, element in zip(keys.names[0], models, strict=True):
            pairs = [one for one in _own_fields(element) if one[0] not in keys.fields]
            yield FactRow(group, key, _pairs(pairs, now), _how(element, now))
    else:
        yield FactRow(group, "", say(name, value, now))


def _inner_rows(group: str, name: str, value: object, now: datetime, how: str) -> Iterator[FactRow]:
    """One level deeper, lists still are rows of their own: a NUMA node is no half sentence."""
    if _models(value):
        for row in _rows(group, name, value, now):
            yield FactRow(group, f"{words(name)} {row.name}", row.value, row.how or how)
    else:
        yield FactRow(group, words(name), say(name, value, now), how)


def words(name: str) -> str:
    """Write a field's name as people do: its unit stands with the value."""
    parts = name.strip("_").split("_")
    if len(parts) > 1 and parts[-1] in ("bytes", *_UNITS):
        parts = parts[:-1]
    return " ".join(parts)


def say(name: str, value: object, now: datetime) -> str:
    """Write one value on one line, with its unit."""
    if isinstance(value, BaseModel):
        return _pairs([*_own_fields(value)], now)
    if isinstance(value, datetime):
        return age_of(value, now)
    if isinstance(value, (list, tuple)):
        return ", ".join(say(name, one, now) for one in value) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key}={say(name, one, now)}" for key, one in value.items())
    if isinstance(value, Enum):
        return str(value.value)
    return _say_scalar(name, value)


def _say_scalar(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        unit = name.rpartition("_")[2]
        return readable_bytes(value) if unit == "bytes" else f"{value}{_UNITS.get(unit, '')}"
    return str(value)


def readable_bytes(amount: int) -> str:
    """Write bytes with at most one digit behind the point."""
    for suffix, unit in _BINARY:
        if amount >= unit:
            return f"{amount / unit:.1f}".removesuffix(".0") + suffix
    return str(amount)


def age_of(moment: datetime, now: datetime) -> str:
    """Write how long ago something was."""
    seconds = int((now - moment).total_seconds())
    return f"{aged(seconds)} ago" if seconds >= 0 else f"{aged(-seconds)} ahead"


def _models(value: object) -> list[BaseModel]:
    """Return the models that a list is made of; none: it is no such list."""
    found = value if isinstance(value, list) else []
    return [one for one in found if isinstance(one, BaseModel)]


def _own_fields(value: BaseModel) -> Iterator[tuple[str, object]]:
    for name in type(value).model_fields:
        inner = getattr(value, name)
        if name not in _HOW and inner is not None and inner not in ("", [], {}):
            yield name, inner


def _pairs(pairs: Sequence[tuple[str, object]], now: datetime) -> str:
    return "; ".join(f"{words(name)} {say(name, inner, now)}" for name, inner in pairs)


def _how(value: BaseModel, now: datetime) -> str:
    told = [str(getattr(value, name, "") or "") for name in _HOW[:2]]
    observed = getattr(value, _HOW[2], None)
    age = age_of(observed, now) if isinstance(observed, datetime) else ""
    return "; ".join(one for one in (*told, age) if one)
