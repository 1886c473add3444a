"""The VMMs' own descriptions of their APIs, where they lie beside the checkout.

They are test data: none of them is in this repository. Objects are taken as closed, since
a VMM may pass over a member that it does not know.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

SPECS: Final = Path(__file__).resolve().parents[4] / "shared" / "specs"
_TYPES: Final[Mapping[str, type | tuple[type, ...]]] = {
    "string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list,
    "object": dict,
}  # fmt: skip


@dataclass(frozen=True)
class ApiDescription:
    """One version of one VMM's API."""

    document: Mapping[str, Any]

    def complaints(self, method: str, target: str, body: object) -> list[str]:
        """Return what is wrong with a request; empty: it is described exactly so."""
        for call, item in self.document["paths"].items():
            if re.fullmatch(re.sub(r"\{[^}]+\}", "[A-Za-z0-9_]+", call), target):
                operation = item.get(method.lower())
                if operation is None:
                    return [f"{call} has no {method}"]
                return list(self._wrong(self._schema(operation), body, target))
        return [f"there is no {target}"]

    def _schema(self, operation: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what its body must be: Swagger 2 and OpenAPI 3 differ in where it is."""
        if "requestBody" in operation:
            content: Mapping[str, Any] = operation["requestBody"]["content"]
            found: Mapping[str, Any] = content["application/json"]["schema"]
            return found
        bodies = [one["schema"] for one in operation.get("parameters", []) if one["in"] == "body"]
        return bodies[0] if bodies else {"type": "object"}

    def _wrong(self, schema: Mapping[str, Any], value: object, where: str) -> Iterator[str]:
        while "$ref" in schema:
            schema = self._named(schema["$ref"])
        kind = schema.get("type", "object")
        if not isinstance(value, _TYPES[kind]) or (kind != "boolean" and isinstance(value, bool)):
            yield f"{where}: {value!r} is no {kind}"
        elif "enum" in schema and value not in schema["enum"]:
            yield f"{where}: {value!r} is none of {schema['enum']}"
        elif isinstance(value, list):
            for number, one in enumerate(value):
                yield from self._wrong(schema["items"], one, f"{where}[{number}]")
        elif isinstance(value, dict):
            yield from self._wrong_members(schema, value, where)
        elif isinstance(value, int | float) and not _is_within(schema, value):
            yield f"{where}: {value} is out of its bounds"

    def _named(self, reference: str) -> Mapping[str, Any]:
        found: Any = self.document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        named: Mapping[str, Any] = found
        return named

    def _wrong_members(
        self, schema: Mapping[str, Any], value: Mapping[str, object], where: str
    ) -> Iterator[str]:
        members = schema.get("properties", {})
        for name in schema.get("required", []):
            if name not in value:
                yield f"{where}: lacks {name}"
        for name, one in value.items():
            if name in members:
                yield from self._wrong(members[name], one, f"{where}.{name}")
            elif "additionalProperties" not in schema:
                yield f"{where}: nobody knows {name}"


def _is_within(schema: Mapping[str, Any], value: float) -> bool:
    return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))


def description_of(name: str) -> ApiDescription:
    """Return a description by its file's name; skips the test where it is not there."""
    file = SPECS / name
    if not file.is_file():
        pytest.skip(f"the descriptions of the VMMs' APIs are not beside the checkout: no {file}")
    return ApiDescription(yaml.safe_load(file.read_text()))
