"""``schedune nodes``: the fleet at a glance, and which repair helps most."""

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
    workload,
)

FLEET = ("--truth", "fleet.yaml")
NO_KVM = {"name": "kvm_vm_launch", "reasonCode": "CAP_KVM_MISSING", "state": "Unsupported",
          "observedTime": "2026-11-24T12:00:00Z", "message": "none"}  # fmt: skip


def test_a_node_is_shown_with_what_is_left_of_it(files: Files) -> None:
    files.write("fleet.yaml", snapshot(*whole("a"), placement("one", "a")))
    told = document("nodes", *FLEET)
    (one,) = told["nodes"]
    assert (one["vcpus"], one["vcpusFree"]) == (8, 6)
    assert (one["memory"], one["memoryFree"]) == ("16Gi", f"{16 * 1024 - 4 * 1024 - 66}Mi")
    assert (one["vms"], one["kvm"], one["architecture"]) == (1, "Yes", "amd64")
    assert one["backends"] == ["QEMU 7.2.0"]
    text = run("nodes", *FLEET)
    assert text.exit_code == 0
    assert "6/8" in text.stdout


def test_everything_that_keeps_vms_away_is_shown(files: Files) -> None:
    objects = [
        node("a", "False"), truth("a", spec={"scheduling": "Cordoned"}),
        node("b", unschedulable=True), truth("b", health={"state": "Degraded"}),
        node("c"),
        node("d"), truth("d", capabilities=[NO_KVM]), lease("d", "2026-11-24T11:00:00Z"),
    ]  # fmt: skip
    files.write("fleet.yaml", snapshot(*objects, recorded="2026-11-24T12:10:00Z"))
    told = {one["nodeName"]: one for one in document("nodes", *FLEET)["nodes"]}
    assert told["a"]["state"] == ["NotReady", "VMsCordoned"]
    assert told["b"]["state"] == ["Cordoned", "HealthDegraded"]
    assert (told["c"]["state"], told["c"]["freshness"]) == (["NoFacts"], "Unknown")
    assert (told["d"]["kvm"], told["d"]["freshness"]) == ("Unsupported", "Stale")
    assert "stale: 10 min" in run("nodes", *FLEET).stdout


def test_the_repair_that_gives_most_workloads_a_node_comes_first(files: Files) -> None:
    files.write("vms.yaml", *(workload(f"vm{number}") for number in range(3)),
                workload("arm", architecture="arm64"))  # fmt: skip
    files.write(
        "fleet.yaml",
        truth("a", capabilities=[NO_KVM]),
        truth("b", capabilities=[NO_KVM]),
        truth("c", architecture="arm64", spec={"scheduling": "Cordoned"}),
    )
    first, second = document("nodes", "-f", "vms.yaml", *FLEET)["repairs"]
    assert first["demand"] == "nodeOpen"
    assert len(first["workloads"]) == 4
    assert (first["pairs"], first["nodes"]) == (4, ["c"])
    assert second["demand"] == "capability/kvm_vm_launch"
    assert second["workloads"] == ["default/vm0", "default/vm1", "default/vm2"]
    assert (second["pairs"], second["nodes"]) == (6, ["a", "b"])


def test_repairs_are_counted_over_what_waits_in_a_snapshot(files: Files) -> None:
    waiting = workload("waits", resources={"vcpus": 1, "memory": "1Gi"})
    broken = [node("a"), truth("a", capabilities=[NO_KVM]), lease("a")]
    files.write("fleet.yaml", snapshot(*broken, waiting, workload("runs"), placement("runs", "a")))
    told = document("nodes", *FLEET)
    assert told["workloads"] == 1
    assert [one["workloads"] for one in told["repairs"]] == [["default/waits"]]
