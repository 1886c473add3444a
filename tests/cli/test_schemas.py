"""The schemas that we publish: what we print fits them, and what is wrong does not."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from schedune_cli.schemas import ANSWERS
from schedune_testing.manifests import full_workloads, minimal_workload, placement
from schedune_testing.recordings import ROOT, Files, document, snapshot, truth, whole, workload
from schedune_testing.recordings import placement as recorded_placement

SCHEMAS = ROOT / "docs/schemas/schedune.io"
TYPES: dict[str, Any] = {
    "object": dict, "array": list, "string": str, "integer": int, "null": type(None),
}  # fmt: skip


def schema_of(kind: str) -> Any:
    return json.loads((SCHEMAS / f"{kind.lower()}_v1alpha1.json").read_text())


def faults(schema: Any, value: Any, root: Any, path: str = "") -> Iterator[str]:
    """Check a value against the part of JSON Schema that ours use."""
    known = {
        "$ref", "$schema", "$defs", "additionalProperties", "anyOf", "const", "default",
        "description", "enum", "format", "items", "maxItems", "maxLength", "maxProperties",
        "maximum", "minItems", "minLength", "minimum", "oneOf", "pattern", "properties",
        "required", "title", "type",
    }  # fmt: skip
    assert schema.keys() <= known, schema.keys() - known
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        yield from faults(root["$defs"][name], value, root, path)
    for choices in ("anyOf", "oneOf"):
        if choices in schema:
            fitting = [one for one in schema[choices] if not [*faults(one, value, root)]]
            if not fitting or (choices == "oneOf" and len(fitting) > 1):
                yield f"{path}: fits {len(fitting)} of {choices}"
    if "type" in schema and not isinstance(value, TYPES[schema["type"]]):
        yield f"{path}: is no {schema['type']}"
        return
    if "const" in schema and value != schema["const"]:
        yield f"{path}: is not {schema['const']}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: is none of {schema['enum']}"
    yield from _faults_of_scalar(schema, value, path)
    yield from _faults_of_collection(schema, value, root, path)


def _faults_of_scalar(schema: Any, value: Any, path: str) -> Iterator[str]:
    if isinstance(value, str):
        if not re.search(schema.get("pattern", ""), value):
            yield f"{path}: does not match"
        if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
            yield f"{path}: has a wrong length"
        return
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if is_number and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        yield f"{path}: is out of bounds"


def _faults_of_collection(schema: Any, value: Any, root: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict) and "properties" in schema:
        yield from (
            f"{path}: lacks {name}" for name in schema.get("required", ()) if name not in value
        )
        for name, one in value.items():
            if name in schema["properties"]:
                yield from faults(schema["properties"][name], one, root, f"{path}.{name}")
            elif schema.get("additionalProperties") is False:
                yield f"{path}: knows no {name}"
    if isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            yield f"{path}: has a wrong number of elements"
        for number, one in enumerate(value):
            yield from faults(schema.get("items", {}), one, root, f"{path}.{number}")


def check(kind: str, value: Any) -> list[str]:
    schema = schema_of(kind)
    return [*faults(schema, value, schema)]


# --- what we print -----------------------------------------------------------------------


@pytest.fixture
def fleet(files: Files) -> Files:
    """Write recordings and manifests that bring out every part of an answer."""
    files.write(
        "vms.yaml", workload("good"), workload("big", resources={"vcpus": 99, "memory": "1Ti"})
    )
    files.write(
        "more.yaml",
        workload("late", resources={"vcpus": 1, "memory": "256Mi", "hugepages": "2Mi"}),
        workload("bad", architecture="z80"),
    )
    files.write("one.yaml", snapshot(*whole("a", "b"), recorded_placement("vm", "a")))
    files.write("two.yaml", snapshot(*whole("a"), truth("c", architecture="arm64")))
    return files


CALLS = {
    "ExplanationList": ("explain", "-f", "vms.yaml", "-f", "more.yaml", "--truth", "one.yaml"),
    "WhyNot": ("why-not", "big", "a", "-f", "vms.yaml", "--truth", "one.yaml"),
    "FleetGlance": ("nodes", "-f", "vms.yaml", "--truth", "one.yaml"),
    "Simulation": ("simulate", "-f", "vms.yaml", "--truth", "one.yaml", "--drain", "a"),
    "DrainReport": ("drain", "a", "--dry-run", "--truth", "one.yaml"),
    "NodeExamination": ("truth", "a", "--truth", "one.yaml"),
    "OrphanReport": ("orphans", "--truth", "one.yaml"),
    "UninstallCheck": ("uninstall", "--check", "--truth", "one.yaml"),
    "TruthDifference": ("truth", "diff", "one.yaml", "two.yaml"),
    "DifferenceList": ("explain", "-f", "vms.yaml", "--at", "one.yaml", "--diff", "two.yaml"),
}


def test_every_document_that_a_command_prints_has_a_schema() -> None:
    assert {model.__name__ for model in ANSWERS} == set(CALLS)


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize("kind", CALLS)
def test_what_a_command_prints_fits_its_schema(kind: str) -> None:
    told = document(*CALLS[kind])
    assert told["kind"] == kind
    assert check(kind, told) == []


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize("kind", CALLS)
def test_a_field_that_nobody_knows_does_not_fit(kind: str) -> None:
    assert check(kind, {**document(*CALLS[kind]), "colour": "red"}) == [": knows no colour"]


# --- our objects -------------------------------------------------------------------------


@pytest.mark.parametrize("manifest", [*full_workloads(), minimal_workload(), placement()])
def test_a_good_manifest_fits_the_strict_schema(manifest: dict[str, Any]) -> None:
    assert check(manifest["kind"], manifest) == []


@pytest.mark.parametrize(
    "path", sorted((ROOT / "examples").rglob("*.yaml")), ids=lambda one: one.name
)
def test_every_example_fits_the_strict_schema(path: Path) -> None:
    manifest = yaml.safe_load(path.read_text())
    assert check(manifest["kind"], manifest) == []


def test_a_slip_of_the_pen_does_not_fit_the_strict_schema() -> None:
    slip = minimal_workload()
    slip["spec"]["resources"]["vcpu"] = slip["spec"]["resources"].pop("vcpus")
    assert check("VMWorkload", slip) == [
        ".spec.resources: lacks vcpus", ".spec.resources: knows no vcpu",
    ]  # fmt: skip
    assert check("VMWorkload", {**minimal_workload(), "kind": "VMWorkloads"})


def test_a_quantity_may_be_a_number_or_a_text() -> None:
    for memory in ("512Mi", 536870912):
        manifest = minimal_workload()
        manifest["spec"]["resources"]["memory"] = memory
        assert check("VMWorkload", manifest) == []
    manifest["spec"]["resources"]["memory"] = "lots"
    assert check("VMWorkload", manifest)


def test_a_schema_holds_nothing_that_only_kubernetes_reads() -> None:
    for path in SCHEMAS.glob("*.json"):
        assert "x-kubernetes" not in path.read_text(), path.name
