"""The command line against a real API server: what it reads there, and what it takes home."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from schedune_kube.client import KubeClient
from schedune_kube.kubeconfig import from_kubeconfig
from schedune_kube.resources import LEASES, NODES, NODETRUTHS
from schedune_testing.accounts import bearing, ensure, owned_truth, token_of
from schedune_testing.control_plane import OPERATOR, ControlPlane
from schedune_testing.recordings import Files, document, lease, placement, run, truth, workload

NODE, DIGEST = "cli-node", "sha256:cli"
POOL = {"placement": {"nodeSelector": {"pool.schedune.io/name": "cli"}}}
Object = dict[str, Any]


@pytest.fixture(scope="module")
def fleet(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """Publish one node as its agent would, and bind one of two workloads to it."""
    node_uid = asyncio.run(_publish(control_plane))
    manifests = {name: workload(name, **POOL) for name in ("cli-waits", "cli-runs")}
    uids = {}
    for name, manifest in manifests.items():
        answer = control_plane.post(manifest, dry_run=False)
        assert answer.accepted, answer.message
        uids[name] = answer.body["metadata"]["uid"]
    owner = {"generation": 1, "uid": uids["cli-runs"]}
    bound = placement("cli-runs", NODE, workload=owner, nodeUID=node_uid)
    bound["metadata"] = {"name": "cli-runs", "namespace": "default"}
    del bound["status"]
    assert control_plane.post(bound, dry_run=False, user=OPERATOR).accepted
    yield control_plane
    control_plane.delete(bound)
    for manifest in manifests.values():
        control_plane.delete(manifest)


async def _publish(control_plane: ControlPlane) -> str:
    async with KubeClient(
        from_kubeconfig(control_plane.admin_kubeconfig), field_manager="test"
    ) as admin:
        labels = {"pool.schedune.io/name": "cli", "customer": "acme"}
        found = await ensure(admin, NODES, {"metadata": {"name": NODE, "labels": labels}})
        uid = found["metadata"]["uid"]
        await admin.merge_patch(NODES, NODE, {"spec": {"taints": None}})
        ready = {"type": "Ready", "status": "True", "reason": "Test", "message": "ready"}
        await admin.merge_patch(
            NODES, NODE, {"status": {"conditions": [ready]}}, subresource="status"
        )
        token = await token_of(admin, NODE)
    async with KubeClient(bearing(control_plane, token), field_manager="schedune-agent") as agent:
        identity = {"nodeUID": uid, "machineID": "m", "bootID": "b", "agentVersion": "1"}
        facts = truth(NODE, identity=identity, digest=DIGEST)
        await ensure(agent, NODETRUTHS, owned_truth(NODE, str(uid)))
        await agent.apply(NODETRUTHS, NODE, _applied(facts), subresource="status")
        beat = lease(NODE, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}", DIGEST)
        await agent.create(LEASES, beat, "schedune-node-lease")
    return str(uid)


def _applied(facts: Object) -> Object:
    return {
        **{key: facts[key] for key in ("apiVersion", "kind", "status")},
        "metadata": {"name": NODE},
    }


@pytest.fixture
def cluster(fleet: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    """Stand in an empty folder, with the cluster's kubeconfig in the environment."""
    monkeypatch.setenv("KUBECONFIG", str(fleet.admin_kubeconfig))
    monkeypatch.chdir(tmp_path)
    return Files(Path())


@pytest.mark.usefixtures("cluster")
def test_a_workload_of_the_cluster_is_explained() -> None:
    told = run("explain", "vmw/cli-waits")
    assert told.exit_code == 0, told.output
    assert f"{NODE} is chosen (QEMU" in told.stdout
    named = document("explain", "cli-runs", "cli-waits", "-n", "default")["items"]
    assert [(one["metadata"]["name"], one["placedOn"]) for one in named] == [
        ("cli-runs", NODE), ("cli-waits", ""),
    ]  # fmt: skip


def test_a_manifest_is_judged_on_the_cluster(cluster: Files) -> None:
    cluster.write("vm.yaml", workload("new", resources={"vcpus": 7, "memory": "1Gi"}, **POOL))
    told = run("explain", "-f", "vm.yaml")
    assert told.exit_code == 1
    assert "6 of 8 vCPUs are free" in told.stdout
    why = run("why-not", "new", NODE, "-f", "vm.yaml")
    assert "change    vcpus <= 6 (asked 7)" in why.stdout


@pytest.mark.usefixtures("cluster")
def test_the_nodes_of_the_cluster_are_shown() -> None:
    told = {one["nodeName"]: one for one in document("nodes")["nodes"]}
    assert (told[NODE]["vcpusFree"], told[NODE]["freshness"]) == (6, "Fresh")
    assert told[NODE]["state"] == ["Ready"]


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("options", [(), ("--redact",)], ids=["plain", "redacted"])
def test_a_snapshot_is_answered_as_the_cluster_was(options: tuple[str, ...]) -> None:
    taken = run("snapshot", "-o", "fleet.yaml", *options)
    assert taken.exit_code == 0, taken.output
    text = Path("fleet.yaml").read_text()
    assert ("acme" in text, NODE in text) == ((False, False) if options else (True, True))
    assert Path("fleet.yaml").stat().st_mode & 0o077 == 0
    (there,) = document("explain", "cli-waits")["items"]
    (here,) = document("explain", "cli-waits", "--truth", "fleet.yaml", "-n", "default")["items"]
    for one in (there, here):
        node = next(found for found in one["nodes"] if found["nodeName"] == one["chosen"])
        assert node["verdict"] == "Chosen"
    assert _counted(here) == _counted(there)
    assert yaml.safe_load(text)["kind"] == "Snapshot"


def _counted(told: Object) -> list[tuple[str, int]]:
    """Return what does not name nodes, and does not age."""
    counts = [(one["code"], one["count"]) for one in told["codes"]]
    return [("eligible", told["nodesEligible"]), *counts]


@pytest.mark.usefixtures("cluster")
def test_a_node_is_examined_from_afar_with_who_vouches_for_its_facts() -> None:
    told = document("doctor", NODE)
    assert run("doctor", NODE).exit_code == 0
    assert (told["seen"], told["verdict"]["answer"]) == ("Cluster", "CanLaunch")
    assert (told["heartbeat"]["state"], told["heartbeat"]["digest"]) == ("Fresh", "Vouched")
    assert (told["node"]["ready"], told["node"]["taints"]) == ("True", [])
    page = run("truth", NODE)
    assert page.exit_code == 0
    assert "the Lease vouches for exactly these facts" in page.stdout


@pytest.mark.usefixtures("cluster")
def test_what_a_vm_on_the_node_claims_counts_against_the_next(fleet: ControlPlane) -> None:
    """The one that runs claims 2 of 8 vCPUs; were there 2 only, nothing more would fit."""
    declared = {"spec": {"capacity": {"vcpus": 2, "memory": "16Gi"}}}
    asyncio.run(_patch_truth(fleet, declared))
    try:
        told = document("doctor", NODE)
    finally:
        asyncio.run(_patch_truth(fleet, {"spec": {"capacity": None}}))
    assert told["verdict"]["answer"] == "CannotLaunch"
    codes = [one["code"] for one in told["problems"] if one["reach"] == "EveryVM"]
    assert codes == ["REJECT_INSUFFICIENT_VCPUS"]


async def _patch_truth(control_plane: ControlPlane, change: Object) -> None:
    credentials = from_kubeconfig(control_plane.admin_kubeconfig)
    async with KubeClient(credentials, field_manager="test") as admin:
        await admin.merge_patch(NODETRUTHS, NODE, change)


@pytest.mark.usefixtures("cluster")
def test_a_node_that_the_cluster_does_not_have_is_said() -> None:
    for command in ("doctor", "truth"):
        told = run(command, "nowhere")
        assert told.exit_code == 2
        assert "there is no node nowhere; schedune nodes names" in told.stderr


@pytest.mark.usefixtures("cluster")
def test_a_snapshot_is_compared_with_the_cluster_as_it_is(fleet: ControlPlane) -> None:
    assert run("snapshot", "-o", "then.yaml").exit_code == 0
    against = ("truth", "diff", "then.yaml", "--node", NODE)
    assert run(*against).exit_code == 0, run(*against).output
    asyncio.run(_patch_truth(fleet, {"spec": {"scheduling": "Cordoned"}}))
    try:
        told = run(*against)
    finally:
        asyncio.run(_patch_truth(fleet, {"spec": {"scheduling": "Enabled"}}))
    assert told.exit_code == 1
    assert "Enabled -> Cordoned" in told.stdout


@pytest.mark.usefixtures("cluster")
def test_a_drain_of_a_real_node_is_thought_through() -> None:
    told = run("simulate", "--drain", NODE)
    assert told.exit_code == 1
    assert "default/cli-runs" in told.stdout
    assert "stranded" in told.stdout


def test_without_the_right_to_read_the_answer_says_which_is_missing(
    cluster: Files, fleet: ControlPlane
) -> None:
    cluster.text("kubeconfig", _kubeconfig_of_nobody(fleet))
    told = run("explain", "--kubeconfig", "kubeconfig")
    assert told.exit_code == 2
    assert "403" in told.stderr
    assert "ask for the right to get and list nodes, nodetruths" in told.stderr


def _kubeconfig_of_nobody(fleet: ControlPlane) -> str:
    async def ask() -> str:
        credentials = from_kubeconfig(fleet.admin_kubeconfig)
        async with KubeClient(credentials, field_manager="test") as admin:
            return await token_of(admin, None, "default")

    config = yaml.safe_load(fleet.admin_kubeconfig.read_text())
    config["users"][0]["user"] = {"token": asyncio.run(ask())}
    return yaml.safe_dump(config)


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    ("options", "message"),
    [(("--kubeconfig", "nowhere"), "nowhere"), (("--context", "other"), "other")],
)
def test_a_kubeconfig_that_cannot_be_used_is_said(options: tuple[str, str], message: str) -> None:
    told = run("nodes", *options)
    assert told.exit_code == 2
    assert message in told.stderr
    assert "Traceback" not in told.output


def test_a_server_that_does_not_answer_is_said(cluster: Files, fleet: ControlPlane) -> None:
    config = yaml.safe_load(fleet.admin_kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    cluster.text("kubeconfig", yaml.safe_dump(config))
    told = run("snapshot", "--kubeconfig", "kubeconfig")
    assert told.exit_code == 2
    assert "check the server's address" in told.stderr
