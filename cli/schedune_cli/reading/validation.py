"""Objects made into models: what is wrong is said with the field's line and a remedy."""

import re
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from schedune.codes import intent as codes
from schedune_cli.problems import CORRECT, Problem, shorten
from schedune_cli.reading.objects import Item, Raw
from schedune_cli.reading.rules import broken_rules

M = TypeVar("M", bound=BaseModel)
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_LONGEST_NAME: Final = 253
_METADATA: Final = frozenset({
    "name", "generateName", "namespace", "labels", "annotations", "uid", "resourceVersion",
    "generation", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds",
    "ownerReferences", "finalizers", "managedFields", "selfLink",
})  # fmt: skip
"""Kubernetes' own; everything else is a slip of the pen."""
_NEWER: Final = "remove it; or is it of a newer Schedune?"
_NO_ZONE: Final = "must say its time zone, for example by a Z at the end"


def validate(model: type[M], item: Item, raw: Raw | None = None) -> M | list[Problem]:
    """Return an object as a model, or everything that is wrong with it."""
    problems = [*_metadata_problems(item)]
    try:
        found = model.model_validate(item.raw if raw is None else raw)
    except ValidationError as error:
        told = [_problem(model, item, detail) for detail in error.errors(include_url=False)]
        return sorted({*problems, *told})
    problems += [
        Problem(item.place_of(path), path, "", message, CORRECT)
        for path, message in broken_rules(found)
    ]
    return problems or found


def _problem(model: type[BaseModel], item: Item, detail: ErrorDetails) -> Problem:
    path = ".".join(str(part) for part in detail["loc"])
    given, place = shorten(repr(detail["input"])), item.place_of(path)
    match detail["type"]:
        case "extra_forbidden":
            remedy = _did_you_mean(str(detail["loc"][-1]), model)
            return Problem(place, path, given, "there is no such field", remedy)
        case "missing":
            return Problem(place, path, "", "is missing", "add the field")
        case "timezone_aware":
            return Problem(place, path, given, _NO_ZONE, CORRECT)
        case _:
            message = detail["msg"][:1].lower() + detail["msg"][1:]
            return Problem(place, path, given, message, CORRECT)


def _did_you_mean(name: str, model: type[BaseModel]) -> str:
    near = get_close_matches(name, _all_fields(model), n=1)
    return f"did you mean {near[0]}?" if near else _NEWER


@cache
def _all_fields(model: type[BaseModel]) -> tuple[str, ...]:
    """Return every field name of a model and of the models in it."""
    schema = model.model_json_schema(by_alias=True)
    held = [schema, *schema.get("$defs", {}).values()]
    return tuple(sorted({name for one in held for name in one.get("properties", {})}))


def _metadata_problems(item: Item) -> Iterator[Problem]:
    metadata = item.raw.get("metadata")
    if not isinstance(metadata, dict):
        return
    for name in sorted(set(metadata) - _METADATA):
        near = get_close_matches(name, sorted(_METADATA), n=1)
        remedy = f"did you mean {near[0]}?" if near else _NEWER
        path = f"metadata.{name}"
        given = shorten(repr(metadata[name]))
        yield Problem(item.place_of(path), path, given, "there is no such field", remedy)
    if "generateName" in metadata and "name" not in metadata:
        told, remedy = "is no name by which to speak of it", "give metadata.name"
        yield Problem(
            item.place_of("metadata.generateName"), "metadata.generateName", "", told, remedy
        )
    for field in ("name", "namespace"):
        value = metadata.get(field)
        if isinstance(value, str) and not _is_name(value):
            told = "must be lower-case letters, digits, '-' and '.', at most 253"
            path = f"metadata.{field}"
            yield Problem(item.place_of(path), path, shorten(repr(value)), told, CORRECT)


def _is_name(value: str) -> bool:
    return len(value) <= _LONGEST_NAME and _NAME.fullmatch(value) is not None


def unread_field(item: Item, path: str, value: object, message: str) -> Problem:
    """Say of one field that its value cannot be used."""
    given = shorten(repr(value))
    row = codes.INVALID_FIELD
    return Problem(item.place_of(path), path, given, message, row.remedy, row.code)
