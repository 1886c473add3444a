"""What is generated is what is committed, and the definitions keep Kubernetes' conventions."""

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from schedune_testing.schema_rules import ITEM, VALUE, walk

ROOT = Path(__file__).resolve().parents[3]
CAMEL_CASE = re.compile(r"[a-z][a-z0-9]*(?:[A-Z][a-z0-9]*)*")
BAD_WORDS = re.compile(r"[Pp]hase|Timestamp|Reference|Duration")
AS_IN_A_POD = {"tolerations", "nodeSelectorTerms"}
"""Kubernetes' own lists of objects of which no field is required."""
CONDITION = {"lastTransitionTime", "message", "reason", "status", "type"}
"""What Kubernetes' own Condition requires."""
ROOT_FIELDS = {("apiVersion",), ("kind",), ("metadata",)}
Schema = dict[str, Any]


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "hack" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def versions() -> dict[str, Schema]:
    files = sorted((ROOT / "crds").glob("*.yaml"))
    return {path.stem: yaml.safe_load(path.read_text())["spec"]["versions"][0] for path in files}


VERSIONS = versions()
NODES = [
    pytest.param(path, node, id=f"{plural}:{'.'.join(path)}")
    for plural, version in VERSIONS.items()
    for path, node in walk(version["schema"]["openAPIV3Schema"], ())
]
"""Every place of every definition; one test each."""


def faults(path: tuple[str, ...], node: Schema) -> Iterator[str]:
    """Check one place of a schema against the conventions of the Kubernetes API."""
    name = path[-1] if path else ITEM
    if name not in (ITEM, VALUE):
        yield from _faults_of_name(name)
        if not node.get("description") and path not in ROOT_FIELDS:
            yield "has no description"
    yield from _faults_of_type(path, node)
    if node.get("type") == "array" and name not in AS_IN_A_POD:
        yield from _faults_of_items(node["items"])
    if node.get("nullable"):
        yield "is nullable"
    defaulted = {key for key, one in node.get("properties", {}).items() if "default" in one}
    yield from (f"{key} is required and has a default" for key in defaulted & _required(node))


def _faults_of_name(name: str) -> Iterator[str]:
    if not CAMEL_CASE.fullmatch(name):
        yield "is not camelCase"
    if BAD_WORDS.search(name):
        yield "has a name that Kubernetes advises against"


def _faults_of_type(path: tuple[str, ...], node: Schema) -> Iterator[str]:
    match node.get("type"):
        case "number":
            yield "is a number: floating point does not survive"
        case "boolean" if path[0] == "spec":
            yield "is a boolean, which cannot grow a third value"
        case "integer" if node.get("format") not in ("int32", "int64"):
            yield "has no format"
        case "string" if path not in ROOT_FIELDS and not {"maxLength", "enum", "format"} & {*node}:
            yield "is a string without a bound"
        case "array":
            yield from _faults_of_list(node)
        case "object" if node.get("additionalProperties", {"type": "string"})["type"] != "string":
            yield "is a map of something else than strings"


def _faults_of_list(node: Schema) -> Iterator[str]:
    if "x-kubernetes-list-type" not in node:
        yield "is a list without a list type"
    if "maxItems" not in node:
        yield "is a list without a bound"


def _faults_of_items(items: Schema) -> Iterator[str]:
    if items["type"] == "object" and not items.get("required"):
        yield "is a list of objects that may be empty"


def _required(node: Schema) -> set[str]:
    return {*node.get("required", [])}


def test_every_generated_file_is_up_to_date() -> None:
    for path, text in generator().rendered().items():
        assert path.read_text() == text, f"{path.relative_to(ROOT)} is old: run `make crds`"


def test_there_is_no_definition_that_is_not_generated() -> None:
    assert {*(ROOT / "crds").iterdir()} <= {*generator().rendered()}


@pytest.mark.parametrize(("path", "node"), NODES)
def test_a_place_of_a_schema_keeps_the_conventions(path: tuple[str, ...], node: Schema) -> None:
    assert list(faults(path, node)) == []


@pytest.mark.parametrize("plural", VERSIONS)
def test_conditions_come_first_and_are_kept_by_type(plural: str) -> None:
    status = VERSIONS[plural]["schema"]["openAPIV3Schema"]["properties"]["status"]
    conditions = status["properties"]["conditions"]
    assert next(iter(status["properties"])) == "conditions"
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]
    items = conditions["items"]
    assert {*items["properties"]} == {*CONDITION, "observedGeneration"}
    assert {*items["required"]} == CONDITION
    assert {*items["properties"]["status"]["enum"]} == {"True", "False", "Unknown"}


@pytest.mark.parametrize("plural", VERSIONS)
def test_a_status_is_a_subresource_and_all_of_it_is_optional(plural: str) -> None:
    schema = VERSIONS[plural]["schema"]["openAPIV3Schema"]
    assert VERSIONS[plural]["subresources"] == {"status": {}}
    assert "required" not in schema["properties"]["status"]
    assert "status" not in schema["required"]
