"""The real API server enforces every rule of our definitions and names the field it refuses."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from schedune.api.vmworkload import VMWorkload
from schedune.launch.intent import parse_intent, read_workload
from schedune_testing.control_plane import ControlPlane
from schedune_testing.manifests import full_workloads, minimal_workload
from schedune_testing.schema_rules import (
    WORDS,
    Rule,
    broken,
    locate,
    rules_of,
    value_at,
    walk,
)

ROOT = Path(__file__).resolve().parents[2]
Object = dict[str, Any]


def spec_schema(plural: str) -> Object:
    definition = yaml.safe_load((ROOT / "crds" / f"{plural}.yaml").read_text())
    version = definition["spec"]["versions"][0]
    return dict(version["schema"]["openAPIV3Schema"]["properties"]["spec"])


SPEC = spec_schema("vmworkloads")
RULES = list(rules_of(SPEC, ("spec",)))
DEFAULTS = [
    (path, node["default"])
    for path, node in walk(SPEC, ("spec",))
    if "default" in node and node["default"] != {}
]
OPERATOR_ONLY: dict[str, tuple[str, object, str]] = {
    "more than 63 bits": (
        "spec.resources.memory", "9999Ei", "a pattern cannot bound what a quantity amounts to",
    ),
    "a huge exponent": ("spec.resources.memory", "1e99", "nor what an exponent amounts to"),
    "no power of ten": ("spec.resources.memory", "1e1.5", "Kubernetes' own pattern lets it pass"),
    "a forgotten unit": ("spec.resources.memory", 512, "512 bytes are a size like any other"),
    "a backend twice": (
        "spec.backend.preference", ["QEMU", "QEMU"], "a list in order cannot also be a set",
    ),
}  # fmt: skip
"""Field, nonsense in it, and why the API server cannot see it: the operator refuses it."""


@pytest.mark.parametrize("number", range(len(full_workloads())))
def test_a_manifest_with_every_field_is_accepted(control_plane: ControlPlane, number: int) -> None:
    answer = control_plane.post(full_workloads()[number])
    assert answer.accepted, answer.message


def test_the_good_manifests_hold_every_field_of_the_schema() -> None:
    for path, _ in walk(SPEC, ("spec",)):
        locate(full_workloads(), path)


def test_every_kind_of_rule_is_known() -> None:
    assert {rule.keyword for rule in RULES} <= set(WORDS)
    assert len({str(rule) for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_broken_rule_is_refused_with_the_field_name(
    control_plane: ControlPlane, rule: Rule
) -> None:
    answer = control_plane.post(broken(full_workloads(), rule))
    assert not answer.accepted
    assert rule.field in answer.message
    assert WORDS[rule.keyword] in answer.message


@pytest.mark.parametrize(("path", "default"), DEFAULTS, ids=[".".join(p) for p, _ in DEFAULTS])
def test_an_absent_field_is_stored_with_its_default(
    control_plane: ControlPlane, path: tuple[str, ...], default: object
) -> None:
    manifest, place = locate(full_workloads(), path)
    del value_at(manifest, place[:-1])[path[-1]]
    answer = control_plane.post(manifest)
    assert answer.accepted, answer.message
    assert value_at(answer.body, place) == default


def test_a_minimal_workload_shows_all_that_was_decided_for_the_user(
    control_plane: ControlPlane,
) -> None:
    written = minimal_workload()
    stored = control_plane.post(written).body["spec"]
    assert stored == {
        **written["spec"],
        "acceleration": "KVM",
        "launchMode": "Execute",
        "runState": "Running",
        "restartPolicy": "Always",
        "updateStrategy": "OnRestart",
        "readiness": {"level": "Guest"},
        "terminationGraceSeconds": 30,
        "schedulingDeadlineSeconds": 600,
        "placement": {"maxTruthAgeSeconds": 300},
    }


@pytest.mark.parametrize("case", OPERATOR_ONLY)
def test_nonsense_that_only_the_operator_can_see_is_refused_by_it(
    control_plane: ControlPlane, case: str
) -> None:
    field, nonsense, reason = OPERATOR_ONLY[case]
    manifest = minimal_workload()
    *way, last = field.split(".")
    parent = manifest
    for step in way:
        parent = parent.setdefault(step, {})
    parent[last] = nonsense
    answer = control_plane.post(manifest)
    assert answer.accepted, f"the server does see it, though {reason}: {answer.message}"
    workload = read_workload(answer.body)
    assert isinstance(workload, VMWorkload)
    refused = parse_intent(workload)
    assert isinstance(refused, tuple)
    assert [(one.row.code, one.subject) for one in refused] == [("INVALID_FIELD", field)]


@pytest.mark.parametrize("size", ["-1", "-1Gi", -1, "1 Gi", "1GiB", ""])
def test_a_size_that_is_none_is_refused(control_plane: ControlPlane, size: str | int) -> None:
    manifest = minimal_workload()
    manifest["spec"]["resources"]["memory"] = size
    answer = control_plane.post(manifest)
    assert not answer.accepted
    assert "spec.resources.memory" in answer.message


def test_a_name_of_64_characters_is_refused(control_plane: ControlPlane) -> None:
    assert control_plane.post(minimal_workload("a" * 63)).accepted
    answer = control_plane.post(minimal_workload("a" * 64))
    assert not answer.accepted
    assert "must be at most 63 characters" in answer.message


def test_a_vm_may_have_two_network_cards_of_one_type(control_plane: ControlPlane) -> None:
    manifest = minimal_workload()
    manifest["spec"]["networks"] = [
        {"name": name, "type": "Tap", "tap": {"bridge": "br0"}} for name in ("lan", "storage")
    ]
    answer = control_plane.post(manifest)
    assert answer.accepted, answer.message


@pytest.mark.parametrize("path", sorted((ROOT / "examples").rglob("*.yaml")), ids=lambda p: p.stem)
def test_an_example_is_accepted(control_plane: ControlPlane, path: Path) -> None:
    for manifest in yaml.safe_load_all(path.read_text()):
        answer = control_plane.post(manifest)
        assert answer.accepted, answer.message


@pytest.mark.parametrize("field", ["vmw.spec.boot", "vmp.spec.launch", "ntruth.status.cpu"])
def test_kubectl_explains_a_field(control_plane: ControlPlane, field: str) -> None:
    done = control_plane.kubectl("explain", field)
    assert done.returncode == 0, done.stderr
    assert "DESCRIPTION:\n" in done.stdout
    assert "<empty>" not in done.stdout
