"""Every rule of a structural schema, and how a good manifest breaks exactly that rule."""

import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]
Path = tuple[str, ...]
ITEM, VALUE = "[]", "{}"
"""Steps of a path: into any item of a list, into any value of a map."""

WORDS = {
    "type": "must be",
    "minimum": "should be greater than or equal to",
    "maximum": "should be less than or equal to",
    "pattern": "should match",
    "enum": "Unsupported value",
    "minLength": "should be at least",
    "maxLength": "Too long",
    "minItems": "should have at least",
    "maxItems": "Too many",
    "maxProperties": "Too many",
    "required": "Required value",
    "x-kubernetes-list-map-keys": "Duplicate value",
    "unknown": "unknown field",
}
"""The API server's words for each kind of rule."""

NO_RULES = frozenset(
    {
        "description",
        "default",  # what is stored, not what is refused
        "format",  # int32 and int64: the bounds are tighter
        "items", "properties", "additionalProperties",  # walked into
        "anyOf", "x-kubernetes-int-or-string",  # the type of a quantity, tested as type
        "x-kubernetes-list-type",  # tested by its keys
        "x-kubernetes-validations",  # expressions: each has a manifest of its own
    }
)  # fmt: skip
"""Keywords of a schema that refuse nothing by themselves."""


@dataclass(frozen=True)
class Rule:
    """One thing that the API server must refuse."""

    path: Path
    keyword: str
    schema: Schema
    member: str = ""

    def __str__(self) -> str:
        return f"{'.'.join(self.path)}:{self.keyword}" + (f":{self.member}" if self.member else "")

    @property
    def field(self) -> str:
        """The name that a refusal must contain."""
        if self.member:
            return self.member
        return next(step for step in reversed(self.path) if step not in (ITEM, VALUE))


def walk(schema: Schema, path: Path) -> Iterator[tuple[Path, Schema]]:
    """Visit a schema and everything in it."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from walk(child, (*path, name))
    for keyword, step in (("items", ITEM), ("additionalProperties", VALUE)):
        if keyword in schema:
            yield from walk(schema[keyword], (*path, step))


def rules_of(schema: Schema, path: Path) -> Iterator[Rule]:
    """Return every rule in a schema but the expressions."""
    for place, node in walk(schema, path):
        for keyword in node:
            if keyword == "required":
                for member in node["required"]:
                    yield Rule(place, keyword, node, member)
            elif keyword not in NO_RULES:
                yield Rule(place, keyword, node)
        if "x-kubernetes-int-or-string" in node:
            yield Rule(place, "type", node)
        if "properties" in node:
            yield Rule(place, "unknown", node, "noSuchField")


def find(value: Any, path: Path) -> list[str | int] | None:
    """Return the first place in a manifest that a schema's path leads to."""
    if not path:
        return []
    step, rest = path[0], path[1:]
    keys: list[str | int] = []
    if isinstance(value, list) and step == ITEM:
        keys = list(range(len(value)))
    elif isinstance(value, dict):
        keys = list(value) if step == VALUE else [step] if step in value else []
    for key in keys:
        found = find(value[key], rest)
        if found is not None:
            return [key, *found]
    return None


def locate(manifests: list[Schema], path: Path) -> tuple[Schema, list[str | int]]:
    """Return a copy of the first manifest that has a place, and the place.

    Raises:
        LookupError: no manifest has it.
    """
    for manifest in manifests:
        place = find(manifest, path)
        if place is not None:
            return deepcopy(manifest), place
    raise LookupError(f"no good manifest has {'.'.join(path)}")


def value_at(manifest: Any, place: list[str | int]) -> Any:
    """Return what is at a place."""
    for key in place:
        manifest = manifest[key]
    return manifest


def broken(manifests: list[Schema], rule: Rule) -> Schema:
    """Return a manifest that breaks the rule."""
    manifest, place = locate(manifests, rule.path)
    good = value_at(manifest, place)
    if rule.keyword == "required":
        del good[rule.member]
    elif rule.keyword == "unknown":
        good[rule.member] = "x"
    else:
        value_at(manifest, place[:-1])[place[-1]] = bad_value(rule, good)
    return manifest


def bad_value(rule: Rule, good: Any) -> Any:
    """Return a value that breaks the rule."""
    limit: Any = rule.schema.get(rule.keyword)
    match rule.keyword:
        case "type":
            return _wrong_type(rule.schema)
        case "minimum":
            return limit - 1
        case "maximum":
            return limit + 1
        case "maxProperties":
            return {f"key{number}": "value" for number in range(limit + 1)}
        case _ if isinstance(good, list):
            return _bad_list(rule, good)
        case _:
            return _bad_text(rule, limit)


def _bad_text(rule: Rule, limit: Any) -> str:
    match rule.keyword:
        case "pattern":
            return next(text for text in ("!", "\u00e9") if not re.search(limit, text))
        case "enum":
            return "Nonsense"
        case "minLength":
            return ""
        case "maxLength":
            return "1" * (int(limit) + 1)
        case _:
            raise LookupError(f"nothing is known that breaks {rule}")


def _bad_list(rule: Rule, good: list[Any]) -> list[Any]:
    keys = rule.schema.get("x-kubernetes-list-map-keys", [])
    match rule.keyword:
        case "minItems":
            return []
        case "maxItems":
            items = [deepcopy(good[0]) for _ in range(rule.schema["maxItems"] + 1)]
            for number, item in enumerate(items):
                if keys:
                    item[keys[0]] = f"name{number}"
            return items
        case "x-kubernetes-list-map-keys":
            return [good[0], good[0]]
        case _:
            raise LookupError(f"nothing is known that breaks {rule}")


def _wrong_type(schema: Schema) -> Any:
    return {"object": "text", "array": "text", "integer": "text", "string": 7}.get(
        schema.get("type", ""), True
    )
