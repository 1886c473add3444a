"""``schedune truth NODE``, and ``schedune doctor NODE``, on recordings."""

import pytest
import yaml

from schedune.api.nodetruth import NodeTruthStatus
from schedune_testing.recordings import (
    Files,
    document,
    lease,
    node,
    placement,
    run,
    snapshot,
    truth,
    whole,
)

FLEET = ("--truth", "fleet.yaml")
NO_KVM = {"name": "kvm_vm_launch", "reasonCode": "CAP_KVM_MISSING", "state": "Unsupported",
          "observedTime": "2026-11-24T11:58:00Z", "message": "there is no /dev/kvm",
          "source": "/dev/kvm", "method": "open"}  # fmt: skip


def test_a_page_tells_what_was_seen_where_how_and_when(files: Files) -> None:
    files.write("fleet.yaml", snapshot(*whole("b"), node("a"), truth("a", capabilities=[NO_KVM])))
    told = run("truth", "a", *FLEET)
    assert told.exit_code == 0
    for words in ("there is no /dev/kvm", "/dev/kvm; open", "2 min", "load kvm_intel"):
        assert words in told.stdout
    assert told.stdout.index("Problems\n") < told.stdout.index("Facts\n")
    assert "uid-b" not in told.stdout


def test_truth_node_is_short_for_truth_show_node(files: Files) -> None:
    files.write("fleet.yaml", snapshot(*whole("a", "diff")))
    assert document("truth", "a", *FLEET) == document("truth", "show", "a", *FLEET)
    assert document("truth", *FLEET, "a") == document("truth", "a", *FLEET)
    assert document("truth", "show", "diff", *FLEET)["nodeName"] == "diff"


def test_the_only_node_of_a_recording_needs_no_name(files: Files) -> None:
    files.write("fleet.yaml", truth("a"))
    assert document("truth", *FLEET)["nodeName"] == "a"
    files.write("fleet.yaml", truth("a"), truth("b"))
    told = run("truth", *FLEET)
    assert told.exit_code == 2
    assert "holds 2 nodes" in told.stderr


@pytest.mark.parametrize("command", ["truth", "doctor"])
def test_a_node_that_is_not_there_is_bad_input_with_the_name_that_was_meant(
    files: Files, command: str
) -> None:
    files.write("fleet.yaml", truth("arm-01"))
    told = run(command, "arm-1", *FLEET)
    assert told.exit_code == 2
    assert "there is no node arm-1; did you mean arm-01?" in told.stderr


def test_without_a_recording_the_cluster_is_asked_about_a_node_by_name(files: Files) -> None:
    told = run("truth")
    assert told.exit_code == 2
    assert "say which NODE" in told.stderr


def test_yaml_and_json_hold_the_whole_truth(files: Files) -> None:
    files.write("fleet.yaml", snapshot(*whole("a"), placement("vm", "a")))
    told = document("truth", "a", *FLEET)
    assert told == yaml.safe_load(run("truth", "a", *FLEET, "-o", "yaml").stdout)
    held = NodeTruthStatus.model_validate(truth("a")["status"])
    assert NodeTruthStatus.model_validate(told["status"]) == held
    assert told["seen"] == "Recording"
    assert told["heartbeat"]["digest"] == "Vouched"


def test_a_lease_that_vouches_for_other_facts_is_told(files: Files) -> None:
    files.write(
        "fleet.yaml",
        snapshot(node("a"), truth("a"), lease("a", digest="sha256:x"), node("b"), truth("b")),
    )
    assert "the Lease vouches for other facts" in run("truth", "a", *FLEET).stdout
    assert "there is no Lease" in run("truth", "b", *FLEET).stdout


def test_what_cannot_be_read_is_said_and_the_rest_is_told(files: Files) -> None:
    broken = truth("b", health={"state": "Splendid"})
    files.write("fleet.yaml", snapshot(*whole("a"), node("b"), broken))
    told = run("truth", "a", *FLEET)
    assert told.exit_code == 2
    assert "status.health.state" in told.stderr
    assert "Verdict: VMs can be launched" in told.stdout


# --- the doctor from afar ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "options", "status"),
    [
        ({}, (), 0),
        ({"capabilities": [NO_KVM]}, (), 1),
        ({"capabilities": [NO_KVM]}, ("--acceleration", "Emulated"), 0),
        ({}, ("--backend", "Firecracker"), 1),
        ({}, ("--backend", "Firecracker", "--backend", "QEMU"), 0),
        ({}, ("--now", "2026-11-24T15:00:00Z"), 3),
        ({"capabilities": [NO_KVM]}, ("--now", "2026-11-24T15:00:00Z"), 1),
    ],
)
def test_the_doctor_ends_by_the_verdict(
    files: Files, changes: dict[str, object], options: tuple[str, ...], status: int
) -> None:
    files.write("fleet.yaml", snapshot(node("a"), truth("a", **changes), lease("a")))
    told = run("doctor", "a", *FLEET, *options)
    assert told.exit_code == status, told.stdout
    assert run("truth", "a", *FLEET, *options, "--verdict").stdout == told.stdout
    assert run("truth", "a", *FLEET, *options).exit_code == 0


def test_a_policy_says_which_backends_count(files: Files) -> None:
    files.write("fleet.yaml", truth("a"))
    files.write("policy.yaml", {"backends": ["Firecracker"]})
    assert run("doctor", "a", *FLEET).exit_code == 0
    assert run("doctor", "a", *FLEET, "--policy", "policy.yaml").exit_code == 1


@pytest.mark.parametrize(
    "option", ["--image-root", "--run-directory", "--state-directory", "--settings"]
)
def test_options_of_this_machine_say_nothing_of_another(files: Files, option: str) -> None:
    files.write("fleet.yaml", truth("a"))
    told = run("doctor", "a", *FLEET, option, "x")
    assert told.exit_code == 2
    assert option in told.stderr


def test_what_a_recording_holds_cannot_act_on_a_terminal(files: Files) -> None:
    evil = {**NO_KVM, "message": "\x1b[31mred\n", "source": "\x07bell"}
    files.write("fleet.yaml", truth("a", capabilities=[evil], os={
        "hostname": "\x1b]0;title\x07", "kernel": "k", "name": "n"
    }))  # fmt: skip
    told = run("truth", "a", *FLEET)
    assert told.exit_code == 0
    assert not [one for one in told.stdout if not one.isprintable() and one != "\n"]
