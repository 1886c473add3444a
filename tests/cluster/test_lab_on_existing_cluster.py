"""A lab on a cluster that was there before: what it adds, and that nothing of it stays.

One cluster for all, with a node life cycle as real ones have it. Tests come in this order:
a cluster that is not empty, the same one emptied, a lab that crashed with a VM.
"""

import base64
import json
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from schedune_lab import controlplane as parts
from schedune_lab import lab as labs
from schedune_lab import processes
from schedune_lab.cluster import manifests
from schedune_lab.existing import Wish
from schedune_lab.kubeconfig import write_kubeconfig
from schedune_lab.lab import Lab
from schedune_lab.ports import free_ports
from schedune_lab.progress import LabError
from schedune_lab.state import State
from schedune_testing.control_plane import ControlPlane, running_control_plane
from schedune_testing.waiting import processes_of, until

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NODES = {"this-machine", "arm-01", "arm-02", "edge-01", "micro-01", "x86-02"}
GIVES_UP_S = 15
KINDS = (
    "crds,namespaces,nodes,clusterroles,clusterrolebindings,validatingadmissionpolicies,"
    "validatingadmissionpolicybindings,priorityclasses,flowschemas,"
    "prioritylevelconfigurations,roles,rolebindings,serviceaccounts,leases,pods"
)
Object = dict[str, Any]


@dataclass
class World:
    """An existing cluster, and the kubeconfig by which its owner reaches it."""

    cluster: ControlPlane
    kubeconfig: Path

    def wish(self, *, not_empty: bool = False) -> Wish:
        return Wish(self.kubeconfig, not_empty=not_empty)

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        done = self.cluster.kubectl(*arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def items(self, kinds: str) -> list[Object]:
        return list(json.loads(self.kubectl("get", kinds, "-A", "-o", "json"))["items"])

    def objects(self, kinds: str = KINDS) -> set[tuple[str, ...]]:
        """Return everything that is there; controllers make service accounts when they like."""
        return {
            (one["kind"], meta.get("namespace", ""), meta["name"], meta["uid"])
            for one in self.items(kinds)
            if (meta := one["metadata"]).get("namespace") != "kube-system"
        }

    def ready(self) -> set[str]:
        return {
            one["metadata"]["name"]
            for one in self.items("nodes")
            for condition in one["status"].get("conditions", ())
            if condition["type"] == "Ready" and condition["status"] == "True"
        }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("existing")
    with running_control_plane(folder) as cluster, _node_life_cycle(cluster.layout):
        kubeconfig = folder / "mine.yaml"
        kubeconfig.write_text(yaml.safe_dump(_inline(cluster.admin_kubeconfig)))
        yield World(cluster, kubeconfig)


@contextmanager
def _node_life_cycle(layout: parts.Layout) -> Iterator[None]:
    """Run the controllers that give silent Nodes up and evict their pods."""
    changed = {
        "--controllers": "node-lifecycle-controller,taint-eviction-controller,"
        "pod-garbage-collector-controller",
        "--secure-port": str(free_ports(1)[0]),
        "--cert-dir": str(layout.folder / "life-cycle-pki"),
    }
    given = dict(
        one.partition("=")[::2] for one in parts.argv_of("kube-controller-manager", layout)[1:]
    )
    argv = [f"{key}={value}" if value else key for key, value in {**given, **changed}.items()]
    process = processes.start(
        [str(layout.binaries / "kube-controller-manager"), *argv,
         f"--node-monitor-grace-period={GIVES_UP_S}s", "--node-monitor-period=1s"],
        layout.folder / "log" / "life-cycle.log",
    )  # fmt: skip
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


def _inline(kubeconfig: Path) -> Object:
    """Return a kubeconfig with everything in it, as cloud providers hand them out."""
    content: Object = yaml.safe_load(kubeconfig.read_text())
    for section in (content["clusters"][0]["cluster"], content["users"][0]["user"]):
        for key in ("certificate-authority", "client-certificate", "client-key"):
            if key in section:
                encoded = base64.b64encode(Path(section.pop(key)).read_bytes())
                section[f"{key}-data"] = encoded.decode()
    return content


def workload(example: str, **metadata: Any) -> str:
    manifest = yaml.safe_load((EXAMPLES / example).read_text())
    manifest["metadata"] |= metadata
    return yaml.safe_dump(manifest)


# --- a cluster that is not empty -------------------------------------------------------


def test_a_cluster_that_is_not_empty_is_refused_with_each_thing_that_was_found(
    world: World, tmp_path: Path
) -> None:
    with pytest.raises(LabError) as refusal:
        labs.up(tmp_path / "lab", world.wish())
    told = str(refusal.value)
    assert str(world.kubeconfig) in told
    for found in (
        "CustomResourceDefinition nodetruths.schedune.io, vmplacements.schedune.io,",
        "Namespace schedune-agents, schedune-node-lease, schedune-system",
        "ClusterRole schedune-agent,",
        "--not-empty",
    ):
        assert found in told
    assert not (tmp_path / "lab").exists()


def test_told_to_come_anyway_it_overwrites_nothing_and_leaves_what_others_have(
    world: World, tmp_path: Path
) -> None:
    world.kubectl("create", "-f", "-", stdin=workload("payments.yaml", name="theirs"))
    everything = f"{KINDS},vmworkloads,vmplacements,nodetruths"
    before, versions = world.objects(everything), _versions(world)
    lab = labs.up(tmp_path / "lab", world.wish(not_empty=True))
    try:
        assert _versions(world) == versions
        world.kubectl("wait", "--for=condition=Ready", "vmw/theirs", "--timeout=30s")
        ours = workload("payments.yaml", labels={"schedune.io/lab": lab.id})
        world.kubectl("create", "-f", "-", stdin=ours)
        world.kubectl("wait", "--for=condition=Ready", "vmw/payments", "--timeout=30s")
    finally:
        labs.down(tmp_path / "lab")
    assert world.objects(everything) == before


def _versions(world: World) -> dict[str, int]:
    """Return the generation of every definition: it counts changes of its spec."""
    return {one["metadata"]["name"]: one["metadata"]["generation"] for one in world.items("crds")}


# --- an empty one ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def empty(world: World) -> set[tuple[str, ...]]:
    """Take away what the tests' control plane brings, and return what is left."""
    world.kubectl("delete", "vmworkloads", "--all", "--timeout=20s")
    text = yaml.safe_dump_all(manifests())
    world.kubectl("delete", "-f", "-", "--ignore-not-found", "--timeout=60s", stdin=text)
    until(lambda: "schedune" not in world.kubectl("get", "namespaces", "-o", "name"))
    return world.objects()


def test_a_set_up_that_is_forbidden_half_way_takes_back_what_it_made(
    world: World, empty: set[tuple[str, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # the kept logs go with the test
    reads = "--verb=get,list"
    makes = "--verb=get,list,create,delete"
    kinds = "customresourcedefinitions.apiextensions.k8s.io,namespaces"
    world.kubectl("create", "clusterrole", "half-reads", reads, "--resource=*.*")
    world.kubectl("create", "clusterrole", "half-makes", makes, f"--resource={kinds}")
    world.kubectl("create", "serviceaccount", "half")
    for role in ("half-reads", "half-makes"):
        subject = "--serviceaccount=default:half"
        world.kubectl("create", "clusterrolebinding", role, f"--clusterrole={role}", subject)
    before = world.objects()
    token = tmp_path / "half.token"
    token.write_text(world.kubectl("create", "token", "half"))
    layout = world.cluster.layout
    path = tmp_path / "half.yaml"
    write_kubeconfig(path, layout.server, layout.authority, token_file=token)
    with pytest.raises(LabError, match=r"ServiceAccount .* cannot be made: 403"):
        labs.up(tmp_path / "lab", Wish(path))
    assert world.objects() == before
    assert not (tmp_path / "lab").exists()
    assert list(tmp_path.glob("schedune-lab-log-*/supervisor.log"))
    for kind in ("clusterrolebinding", "clusterrole"):
        world.kubectl("delete", kind, "half-reads", "half-makes")
    world.kubectl("delete", "serviceaccount", "half")


@pytest.fixture(scope="module")
def lab(
    world: World, empty: set[tuple[str, ...]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("lab") / "state"
    yield labs.up(folder, world.wish())
    if folder.exists():
        labs.down(folder)


def test_it_starts_no_control_plane_and_its_nodes_are_ready_and_proved(
    world: World, lab: Lab
) -> None:
    names = {part.name for part in State(lab.state).parts()}
    assert names == {"operator", *(f"agent-{node}" for node in NODES)}
    assert lab.shared
    assert lab.kubernetes.startswith("v1.")
    assert world.ready() == NODES
    fresh = {
        one["metadata"]["name"]
        for one in world.items("nodetruths")
        for condition in one["status"]["conditions"]
        if condition["type"] == "Fresh" and condition["status"] == "True"
    }
    assert fresh == NODES


def test_its_user_applies_an_intent_and_is_answered(world: World, lab: Lab) -> None:
    kubectl = [f"--kubeconfig={lab.user_kubeconfig}"]
    world.kubectl(*kubectl, "apply", "-f", str(EXAMPLES / "payments.yaml"))
    world.kubectl(*kubectl, "wait", "--for=condition=Ready", "vmw/payments", "--timeout=30s")
    placement = json.loads(world.kubectl(*kubectl, "get", "vmp", "payments", "-o", "json"))
    assert placement["spec"]["nodeName"] == "arm-01"


def test_it_acts_as_itself_with_no_more_rights_than_it_needs(world: World, lab: Lab) -> None:
    lab_itself = f"--kubeconfig={lab.state / 'lab.kubeconfig'}"
    who = json.loads(world.kubectl(lab_itself, "auth", "whoami", "-o", "json"))
    told = who["status"]["userInfo"]
    assert told["username"] == "system:serviceaccount:schedune-system:schedune-lab"
    assert "system:masters" not in told["groups"]
    allowed = world.cluster.kubectl(lab_itself, "auth", "can-i", "patch", "nodes/status").stdout
    assert allowed.strip() == "no"
    own = world.kubectl(
        lab_itself, "auth", "can-i", "patch", "nodes/arm-01", "--subresource=status"
    )
    assert own.strip() == "yes"
    secrets = _inline(world.cluster.admin_kubeconfig)["users"][0]["user"].values()
    for path in lab.state.rglob("*"):
        if path.is_file() and path.stat().st_size < 2**20:
            content = path.read_bytes()
            assert not [one for one in secrets if base64.b64decode(one) in content], path


def test_no_pod_of_others_is_put_on_its_nodes(world: World, lab: Lab) -> None:
    for node in world.items("nodes"):
        assert node["status"]["allocatable"] == {"pods": "0"}
        assert not node["spec"].get("taints")


def test_a_second_up_finds_the_first(world: World, lab: Lab) -> None:
    before = State(lab.state).supervisor()
    assert labs.up(lab.state, world.wish()) == lab
    assert labs.up(lab.state) == lab
    assert State(lab.state).supervisor() == before
    with pytest.raises(LabError, match="is up already, on"):
        labs.up(lab.state, Wish(lab.state / "another.yaml"))


def test_a_second_lab_on_this_cluster_is_refused_even_when_told_to_come(
    world: World, lab: Lab, tmp_path: Path
) -> None:
    for not_empty in (False, True):
        with pytest.raises(LabError, match=r"Node arm-01, arm-02, .* If that is another lab"):
            labs.up(tmp_path / "second", world.wish(not_empty=not_empty))
    assert not (tmp_path / "second").exists()


def test_its_nodes_outlive_the_patience_of_the_node_life_cycle(world: World, lab: Lab) -> None:
    pods = {one["metadata"]["uid"] for one in world.items("pods")}
    time.sleep(GIVES_UP_S + 3)
    assert world.ready() == NODES
    assert {one["metadata"]["uid"] for one in world.items("pods")} == pods


def test_down_by_a_kubeconfig_that_leads_elsewhere_touches_no_other_cluster(
    world: World, lab: Lab
) -> None:
    state, before = State(lab.state), world.objects()
    facts = state.facts()
    assert facts
    assert facts.given
    state.write_facts(replace(facts, given=replace(facts.given, uid="of-another-cluster")))
    with pytest.raises(LabError, match="leads to another cluster"):
        labs.down(lab.state)
    state.write_facts(facts)
    moved = world.kubeconfig.rename(world.kubeconfig.with_suffix(".moved"))
    with pytest.raises(LabError, match=r"mine\.yaml.* run down again"):
        labs.down(lab.state)
    moved.rename(world.kubeconfig)
    assert world.objects() >= before
    assert processes_of(lab.state) == []


def test_down_leaves_exactly_what_was_there_before_and_what_is_not_its_own(
    world: World, lab: Lab, empty: set[tuple[str, ...]]
) -> None:
    world.kubectl("delete", "clusterrole", "schedune-viewer")
    world.kubectl("create", "clusterrole", "schedune-viewer", "--verb=get", "--resource=pods")
    labs.down(lab.state)
    assert [found[:3] for found in world.objects() ^ empty] == [
        ("ClusterRole", "", "schedune-viewer")
    ]
    assert not lab.state.exists()
    world.kubectl("delete", "clusterrole", "schedune-viewer")


# --- a lab that crashed ----------------------------------------------------------------


@pytest.mark.vm
def test_down_after_a_crash_of_the_lab_ends_the_vm_and_leaves_nothing_either(
    world: World, empty: set[tuple[str, ...]], tmp_path: Path
) -> None:
    lab = labs.up(tmp_path / "lab", world.wish())
    state = State(lab.state)
    world.kubectl("create", "-f", "-", stdin=workload("hello.yaml"))
    world.kubectl("wait", "--for=condition=Ready", "vmw/hello", "--timeout=120s")
    placement = json.loads(world.kubectl("get", "vmp", "hello", "-o", "json"))
    vm = placement["status"]["vmm"]["pid"]
    supervisor, agent = state.supervisor(), state.alive("agent-this-machine")
    assert supervisor
    assert agent
    for one in (supervisor, agent):
        os.kill(one.pid, signal.SIGKILL)
    until(lambda: not world.ready(), GIVES_UP_S + 30)  # nobody speaks for them any more
    assert Path(f"/proc/{vm}").exists()
    for record in lab.state.glob("agents/*/placements/*/record.json"):
        record.unlink()
    labs.down(lab.state)
    assert processes.start_time(vm) is None
    assert processes_of(lab.state) == []
    assert not list(Path("/sys/fs/cgroup").glob(f"*/schedune/{placement['metadata']['uid']}"))
    assert world.objects() == empty
    assert not lab.state.exists()
