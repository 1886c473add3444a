"""``schedune why-not``: one workload, one node, every backend."""

import pytest

from schedune_testing.recordings import Files, document, node, run, snapshot, truth, workload

CALL = ("-f", "vm.yaml", "--truth", "fleet.yaml")
NO_KVM = {
    "capabilities": [
        {
            "name": "kvm_vm_launch",
            "state": "Unsupported",
            "reasonCode": "CAP_KVM_MISSING",
            "observedTime": "2026-11-24T12:00:00Z",
            "message": "there is no /dev/kvm",
        }
    ]
}
PAGES = {"vcpus": 8, "memory": "16Gi", "hugepages": ["2Mi=4096"], "basis": "Declared"}


@pytest.fixture
def fleet(files: Files) -> Files:
    """Write three nodes: the best, another, and one on which nearly everything is wrong."""
    files.write("vm.yaml", workload("vm"), workload("other"))
    big = {"vcpus": 16, "memory": "64Gi", "basis": "Declared"}
    qemu = {**truth("c")["status"]["backends"][0], "accelerations": ["Emulated"]}
    small = {"vcpus": 1, "memory": "16Gi", "basis": "Declared"}
    files.write(
        "fleet.yaml",
        truth("a", capacity=big),
        truth("b"),
        truth("c", backends=[qemu], capacity=small, **NO_KVM),
    )
    return files


@pytest.mark.usefixtures("fleet")
def test_every_objection_of_every_backend_is_told_with_its_evidence() -> None:
    told = document("why-not", "vmw/vm", "c", *CALL)
    assert told["verdict"] == "Rejected"
    common = {one["demand"]: one for one in told["objections"]}
    assert sorted(common) == ["capability/kvm_vm_launch", "vcpus"]
    kvm = common["capability/kvm_vm_launch"]
    assert kvm["observed"] == "there is no /dev/kvm"
    assert kvm["required"] == "a KVM that runs guests"
    assert [one["code"] for one in kvm["consequences"]] == ["ERR_LAUNCH_ACCELERATION_UNAVAILABLE"]
    assert common["vcpus"]["change"] == "vcpus <= 1 (asked 2)"
    backends = {one["backend"]: one for one in told["backends"]}
    assert backends["QEMU"]["verdict"] == "CanLaunch"
    codes = {one["code"] for one in backends["CloudHypervisor"]["objections"]}
    assert "ERR_LAUNCH_MISSING_CAPABILITY_CH_BINARY" in codes


@pytest.mark.usefixtures("fleet")
def test_the_text_names_what_was_observed_and_what_would_have_to_change() -> None:
    told = run("why-not", "vm", "c", *CALL)
    assert told.exit_code == 1
    lines = [line.strip() for line in told.stdout.splitlines()]
    assert "observed  there is no /dev/kvm" in lines
    assert "change    vcpus <= 1 (asked 2)" in lines
    assert any(line.startswith("then also QEMU offers Emulated") for line in lines)
    assert "With QEMU: nothing of its own stands against it" in lines


@pytest.mark.usefixtures("fleet")
def test_a_node_that_is_chosen_or_eligible_is_said_to_be() -> None:
    chosen, eligible = run("why-not", "vm", "a", *CALL), run("why-not", "vm", "b", *CALL)
    assert (chosen.exit_code, eligible.exit_code) == (0, 0)
    assert "a is chosen (QEMU, score" in chosen.stdout
    assert "b is eligible (QEMU, score" in eligible.stdout
    assert "a is chosen." in eligible.stdout


def test_a_node_whose_facts_alone_are_too_old_ends_with_3(fleet: Files) -> None:
    later = ("--now", "2026-11-25T12:00:00Z")
    assert run("why-not", "vm", "b", *CALL, *later).exit_code == 3
    assert run("why-not", "vm", "c", *CALL, *later).exit_code == 1


def test_a_refused_workload_is_refused_on_every_node(files: Files) -> None:
    files.write("vm.yaml", workload(resources={"vcpus": 1, "memory": "256Mi", "hugepages": "2Mi"}))
    files.write("fleet.yaml", truth("a", capacity=PAGES))
    told = run("why-not", "vm", "a", *CALL)
    assert told.exit_code == 1
    assert "refused as it is written; otherwise a is chosen" in told.stdout
    assert "FIELD_NOT_SUPPORTED_YET" in told.stdout


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("vm", "aa"), "there is no node aa"), (("othr", "a"), "did you mean other?")],
)
def test_a_name_that_is_not_there_is_said(arguments: tuple[str, str], message: str) -> None:
    told = run("why-not", *arguments, *CALL)
    assert told.exit_code == 2
    assert message in told.stderr


def test_a_name_in_two_namespaces_wants_a_namespace(files: Files) -> None:
    here, there = workload("vm", "here"), workload("vm", "there")
    files.write("fleet.yaml", snapshot(node("a"), truth("a"), here, there))
    told = run("why-not", "vm", "a", "--truth", "fleet.yaml")
    assert told.exit_code == 2
    assert "here, there; say which with -n" in told.stderr
    assert run("why-not", "vm", "a", "--truth", "fleet.yaml", "-n", "here").exit_code == 0
