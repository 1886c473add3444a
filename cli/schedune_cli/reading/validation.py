"""Objects made into models: what is wrong is said with the field's line and a remedy."""

from collections.abc import Iterator
from functools import cache
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from schedune.api.crd import DEFINITIONS
from schedune.api.crd.schema import Schema, structural
from schedune.api.written import all_fields, meant, misfits, without_nulls
from schedune.codes import intent as codes
from schedune_cli.problems import CORRECT, Problem, shorten
from schedune_cli.reading.metadata import (
    NEWER,
    NO_SUCH_FIELD,
    metadata_problems,
    without_nulls_in_metadata,
)
from schedune_cli.reading.objects import Item, Raw
from schedune_cli.reading.rules import broken_rules

M = TypeVar("M", bound=BaseModel)
_NO_ZONE: Final = "must say its time zone, for example by a Z at the end"


def validate(model: type[M], item: Item, raw: Raw | None = None) -> M | list[Problem]:
    """Return an object as a model, or everything that is wrong with it.

    What the API server refuses or drops of an object is refused or dropped here too.
    """
    shape = _shape(model)
    given = without_nulls(without_nulls_in_metadata(item.raw if raw is None else raw), shape)
    problems = [*metadata_problems(item), *misfit_problems(item, given, shape)]
    try:
        found = read_as_written(model, given)
    except ValidationError as error:
        return sorted({*problems, *model_problems(model, item, error, problems)})
    problems += [
        Problem(item.place_of(path), path, "", message, CORRECT)
        for path, message in broken_rules(found)
    ]
    return problems or found


@cache
def _shape(model: type[BaseModel]) -> Schema:
    """Return the schema of what is ours of a kind; the metadata is Kubernetes'."""
    kind = next(one for one in DEFINITIONS if one.root is model)
    parts = {"spec": kind.spec, "status": kind.status}
    return {
        "type": "object",
        "properties": {name: structural(part, with_defaults=False) for name, part in parts.items()},
    }


def read_as_written(model: type[M], raw: object) -> M:
    """Return what people wrote as a model: in the API's spelling, not in Python's.

    Raises:
        ValidationError: something is wrong with it.
    """
    return model.model_validate(raw, by_alias=True, by_name=False)


def misfit_problems(item: Item, value: object, schema: Schema) -> Iterator[Problem]:
    """Give every value of the wrong type, and every key of a list that occurs twice."""
    for one in misfits(value, schema):
        path, given = ".".join(one.path), shorten(repr(one.value))
        yield Problem(item.place_of(path), path, given, one.message, one.remedy or CORRECT)


def model_problems(
    model: type[BaseModel], item: Item, error: ValidationError, told: list[Problem]
) -> Iterator[Problem]:
    """Give what a model refuses, but of no field of which something was told already."""
    fields = {one.field for one in told}
    for detail in error.errors(include_url=False):
        found = _problem(model, item, detail)
        if found.field not in fields:
            yield found


def _problem(model: type[BaseModel], item: Item, detail: ErrorDetails) -> Problem:
    path = ".".join(str(part) for part in detail["loc"])
    given, place = shorten(repr(detail["input"])), item.place_of(path)
    match detail["type"]:
        case "extra_forbidden":
            near = meant(str(detail["loc"][-1]), all_fields(model))
            remedy = f"did you mean {near}?" if near else NEWER
            return Problem(place, path, given, NO_SUCH_FIELD, remedy)
        case "missing":
            return Problem(place, path, "", "is missing", "add the field")
        case "timezone_aware":
            return Problem(place, path, given, _NO_ZONE, CORRECT)
        case _:
            message = detail["msg"][:1].lower() + detail["msg"][1:]
            return Problem(place, path, given, message, CORRECT)


def unread_field(item: Item, path: str, value: object, message: str) -> Problem:
    """Say of one field that its value cannot be used."""
    given = shorten(repr(value))
    row = codes.INVALID_FIELD
    return Problem(item.place_of(path), path, given, message, row.remedy, row.code)
