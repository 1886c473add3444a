"""``schedune import`` from end to end: inputs, outputs, exit codes, and every loss said."""

import json
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schedune.api.nodetruth import NodeTruth
from schedune.api.vmworkload import VMWorkload
from schedune_cli.importing.command import import_command

ROOT = Path(__file__).resolve().parents[2]
ENVELOPE: dict[str, Any] = {
    "schema_version": "v1alpha1",
    "agent_version": "0.1.0",
    "collection_id": "c-1",
    "timestamp_sec": 1_700_000_000,
    "node_id": "node-1.example",
    "compatibility": {"class": "ArmProduction", "reason_codes": ["CLASS_ARM_PROD_READY"]},
    "facts": {
        "cpu": {"architecture": "aarch64", "cores": 8, "vendor_id": "ARM"},
        "memory": {"total_mb": 2048},
        "os": {"hostname": "node-1", "name": "Debian", "kernel_version": "6.1"},
    },
    "capabilities": [],
    "health": {"state": "Healthy"},
    "collector_statuses": [],
}
INTENT: dict[str, Any] = {
    "schema_version": "v1alpha1",
    "workload_id": "web",
    "tenant_id": "shop",
    "runtime_class": "VirtualMachine",
    "required_architecture": "any",
    "max_telemetry_age_sec": 60,
    "requires_kvm": True,
    "required_compatibility_classes": ["ArmProduction"],
}
SPEC: dict[str, Any] = {
    "schema_version": "v1alpha1",
    "workload_id": "db",
    "tenant_id": "shop",
    "node_id": "node-1",
    "runtime_class": "VirtualMachine",
    "architecture": "x86_64",
    "vcpu": 2,
    "memory_mb": 1024,
    "launch_mode": "Execute",
    "storage": [{"host_path": "/images/db.qcow2", "format": "qcow2"}],
}
PLAN: dict[str, Any] = {
    "workload_intent": {**INTENT, "workload_id": "planned"},
    "launch_template": {**SPEC, "workload_id": "planned", "node_id": None, "launch_mode": None},
    "mode": "dry_run",
}


def run(*arguments: str, text: str = "") -> Result:
    return CliRunner().invoke(import_command, list(arguments), input=text)


def read_yaml(text: str) -> list[VMWorkload | NodeTruth]:
    models = {"VMWorkload": VMWorkload, "NodeTruth": NodeTruth}
    return [models[one["kind"]].model_validate(one) for one in yaml.safe_load_all(text)]


def test_the_command_is_found_through_the_entry_points_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    target = EntryPoint("import", project["entry-points"]["schedune.commands"]["import"], "")
    assert target.load() is import_command
    assert import_command.name == "import"


def test_the_four_documents_in_one_stream_become_objects_that_the_models_read() -> None:
    documents = [ENVELOPE, INTENT, SPEC, PLAN]
    done = run(text="\n".join(map(json.dumps, documents)))
    assert done.exit_code == 0
    found = {one.metadata.name: one for one in read_yaml(done.stdout)}
    assert list(found) == ["node-1.example", "web", "db", "planned"]
    assert isinstance(found["node-1.example"], NodeTruth)
    assert "4 imported" in done.stderr


def test_files_lists_and_the_stream_are_all_read_and_their_places_are_named(
    tmp_path: Path,
) -> None:
    (tmp_path / "one.json").write_text(json.dumps(SPEC))
    (tmp_path / "many.json").write_text(json.dumps([ENVELOPE, [INTENT]]))
    done = run(
        str(tmp_path / "one.json"), str(tmp_path / "many.json"), "-", text=json.dumps(PLAN)
    )  # fmt: skip
    assert done.exit_code == 0
    assert len(read_yaml(done.stdout)) == 4
    assert "many.json, document 2: VMWorkload shop/web" in done.stderr
    assert "standard input: VMWorkload shop/planned" in done.stderr


def test_every_loss_is_said_on_standard_error_and_above_its_object() -> None:
    done = run(text=json.dumps(SPEC))
    loss = 'dropped node_id = "node-1": Schedune decides where'
    assert f"# - {loss}" in done.stdout
    assert f"standard input: {loss}" in done.stderr


def test_the_yaml_goes_into_a_file_where_one_is_named(tmp_path: Path) -> None:
    output = tmp_path / "out.yaml"
    done = run("-o", str(output), text=json.dumps(INTENT))
    assert (done.exit_code, done.stdout) == (0, "")
    assert len(read_yaml(output.read_text())) == 1


def test_bad_input_is_named_and_the_rest_is_imported_all_the_same() -> None:
    bad = {**SPEC, "workload_id": "other", "vcpu": -1, "memory_mb": "lots"}
    done = run(text=json.dumps([bad, INTENT]))
    assert done.exit_code == 2
    assert len(read_yaml(done.stdout)) == 1
    place = "standard input, document 1: refused: "
    assert f"{place}vcpu = -1: must be from 1 to 1024" in done.stderr
    assert f'{place}memory_mb = "lots": must be a whole number' in done.stderr
    assert "1 imported" in done.stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds no document"),
        ("{", "is no JSON: line 1 column 2"),
        ('{"vcpu": NaN}', "is no JSON: character 1: NaN is no JSON"),
        ("[" * 100_000, "is no JSON: character 1: "),
        ("1" * 5000, "is no JSON: character 1: "),
        ("[1]", "document = 1: must be a JSON object"),
        ('{"apiVersion": "v1"}', 'document = ["apiVersion"]: has no field by which one is known'),
    ],
    ids=["empty", "cut", "NaN", "deep", "huge", "number", "stranger"],
)
def test_what_is_no_document_is_refused_in_words(text: str, told: str) -> None:
    done = run(text=text)
    assert done.exit_code == 2
    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert told in done.stderr


def test_a_file_that_cannot_be_read_stops_no_other(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "good").write_text(json.dumps(INTENT))
    done = run(*(str(tmp_path / name) for name in ("absent", "binary", "good")))
    assert done.exit_code == 2
    assert len(read_yaml(done.stdout)) == 1
    assert done.stderr.count("cannot be read") == 2


def test_where_nothing_is_imported_an_older_file_stays(tmp_path: Path) -> None:
    output = tmp_path / "out.yaml"
    output.write_text("old")
    assert run("-o", str(output), text="{}").exit_code == 2
    assert output.read_text() == "old"


def test_an_output_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    done = run("-o", str(tmp_path / "no" / "folder"), text=json.dumps(INTENT))
    assert done.exit_code == 2
    assert "cannot be written" in done.stderr


def test_two_documents_of_one_name_are_not_merged_in_silence() -> None:
    done = run(text=json.dumps([SPEC, {**SPEC, "vcpu": 4}]))
    assert done.exit_code == 2
    assert len(read_yaml(done.stdout)) == 1
    assert "is also what standard input, document 1 gives" in done.stderr


def test_the_firmware_artefact_can_be_named() -> None:
    (found,) = read_yaml(run("--firmware", "ovmf", text=json.dumps(SPEC)).stdout)
    assert isinstance(found, VMWorkload)
    assert found.spec.boot.firmware is not None
    assert found.spec.boot.firmware.artifact == "ovmf"
    assert run("--firmware", "../ovmf", text=json.dumps(SPEC)).exit_code == 2


def test_text_of_a_document_cannot_reach_the_terminal_or_the_yaml_raw() -> None:
    hostile = "\x1b[2J\n- injected: \ud800\x7f"
    done = run(text=json.dumps({**SPEC, "launch_mode": hostile, hostile: hostile}))
    assert done.exit_code == 2
    told = done.stdout + done.stderr
    assert told.isascii()
    assert all(one.isprintable() for one in told.splitlines())
    drawn = run(text=json.dumps({**INTENT, hostile: hostile}))
    assert drawn.exit_code == 0
    assert len(read_yaml(drawn.stdout)) == 1


WORDS = st.text(max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | WORDS,
    lambda one: st.lists(one, max_size=3) | st.dictionaries(WORDS, one, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from([ENVELOPE, INTENT, SPEC, PLAN]), st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_value_anywhere_makes_it_crash(document: dict[str, Any], data: st.DataObject) -> None:
    changed = {**document}
    for name in data.draw(st.lists(st.sampled_from(sorted(document)), max_size=3)):
        changed[name] = data.draw(JSON)
    text = json.dumps(changed).replace("Infinity", "1").replace("NaN", "1")
    done = run(text=text)
    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert done.exit_code in (0, 2)
    read_yaml(done.stdout)


def test_nothing_is_said_about_a_document_that_fits_whole() -> None:
    done = run(text=json.dumps({**ENVELOPE, "agent_version": None}))
    told = [line for line in done.stderr.splitlines() if " dropped " in line]
    assert told == []
