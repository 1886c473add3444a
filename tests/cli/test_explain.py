"""``schedune explain`` on files: what it says, and how it ends."""

from pathlib import Path

import pytest

from schedune_testing.recordings import (
    ROOT,
    Files,
    document,
    run,
    truth,
    workload,
)

FLEET = ("--truth", "fleet.yaml")
PAGES = {"vcpus": 8, "memory": "16Gi", "hugepages": ["2Mi=4096"], "basis": "Declared"}


def row_of(text: str, node_name: str) -> str:
    return next(line for line in text.splitlines() if line.split()[:1] == [node_name])


# --- the story of the README -----------------------------------------------------------


def test_payments_reads_as_the_story_of_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    told = run(
        "explain", "-f", "examples/payments.yaml", "--truth", "examples/fleet/", "-o", "text"
    )
    assert told.exit_code == 0
    assert "arm-01 is chosen" in told.stdout
    assert "chosen" in row_of(told.stdout, "arm-01")
    assert "REJECT_MISSING_KVM" in row_of(told.stdout, "arm-02")
    assert "there is no /dev/kvm" in row_of(told.stdout, "arm-02")
    assert "REJECT_INSUFFICIENT_MEMORY" in row_of(told.stdout, "edge-01")
    assert "REJECT_ARTIFACT_MISSING" in row_of(told.stdout, "micro-01")
    assert "REJECT_TELEMETRY_STALE" in row_of(told.stdout, "x86-02")
    assert "judged for 2026-11-24T09:00:00Z" in told.stdout


def test_what_nobody_can_run_is_answered_with_the_numbers_that_would_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    told = run("explain", "-f", "examples/impossible.yaml", "--truth", "examples/fleet/")
    assert told.exit_code == 1
    assert "you: vcpus <= 12 (asked 24) and memory <=" in told.stdout
    assert "vcpus: 24, even if all is repaired" in told.stdout


@pytest.mark.parametrize(
    ("example", "backend", "missing"),
    [
        ("cloud-hypervisor", "CloudHypervisor", "ERR_LAUNCH_MISSING_CAPABILITY_CH_BINARY"),
        ("firecracker", "Firecracker", "ERR_LAUNCH_MISSING_CAPABILITY_FC_BINARY"),
    ],
)
def test_each_example_of_a_backend_goes_to_the_node_that_has_it_and_others_say_they_lack_it(
    example: str, backend: str, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    told = run("explain", "-f", f"examples/{example}.yaml", "--truth", "examples/fleet/", "--all")
    assert told.exit_code == 0
    assert f"micro-01 is chosen ({backend}" in told.stdout
    assert told.stdout.count(missing) == 4


# --- exit statuses -----------------------------------------------------------------------


def test_every_workload_with_a_node_ends_with_0(files: Files) -> None:
    files.write("vm.yaml", workload())
    files.write("fleet.yaml", truth("a"))
    assert run("explain", "-f", "vm.yaml", *FLEET).exit_code == 0


def test_one_workload_without_a_node_ends_with_1(files: Files) -> None:
    files.write("vms.yaml", workload("fits"), workload("not", architecture="arm64"))
    files.write("fleet.yaml", truth("a"))
    told = run("explain", "-f", "vms.yaml", *FLEET)
    assert told.exit_code == 1
    assert "Workloads with a node: 1 of 2" in told.stdout


def test_bad_input_ends_with_2_and_the_rest_is_judged(files: Files) -> None:
    files.write("vms.yaml", workload("fits"), workload("bad", resources={"vcpus": 1}))
    files.write("fleet.yaml", truth("a"))
    told = run("explain", "-f", "vms.yaml", *FLEET)
    assert told.exit_code == 2
    assert "default/fits" in told.stdout
    assert "spec.resources.memory: is missing" in told.stderr


def test_facts_that_are_too_old_end_with_3_and_say_how_to_ask(files: Files) -> None:
    files.write("vm.yaml", workload())
    files.write("fleet.yaml", truth("a"), truth("b"))
    told = run("explain", "-f", "vm.yaml", *FLEET, "--now", "2026-11-30T15:30:00Z")
    assert told.exit_code == 3
    assert "6 d 3 h old" in told.stdout
    assert "--now 2026-11-24T12:00:00Z" in told.stdout


def test_facts_of_the_future_end_with_3(files: Files) -> None:
    files.write("vm.yaml", workload())
    files.write("fleet.yaml", truth("a"))
    told = run("explain", "-f", "vm.yaml", *FLEET, "--now", "2026-11-24T11:00:00Z")
    assert told.exit_code == 3
    assert "1 h in the future" in told.stdout


def test_old_facts_on_which_the_vm_would_not_fit_anyhow_end_with_1(files: Files) -> None:
    files.write("vm.yaml", workload(architecture="arm64"))
    files.write("fleet.yaml", truth("a"))
    assert run("explain", "-f", "vm.yaml", *FLEET, "--now", "2026-11-30T00:00:00Z").exit_code == 1


def test_one_stale_node_beside_a_fresh_one_that_cannot_ends_with_1(files: Files) -> None:
    files.write("vm.yaml", workload())
    files.write("fleet.yaml", truth("a", architecture="arm64"), truth("b"))
    old = truth("b")
    old["status"]["observedTime"] = "2026-11-24T09:00:00Z"
    files.write("fleet.yaml", truth("a", capabilities=[]), old)
    told = run("explain", "-f", "vm.yaml", *FLEET)
    assert told.exit_code == 1
    assert "REJECT_TELEMETRY_STALE" in row_of(told.stdout, "b")


def test_a_fleet_without_any_time_asks_for_one(files: Files) -> None:
    files.write("vm.yaml", workload(acceleration="Emulated"))
    timeless = truth("a", capabilities=[])
    del timeless["status"]["observedTime"]
    files.write("fleet.yaml", timeless)
    told = run("explain", "-f", "vm.yaml", *FLEET)
    assert told.exit_code == 2
    assert "--now" in told.stderr


# --- fields that this version does not act on --------------------------------------------


def test_a_field_that_is_not_supported_refuses_the_workload_and_every_node_is_still_shown(
    files: Files,
) -> None:
    files.write("vm.yaml", workload(resources={"vcpus": 1, "memory": "256Mi", "hugepages": "2Mi"}))
    files.write("fleet.yaml", truth("a", capacity=PAGES))
    told = document("explain", "-f", "vm.yaml", *FLEET)
    (one,) = told["items"]
    assert one["verdict"] == "Refused"
    assert one["code"] == "FIELD_NOT_SUPPORTED_YET"
    assert one["refusals"][0]["field"] == "spec.resources.hugepages"
    assert one["nodesEligible"] == 1
    assert one["chosen"] == ""
    assert [found["nodeName"] for found in one["nodes"]] == ["a"]
    text = run("explain", "-f", "vm.yaml", *FLEET)
    assert text.exit_code == 1
    assert "otherwise 1/1 nodes could run the VM" in text.stdout


# --- several workloads -------------------------------------------------------------------


def test_workloads_are_judged_each_on_its_own(files: Files) -> None:
    half = {"resources": {"vcpus": 5, "memory": "1Gi"}}
    files.write("vms.yaml", workload("one", **half), workload("two", **half))
    files.write("fleet.yaml", truth("a"))
    assert run("explain", "-f", "vms.yaml", *FLEET).exit_code == 0


def test_together_the_earlier_name_leaves_the_later_one_less_room(files: Files) -> None:
    half = {"resources": {"vcpus": 5, "memory": "1Gi"}}
    files.write("vms.yaml", workload("two", **half), workload("one", **half))
    files.write("fleet.yaml", truth("a"))
    one, two = document("explain", "-f", "vms.yaml", *FLEET, "--together")["items"]
    assert (one["metadata"]["name"], one["verdict"]) == ("one", "Eligible")
    assert (two["metadata"]["name"], two["code"]) == ("two", "REJECT_INSUFFICIENT_VCPUS")


def test_together_workloads_that_keep_apart_go_to_different_nodes(files: Files) -> None:
    apart = {
        "placement": {
            "antiAffinity": [
                {
                    "topologyKey": "kubernetes.io/hostname",
                    "workloadSelector": {"matchLabels": {"app": "web"}},
                }
            ]
        }
    }
    twins = [workload(name, **apart) for name in ("one", "two", "six")]
    for twin in twins:
        twin["metadata"]["labels"] = {"app": "web"}
    files.write("vms.yaml", *twins)
    files.write("fleet.yaml", truth("a"), truth("b"))
    told = document("explain", "-f", "vms.yaml", *FLEET, "--together")["items"]
    assert {one["chosen"] for one in told} == {"a", "b", ""}


def test_together_one_keeps_another_away_that_has_no_rule(files: Files) -> None:
    away = {"topologyKey": "kubernetes.io/hostname"}
    batch = workload("two")
    batch["metadata"]["labels"] = {"app": "batch"}
    rule = {**away, "workloadSelector": {"matchLabels": {"app": "batch"}}}
    files.write("vms.yaml", batch, workload("one", placement={"antiAffinity": [rule]}))
    files.write("fleet.yaml", truth("a"))
    one, two = document("explain", "-f", "vms.yaml", *FLEET, "--together")["items"]
    assert (one["metadata"]["name"], one["verdict"]) == ("one", "Eligible")
    assert (two["metadata"]["name"], two["code"]) == ("two", "REJECT_EXISTING_ANTI_AFFINITY")


def test_the_order_of_files_and_documents_does_not_change_a_byte(files: Files) -> None:
    files.write("one.yaml", workload("b"), workload("a", namespace="x", architecture="arm64"))
    files.write("two.yaml", workload("c", resources={"vcpus": 99, "memory": "1Gi"}))
    files.write("f1.yaml", truth("n2"), truth("n1"))
    files.write("f2.yaml", truth("n3", architecture="arm64"))
    order = ("-f", "one.yaml", "-f", "two.yaml", "--truth", "f1.yaml", "--truth", "f2.yaml")
    other = ("-f", "two.yaml", "-f", "one.yaml", "--truth", "f2.yaml", "--truth", "f1.yaml")
    for form in ("text", "json", "yaml", "junit", "sarif", "github"):
        first = run("explain", *order, "-o", form, "--together")
        second = run("explain", *other, "-o", form, "--together")
        assert first.stdout == second.stdout, form
        assert first.exit_code == second.exit_code == 1


def test_a_workload_can_be_named_and_one_that_is_not_there_is_said(files: Files) -> None:
    files.write("vms.yaml", workload("payments"), workload("orders"))
    files.write("fleet.yaml", truth("a"))
    told = document("explain", "vmw/orders", "-f", "vms.yaml", *FLEET)
    assert [one["metadata"]["name"] for one in told["items"]] == ["orders"]
    missed = run("explain", "paiments", "-f", "vms.yaml", *FLEET)
    assert missed.exit_code == 2
    assert "did you mean payments?" in missed.stderr


# --- nodes ---------------------------------------------------------------------------------


def test_text_shows_some_nodes_and_all_of_them_when_asked(files: Files) -> None:
    files.write("vm.yaml", workload(architecture="arm64"))
    files.write("fleet.yaml", *(truth(f"n{number:02}") for number in range(20)))
    short = run("explain", "-f", "vm.yaml", *FLEET).stdout
    assert "+ 8 more" in short
    whole_text = run("explain", "-f", "vm.yaml", *FLEET, "--all").stdout
    assert "n19" in whole_text
    assert "more" not in whole_text.split("Smallest")[0]
    assert len(document("explain", "-f", "vm.yaml", *FLEET)["items"][0]["nodes"]) == 20


def test_the_policy_is_read_alone_or_from_the_operators_settings(files: Files) -> None:
    files.write("vm.yaml", workload(resources={"vcpus": 9, "memory": "1Gi"}))
    files.write("fleet.yaml", truth("a"))
    files.text("policy.yaml", "vcpuOvercommitPercent: 200\n")
    files.text("settings.yaml", "tickSeconds: 5\npolicy:\n  vcpuOvercommitPercent: 200\n")
    assert run("explain", "-f", "vm.yaml", *FLEET).exit_code == 1
    for name in ("policy.yaml", "settings.yaml"):
        assert run("explain", "-f", "vm.yaml", *FLEET, "--policy", name).exit_code == 0


def test_a_wrong_policy_is_bad_input_with_its_line(files: Files) -> None:
    files.write("vm.yaml", workload())
    files.write("fleet.yaml", truth("a"))
    files.text("policy.yaml", "profile: Pack\nvcpuOvercommitPercent: 20\n")
    told = run("explain", "-f", "vm.yaml", *FLEET, "--policy", "policy.yaml")
    assert told.exit_code == 2
    assert "policy.yaml:2: vcpuOvercommitPercent:" in told.stderr


@pytest.mark.parametrize("form", ["text", "json", "yaml", "junit", "sarif", "github"])
def test_objects_that_hold_no_workload_are_no_error(form: str, files: Files) -> None:
    files.text("other.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n")
    files.write("fleet.yaml", truth("a"))
    told = run("explain", "-f", "other.yaml", *FLEET, "-o", form)
    assert told.exit_code == 0
    assert "no VMWorkload among 1 objects" in told.stderr


def test_truths_among_the_manifests_are_said_not_to_be_judged(files: Files) -> None:
    files.write("all/vm.yaml", workload())
    files.write("all/fleet/a.yaml", truth("a"))
    told = run("explain", "-f", "all", "--truth", Path("all/fleet"))
    assert told.exit_code == 0
    assert "NodeTruth a: not judged" in told.stderr
