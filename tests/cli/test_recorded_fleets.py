"""What a recorded fleet says: nodes, heartbeats, placements, workloads of a snapshot."""

from schedune_testing.recordings import (
    Files,
    document,
    lease,
    node,
    placed,
    placement,
    run,
    snapshot,
    truth,
    whole,
    workload,
)

FLEET = ("--truth", "fleet.yaml")


def test_a_snapshot_is_judged_at_its_own_time_with_its_own_workloads(files: Files) -> None:
    files.write("fleet.yaml", snapshot(*whole("a"), workload("one"), workload("two")))
    told = document("explain", *FLEET)
    assert [one["metadata"]["name"] for one in told["items"]] == ["one", "two"]
    assert {one["time"] for one in told["items"]} == {"2026-11-24T12:00:00Z"}


def test_labels_taints_readiness_and_cordons_of_recorded_nodes_count(files: Files) -> None:
    files.write("vm.yaml", workload(placement={"nodeSelector": {"disk": "fast"}}))
    fast = node("a")
    fast["metadata"]["labels"] = {"disk": "fast"}
    taint = {"key": "vms", "value": "no", "effect": "NoSchedule"}
    nodes = [fast, node("b", "False"), node("c", unschedulable=True), node("d", taints=[taint])]
    truths = [one for name in "abcd" for one in (truth(name), lease(name))]
    files.write("fleet.yaml", snapshot(*nodes, *truths))
    (told,) = document("explain", "-f", "vm.yaml", *FLEET)["items"]
    codes = {one["nodeName"]: {each["code"] for each in one["objections"]} for one in told["nodes"]}
    assert codes["a"] == set()
    assert "REJECT_NODE_NOT_READY" in codes["b"]
    assert "REJECT_NODE_CORDONED" in codes["c"]
    assert "REJECT_TAINT_NOT_TOLERATED" in codes["d"]


def test_a_node_document_on_its_own_is_a_node_without_facts(files: Files) -> None:
    files.write("vm.yaml", workload())
    files.write("fleet.yaml", node("a"), truth("b"))
    (told,) = document("explain", "-f", "vm.yaml", *FLEET)["items"]
    rejected = next(one for one in told["nodes"] if one["nodeName"] == "a")
    assert [one["code"] for one in rejected["objections"]] == ["REJECT_TRUTH_MISSING"]


def test_a_truth_in_a_snapshot_without_its_node_is_no_node(files: Files) -> None:
    files.write("fleet.yaml", snapshot(*whole("a"), truth("gone"), workload()))
    (told,) = document("explain", *FLEET)["items"]
    assert [one["nodeName"] for one in told["nodes"]] == ["a"]


def test_a_lone_truth_is_taken_for_a_ready_node_with_the_labels_of_a_kubelet(files: Files) -> None:
    selector = {"kubernetes.io/arch": "arm64", "kubernetes.io/hostname": "a", "pool": "x"}
    files.write("vm.yaml", workload(placement={"nodeSelector": selector}))
    files.write("fleet.yaml", truth("a", architecture="arm64", labels={"pool": "x"}))
    assert run("explain", "-f", "vm.yaml", *FLEET).exit_code == 0


def test_a_heartbeat_vouches_for_facts_only_with_their_digest(files: Files) -> None:
    late = "2026-11-24T18:00:00Z"
    nodes = [node("a"), truth("a"), lease("a", late), node("b"), truth("b")]
    files.write(
        "fleet.yaml", snapshot(*nodes, lease("b", late, "sha256:other"), workload(), recorded=late)
    )
    (told,) = document("explain", *FLEET)["items"]
    codes = {one["nodeName"]: [each["code"] for each in one["objections"]] for one in told["nodes"]}
    assert codes == {"a": [], "b": ["REJECT_TELEMETRY_STALE"]}


def test_the_lease_of_a_kubelet_vouches_for_nothing(files: Files) -> None:
    late = "2026-11-24T18:00:00Z"
    foreign = lease("a", late)
    foreign["metadata"]["namespace"] = "kube-node-lease"
    files.write("fleet.yaml", snapshot(node("a"), truth("a"), foreign, workload(), recorded=late))
    assert run("explain", *FLEET).exit_code == 3


def test_the_servers_stamp_of_the_agents_write_counts_before_the_nodes_clock(files: Files) -> None:
    ahead = lease("a", "2026-11-24T13:00:00Z")
    ahead["metadata"]["managedFields"] = [
        {"manager": "schedune-agent", "time": "2026-11-24T12:00:00Z"}
    ]
    files.write("fleet.yaml", snapshot(node("a"), truth("a"), ahead, workload()))
    assert run("explain", *FLEET).exit_code == 0


def test_placements_that_hold_something_take_room_and_others_do_not(files: Files) -> None:
    ended = placement("ended", "a")
    ended["status"]["ended"] = {"time": "2026-11-24T12:00:00Z", "reason": "Stopped"}
    dry = placement("dry", "a", mode="DryRun")
    files.write("vm.yaml", workload(resources={"vcpus": 6, "memory": "1Gi"}))
    files.write("fleet.yaml", snapshot(*whole("a"), ended, dry, placement("one", "a")))
    assert run("explain", "-f", "vm.yaml", *FLEET).exit_code == 0
    files.write("fleet.yaml", snapshot(*whole("a"), placement("one", "a"), placement("two", "a")))
    (told,) = document("explain", "-f", "vm.yaml", *FLEET)["items"]
    assert told["code"] == "REJECT_INSUFFICIENT_VCPUS"
    assert "4 of 8" in told["codes"][0]["message"]


def test_a_placement_that_cannot_be_read_holds_everything(files: Files) -> None:
    files.write("vm.yaml", workload())
    broken = placement("one", "a", claim={"vcpus": 1, "memory": "much", "overheadMemory": "1"})
    files.write("fleet.yaml", snapshot(*whole("a"), broken))
    told = run("explain", "-f", "vm.yaml", *FLEET)
    assert told.exit_code == 2
    assert "spec.claim.memory" in told.stderr
    assert "0 of 8 vCPUs are free" in told.stdout


def test_a_workload_that_runs_is_judged_as_if_it_were_placed_anew(files: Files) -> None:
    big = {"resources": {"vcpus": 7, "memory": "4Gi"}}
    running = truth("a", liveVMs=[
        {"placementUID": "p-vm", "workloadUID": "w-vm", "namespace": "default", "name": "vm"}
    ])  # fmt: skip
    files.write("fleet.yaml", snapshot(node("a"), running, lease("a"), *placed("vm", "a", **big)))
    (told,) = document("explain", *FLEET)["items"]
    assert told["placedOn"] == "a"
    assert told["chosen"] == "a"
    assert "A VM of it is on a now" in run("explain", *FLEET).stdout


def test_a_live_vm_without_a_placement_keeps_its_workload_away(files: Files) -> None:
    live = {"placementUID": "p-x", "workloadUID": "w-vm", "namespace": "default", "name": "vm"}
    waiting = workload("vm")
    waiting["metadata"]["uid"] = "w-vm"
    files.write("fleet.yaml", snapshot(node("a"), truth("a", liveVMs=[live]), lease("a"), waiting))
    (told,) = document("explain", *FLEET)["items"]
    assert told["code"] == "REJECT_LIVE_VM"


def test_the_namespace_option_chooses_among_recorded_workloads(files: Files) -> None:
    files.write("fleet.yaml", snapshot(*whole("a"), workload("x", "shop"), workload("y", "lab")))
    names = [one["metadata"]["name"] for one in document("explain", *FLEET, "-n", "shop")["items"]]
    assert names == ["x"]
    assert len(document("explain", *FLEET, "-A")["items"]) == 2


def test_a_manifest_without_a_namespace_is_in_the_one_that_is_given(files: Files) -> None:
    bare = workload()
    del bare["metadata"]["namespace"]
    files.write("vm.yaml", bare)
    files.write("fleet.yaml", truth("a"))
    spaces = [
        document("explain", "-f", "vm.yaml", *FLEET, *option)["items"][0]["metadata"]["namespace"]
        for option in ((), ("-n", "shop"))
    ]
    assert spaces == ["default", "shop"]


def test_no_nodes_are_an_answer_too(files: Files) -> None:
    files.write("vm.yaml", workload())
    files.write("fleet.yaml", snapshot())
    told = run("explain", "-f", "vm.yaml", *FLEET)
    assert told.exit_code == 2
    assert "holds no NodeTruth and no Node" in told.stderr
