"""Everything that may be wrong with a recorded fleet: said, and the other nodes are asked."""

import pytest

from schedune_testing.recordings import Files, Object, run, snapshot, truth, whole, workload

CAPACITY: Object = {"vcpus": 1, "memory": "1Gi", "basis": "Declared"}
KVM: Object = truth("b")["status"]["capabilities"][0]
TRUTHS: dict[str, tuple[Object, str]] = {
    "no facts": ({**truth("b"), "status": {}}, "status: holds no facts"),
    "no status": ({k: v for k, v in truth("b").items() if k != "status"}, "holds no facts"),
    "vCPUs beyond counting": (
        truth("b", capacity={**CAPACITY, "vcpus": 10**20}),
        "status.capacity.vcpus",
    ),
    "memory that overflows": (
        truth("b", capacity={**CAPACITY, "memory": "99999Ei"}),
        "status.capacity.memory",
    ),
    "memory that is no quantity": (
        truth("b", capacity={**CAPACITY, "memory": "lots"}),
        "status.capacity.memory",
    ),
    "huge pages that are none": (
        truth("b", capacity={**CAPACITY, "hugepages": ["x=1"]}),
        "status.capacity.hugepages.0",
    ),
    "a time without a zone": (
        {**truth("b"), "status": {**truth("b")["status"], "observedTime": "2026-11-24T12:00:00"}},
        "status.observedTime: must say its time zone",
    ),
    "a time that is none": (
        {**truth("b"), "status": {**truth("b")["status"], "observedTime": "yesterday"}},
        "status.observedTime",
    ),
    "a state that does not exist": (
        truth("b", capabilities=[{"name": "kvm_vm_launch", "state": "Maybe"}]),
        "status.capabilities.0.state",
    ),
    "an unknown field of the spec": (truth("b", spec={"shceduling": "Enabled"}), "scheduling?"),
    "an age beyond all time": (
        truth("b", capabilities=[{**KVM, "staleAfterSeconds": 10**17}]),
        "staleAfterSeconds",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TRUTHS)
def test_a_bad_truth_is_said_and_the_other_nodes_are_asked(case: str, files: Files) -> None:
    bad, message = TRUTHS[case]
    files.write("vm.yaml", workload())
    files.write("fleet/bad.yaml", bad)
    files.write("fleet/good.yaml", truth("a"))
    told = run("explain", "-f", "vm.yaml", "--truth", "fleet")
    assert told.exit_code == 2, told.output
    assert "fleet/bad.yaml:" in told.stderr
    assert message in told.stderr
    assert "a is chosen" in told.stdout


def test_two_truths_of_one_node_are_one_too_many(files: Files) -> None:
    files.write("vm.yaml", workload())
    files.write("fleet.yaml", truth("a"), truth("a"))
    told = run("explain", "-f", "vm.yaml", "--truth", "fleet.yaml")
    assert told.exit_code == 2
    assert "NodeTruth a is also in" in told.stderr


def test_a_broken_node_or_lease_is_said(files: Files) -> None:
    broken = whole("a")
    broken[0]["spec"] = {"taints": [{"key": "x"}]}
    broken[2]["spec"]["renewTime"] = "soon"
    files.write("fleet.yaml", snapshot(*broken, *whole("b"), workload()))
    told = run("explain", "--truth", "fleet.yaml")
    assert told.exit_code == 2
    assert "spec.taints.0.effect" in told.stderr
    assert "spec.renewTime" in told.stderr
    assert "b is chosen" in told.stdout


@pytest.mark.parametrize(
    ("metadata", "field"),
    [("foo", "metadata"), (["foo"], "metadata"), (None, "metadata"), ({}, "metadata.name"),
     ({"name": "shop", "annotations": "none"}, "metadata.annotations")],
)  # fmt: skip
def test_a_broken_namespace_is_said(files: Files, metadata: object, field: str) -> None:
    broken = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
    files.write("fleet.yaml", snapshot(*whole("b"), broken, workload()))
    told = run("explain", "--truth", "fleet.yaml")
    assert told.exit_code == 2
    assert f" {field}: " in told.stderr
    assert "internal error" not in told.stderr
    assert "b is chosen" in told.stdout


@pytest.mark.parametrize("recorded", ["", "yesterday", "2026-11-24T12:00:00"])
def test_a_snapshot_says_when_it_was_taken(recorded: str, files: Files) -> None:
    files.write("fleet.yaml", snapshot(*whole("a"), workload(), recorded=recorded))
    told = run("explain", "--truth", "fleet.yaml")
    assert told.exit_code == 2
    assert "recordedTime" in told.stderr


def test_two_snapshots_are_no_fleet(files: Files) -> None:
    files.write("one.yaml", snapshot(*whole("a"), workload()))
    files.write("two.yaml", snapshot(*whole("b")))
    told = run("explain", "--truth", "one.yaml", "--truth", "two.yaml")
    assert told.exit_code == 2
    assert "explain --at A --diff B" in told.stderr


def test_a_truth_that_holds_no_node_is_said(files: Files) -> None:
    files.write("vm.yaml", workload())
    told = run("explain", "-f", "vm.yaml", "--truth", "vm.yaml")
    assert told.exit_code == 2
    assert "holds no NodeTruth and no Node" in told.stderr
