"""What people wrote, held against the schema of its kind before it is made a model.

A model takes ``"2"`` and ``true`` for numbers, which is right for what machines wrote and the API
server has stored. Of people the API server takes neither: whoever reads their files asks here.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any, Final

from pydantic import BaseModel

from schedune.api.base import field_name
from schedune.api.crd.schema import LIST_TYPE, MAP_KEYS, Schema

Path = tuple[str, ...]
_NUMBER: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]+)?")
_NOUNS: Final = {
    "boolean": "a boolean", "integer": "an integer", "number": "a number", "string": "a string",
    "object": "an object", "array": "a list",
}  # fmt: skip


_SCALARS: Final = {"boolean": bool, "integer": int, "string": str}
"""What fits without a second look: a fleet has many of them."""


@dataclass(frozen=True, slots=True)
class Misfit:
    """A value that is refused before anybody asks what it means."""

    path: Path
    value: object
    message: str
    remedy: str = ""
    """What to do about it; "": the message says it all."""


def without_nulls(value: Any, schema: Schema) -> Any:
    """Return a value as the API server keeps it: it drops fields that hold null.

    None of ours may hold it, and Helm prints it for what was left empty. Fields that nobody
    knows stay, as do nulls in lists: both are refused.
    """
    if isinstance(value, dict):
        return {
            name: one if (inner := _inside(schema, name)) is None else without_nulls(one, inner)
            for name, one in value.items()
            if one is not None or _inside(schema, name) is None
        }
    if isinstance(value, list) and "items" in schema:
        return [without_nulls(one, schema["items"]) for one in value]
    return value


def misfits(value: object, schema: Schema, path: Path = ()) -> Iterator[Misfit]:
    """Give every value of another type than its field, and every key that occurs twice.

    Null is passed over: where it may not be, the model says so.
    """
    wanted, given = _wanted(schema), _type_of(value)
    if not _fits(given, wanted):
        yield _misfit(value, schema, path)
    elif isinstance(value, dict):
        for name, one in value.items():
            inner = _inside(schema, name)
            if inner is not None and type(one) is not _SCALARS.get(inner.get("type", "")):
                yield from misfits(one, inner, (*path, str(name)))
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from misfits(one, schema.get("items", {}), (*path, str(number)))
        if schema.get(LIST_TYPE) == "map":
            yield from _twice(value, schema[MAP_KEYS][0], path)


def meant(name: str, known: Collection[str]) -> str:
    """Return the name that was probably meant by one that nobody knows; "": none is near."""
    spelt = field_name(name)
    return spelt if spelt in known else next(iter(get_close_matches(name, known, n=1)), "")


@cache
def all_fields(model: type[BaseModel]) -> tuple[str, ...]:
    """Return every field name of a model and of the models in it."""
    schema = model.model_json_schema(by_alias=True)
    held = [schema, *schema.get("$defs", {}).values()]
    return tuple(sorted({name for one in held for name in one.get("properties", {})}))


def _inside(schema: Schema, name: object) -> Schema | None:
    """Return the schema of a field; None: nobody knows it."""
    found: Schema | None = schema.get("properties", {}).get(name)
    return schema.get("additionalProperties") if found is None else found


def _wanted(schema: Schema) -> tuple[str, ...]:
    if schema.get("x-kubernetes-int-or-string"):
        return ("integer", "string")
    return (schema["type"],) if "type" in schema else ()


def _fits(given: str, wanted: tuple[str, ...]) -> bool:
    if not given or not wanted:
        return True
    return given in wanted or (given == "integer" and wanted == ("number",))


def _type_of(value: object) -> str:
    """Return what JSON calls a value; a number without a fraction is an integer there."""
    match value:
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "integer" if value.is_integer() else "number"
        case str():
            return "string"
        case dict():
            return "object"
        case list():
            return "array"
        case _:
            return ""


def _misfit(value: object, schema: Schema, path: Path) -> Misfit:
    wanted = _wanted(schema)
    nouns = " or ".join(_NOUNS[one] for one in wanted)
    given = "number" if isinstance(value, float) else _type_of(value)
    message = f"must be {nouns}, not {_NOUNS[given]}"
    if isinstance(value, str) and _fits(_type_without_quotes(value), wanted):
        return Misfit(path, value, message, "remove the quotes")
    if wanted == ("string",) and not isinstance(value, dict | list) and "enum" not in schema:
        return Misfit(path, value, message, "put it in quotes")
    return Misfit(path, value, message)


def _type_without_quotes(text: str) -> str:
    if _NUMBER.fullmatch(text):
        return _type_of(float(text))
    return "boolean" if text in ("true", "false") else "string"


def _twice(items: list[Any], key: str, path: Path) -> Iterator[Misfit]:
    first: dict[str, int] = {}
    for number, one in enumerate(items):
        name = one.get(key) if isinstance(one, dict) else None
        if isinstance(name, str) and first.setdefault(name, number) != number:
            told = f"is also the {key} of {'.'.join(path)}.{first[name]}"
            yield Misfit((*path, str(number), key), name, told, "give each its own")
