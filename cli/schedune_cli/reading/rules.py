"""The rules of our objects that stand in CEL, asked without an API server.

A rule that compares with the object as it was needs none of it here: files hold one state.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, cast

from pydantic import BaseModel

from schedune.api.base import exactly_one

Object = Mapping[str, Any]
Predicate = Callable[[Object], bool]


def _one_of(*fields: str) -> tuple[str, Predicate]:
    return exactly_one(*fields)[0], lambda found: sum(one in found for one in fields) == 1


def _with_kernel(field: str) -> tuple[str, Predicate]:
    rule = f"!has(self.{field}) || has(self.kernel)"
    return rule, lambda found: field not in found or "kernel" in found


PREDICATES: Final[Mapping[str, Predicate]] = dict([
    _one_of("kernel", "firmware"),
    _one_of("artifact", "hostPath", "empty"),
    _one_of("inline", "secretRef"),
    _one_of("minimum", "exact"),
    _with_kernel("initrd"),
    _with_kernel("commandLine"),
    (
        "self.retention != 'Delete' || self.access == 'Persistent'",
        lambda found: found["retention"] != "Delete" or found["access"] == "Persistent",
    ),
    (
        "self.access != 'ReadOnly' || !has(self.source.empty)",
        lambda found: found["access"] != "ReadOnly" or "empty" not in found["source"],
    ),
    (
        "(self.type == 'Tap') == has(self.tap)",
        lambda found: (found["type"] == "Tap") == ("tap" in found),
    ),
    (
        "self.type == 'User' || !has(self.user)",
        lambda found: found["type"] == "User" or "user" not in found,
    ),
    (
        "(self.type == 'TCP') == has(self.port)",
        lambda found: (found["type"] == "TCP") == ("port" in found),
    ),
    (
        "(self.type == 'Console') == has(self.marker)",
        lambda found: (found["type"] == "Console") == ("marker" in found),
    ),
    ("self.metadata.name.size() <= 63", lambda found: len(found["metadata"]["name"]) <= 63),
])  # fmt: skip
"""By the very string that ships in the CRDs; a test holds them against a CEL interpreter."""


def is_about_change(rule: str) -> bool:
    """Say whether a rule compares two states of an object."""
    return "oldSelf" in rule


def rules_of(model: type[BaseModel]) -> list[tuple[str, str]]:
    """Return the rules of one model with their messages."""
    extra = model.model_config.get("json_schema_extra")
    held = extra.get("x-kubernetes-validations") if isinstance(extra, dict) else None
    return [(one["rule"], one["message"]) for one in cast("list[dict[str, str]]", held or [])]


def broken_rules(model: BaseModel, path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Give the path and the message of every rule that does not hold, outermost first."""
    written = model.model_dump(mode="json", by_alias=True, exclude_none=True)
    for rule, message in rules_of(type(model)):
        if not is_about_change(rule) and not PREDICATES[rule](written):
            yield ".".join(path), message
    for name, field in type(model).model_fields.items():
        if name != "status":
            yield from _below(getattr(model, name), (*path, field.alias or name))


def _below(value: object, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if isinstance(value, BaseModel):
        yield from broken_rules(value, path)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for number, one in enumerate(value):
            yield from _below(one, (*path, str(number)))
