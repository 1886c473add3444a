"""``schedune doctor`` on this very machine: what it says is what the probes saw."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from schedune.codes.table import TABLE
from schedune_agent import probes
from schedune_agent.doctor.machine import may_contain, settings_of
from schedune_agent.settings import AgentSettings
from schedune_testing.recordings import document, run

CHILD = Path(probes.__file__).with_name("kvm_child.py")
KVM = "kvm_vm_launch"


@pytest.fixture(scope="module")
def told() -> Any:
    return document("doctor")


@pytest.fixture(scope="module")
def verdict() -> dict[str, str]:
    """Ask the guest itself, beside the doctor."""
    asked = [sys.executable, "-I", "-S", str(CHILD), "/dev/kvm"]
    done = subprocess.run(asked, capture_output=True, timeout=30, check=True)
    answer: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_what_is_said_of_kvm_is_what_the_guest_did(told: Any, verdict: dict[str, str]) -> None:
    (kvm,) = [one for one in told["status"]["capabilities"] if one["name"] == KVM]
    problems = {one["subject"]: one for one in told["problems"]}
    assert (verdict["verdict"] == "ok") == (kvm["state"] == "Supported")
    assert (verdict["verdict"] == "ok") == (KVM not in problems)
    if KVM in problems:
        assert verdict["detail"] in problems[KVM]["message"]
        assert problems[KVM]["reach"] == "EveryVM"
        assert problems[KVM]["remedy"]
        assert told["verdict"]["answer"] == "CannotLaunch"
        assert verdict["detail"] in told["verdict"]["message"]


def test_the_page_says_so_too_and_ends_by_it(told: Any, verdict: dict[str, str]) -> None:
    page = run("doctor")
    can = told["verdict"]["answer"] == "CanLaunch"
    assert page.exit_code == (0 if can else 1)
    words = " ".join(page.stdout.split())
    assert verdict["detail"] in words
    assert f"Verdict: {told['verdict']['message']}." in words
    assert max(map(len, page.stdout.splitlines())) <= 120


def test_every_probe_is_told_with_how_it_went_and_how_long_it_took(told: Any) -> None:
    runs = told["status"]["probes"]
    page = run("doctor").stdout
    assert runs
    assert {"kvm", "cpu"} <= {one["name"] for one in runs}
    lines = {line.split()[0]: line.split()[1:4] for line in page.splitlines() if " ms  " in line}
    for one in runs:
        assert lines[one["name"]][0] == one["outcome"]
        assert lines[one["name"]][2] == "ms"


def test_every_capability_stands_on_the_page_with_state_and_source(told: Any) -> None:
    page = run("doctor").stdout
    words = " ".join(page.split())
    for one in told["status"]["capabilities"]:
        assert f"{one['name']} " in page
        assert one["reasonCode"] in page
        assert one["source"] in words


def test_every_problem_has_a_code_of_the_table(told: Any) -> None:
    for one in told["problems"]:
        assert one["code"] in TABLE, one
        assert one["message"]


def test_no_cluster_and_no_lease_are_needed_or_spoken_of(told: Any) -> None:
    assert told["seen"] == "ThisMachine"
    assert "heartbeat" not in told
    assert "node" not in told


def test_emulation_is_enough_where_it_is_asked_for(told: Any) -> None:
    can = {
        one["backend"] for one in told["launches"]
        if one["acceleration"] == "Emulated" and one["answer"] == "Can"
    }  # fmt: skip
    asked = run("doctor", "--acceleration", "Emulated")
    assert asked.exit_code == (0 if "QEMU" in can else 1)


def test_images_are_looked_for_where_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "vmlinux").write_bytes(b"\x7fELF" + bytes(60))
    found = document("doctor", "--image-root", tmp_path)["status"]["artifacts"]
    assert [one["name"] for one in found] == ["vmlinux"]


def test_folders_that_are_not_there_are_no_reason_to_fail(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    told = run("doctor", "--image-root", gone, "--run-directory", gone, "--state-directory", gone)
    assert told.exit_code in (0, 1)
    assert "Verdict" in told.stdout
    assert not gone.exists()


def test_the_settings_of_the_agent_are_read_but_no_token(tmp_path: Path) -> None:
    path = tmp_path / "agent.yaml"
    settings = {
        "kubernetes": {"server": "https://none.invalid", "caFile": "/no", "tokenFile": "/no"},
        "clusterUID": "11111111",
        "capacity": {"vcpus": 2, "memory": "1Gi"},
    }
    path.write_text(yaml.safe_dump(settings))
    told = document("doctor", "--settings", path)
    assert told["status"]["capacity"]["basis"] == "Configured"
    assert "CAPACITY_UNDECLARED" not in {one["code"] for one in told["problems"]}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--settings", "nowhere.yaml"), "nowhere.yaml: cannot be read"),
        (("--settings", "x", "--image-root", "y"), "takes the place of"),
        (("--acceleration", "Magic"), "Magic"),
    ],
)
def test_bad_input_is_said(arguments: tuple[str, ...], message: str) -> None:
    told = run("doctor", *arguments)
    assert told.exit_code == 2
    assert message in told.stderr


def test_defaults_are_those_of_the_agent() -> None:
    ours, fields = settings_of((), None, None), AgentSettings.model_fields
    assert ours.image_roots == fields["image_roots"].get_default(call_default_factory=True)
    assert ours.run_directory == fields["run_directory"].default
    assert ours.state_directory == fields["state_directory"].default


def test_whether_groups_could_be_made_is_found_out_without_making_one(tmp_path: Path) -> None:
    assert not may_contain(tmp_path)
    (tmp_path / "cgroup.procs").touch()
    assert may_contain(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["cgroup.procs"]
