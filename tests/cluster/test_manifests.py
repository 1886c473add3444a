"""What is installed, on a real API server: applied as it stands, and taken away again."""

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from schedune_testing.control_plane import ControlPlane, running_control_plane
from schedune_testing.waiting import until

ROOT = Path(__file__).resolve().parents[2]
MANIFESTS = ROOT / "manifests"
INSTALL = MANIFESTS / "install.yaml"
COMPONENTS = ("webhook", "fleet-page", "kvm-probe", "vmms")
STRICT = ("--server-side", "--validate=strict")
Object = dict[str, Any]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Run a cluster without anything of Schedune's."""
    with running_control_plane(tmp_path_factory.mktemp("empty"), installed=False) as found:
        yield found


@pytest.fixture(scope="module")
def cluster(empty: ControlPlane) -> ControlPlane:
    """Install Schedune on it as docs/install.md says."""
    applied = empty.kubectl("apply", "--server-side", "-f", str(INSTALL))
    assert applied.returncode == 0, applied.stderr
    assert "Warning" not in applied.stderr
    return empty


def renderer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("render", ROOT / "hack" / "render.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def kustomized(cluster: ControlPlane, folder: Path) -> str:
    done = cluster.kubectl("kustomize", str(folder))
    assert done.returncode == 0, done.stderr
    return done.stdout


def with_component(folder: Path, overlay: str, component: str, **more: object) -> Path:
    """Write a kustomization as a user does, in the checkout's folder of manifests."""
    content = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [f"../manifests/overlays/{overlay}"],
        "components": [f"../manifests/components/{component}"],
        **more,
    }
    return with_kustomization(folder, yaml.safe_dump(content))


def with_kustomization(folder: Path, text: str) -> Path:
    folder.mkdir()
    for name in ("manifests", "crds"):
        (folder.parent / name).symlink_to(ROOT / name, target_is_directory=True)
    (folder / "kustomization.yaml").write_text(text)
    return folder


def test_the_rendered_file_is_what_the_overlay_renders(empty: ControlPlane) -> None:
    render = renderer()
    told = "is old: run `make manifests`"
    assert INSTALL.read_text() == render.HEADER + render.render(empty.layout.kubectl), told


def test_it_is_applied_whole_by_one_command_and_leaves_no_drift(cluster: ControlPlane) -> None:
    for _ in range(2):
        again = cluster.kubectl("apply", *STRICT, "-f", str(INSTALL))
        assert again.returncode == 0, again.stderr
    difference = cluster.kubectl("diff", "--server-side", "-f", str(INSTALL))
    assert (difference.returncode, difference.stdout) == (0, ""), difference.stdout


def test_the_other_overlay_takes_the_place_of_the_first(cluster: ControlPlane) -> None:
    told = kustomized(cluster, MANIFESTS / "overlays" / "facts-only")
    done = cluster.kubectl("apply", *STRICT, "--dry-run=server", "-f", "-", stdin=told)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr


@pytest.mark.parametrize("component", COMPONENTS)
@pytest.mark.parametrize("overlay", ["launch", "facts-only"])
def test_every_component_fits_every_overlay(
    cluster: ControlPlane, tmp_path: Path, overlay: str, component: str
) -> None:
    told = kustomized(cluster, with_component(tmp_path / "mine", overlay, component))
    done = cluster.kubectl("apply", *STRICT, "--dry-run=server", "-f", "-", stdin=told)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr


@pytest.mark.parametrize(
    ("component", "argument"), [("webhook", "--admission"), ("fleet-page", "")]
)
def test_settings_of_ones_own_and_a_component_of_the_operator_hold_both(
    cluster: ControlPlane, tmp_path: Path, component: str, argument: str
) -> None:
    own = "policy: {profile: Pack}\n"
    generator = {
        "name": "schedune-operator-settings",
        "namespace": "schedune-system",
        "behavior": "replace",
        "literals": [f"operator.yaml={own}"],
    }
    folder = with_component(tmp_path / "mine", "launch", component, configMapGenerator=[generator])
    told = [one for one in yaml.safe_load_all(kustomized(cluster, folder)) if one]
    settings = {
        one["metadata"]["name"]: one["data"]
        for one in told
        if one["kind"] == "ConfigMap" and one["metadata"]["namespace"] == "schedune-system"
    }
    assert list(settings.values()) == [{"operator.yaml": own}]
    (deployment,) = (one for one in told if one["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    assert {one["configMap"]["name"] for one in pod["volumes"] if "configMap" in one} == {*settings}
    wanted = ["--settings", "/etc/schedune/operator.yaml", *filter(None, [argument])]
    assert pod["containers"][0]["args"] == wanted


@pytest.mark.parametrize("takes_all", [False, True])
def test_the_kustomization_of_the_page_is_rendered_as_it_stands_and_with_all_that_it_names(
    empty: ControlPlane, tmp_path: Path, takes_all: bool
) -> None:
    page = (ROOT / "docs" / "install.md").read_text()
    (text,) = re.findall(r"```yaml\n(apiVersion: kustomize.*?)```", page, re.DOTALL)
    named = re.findall(r"^# - ../manifests/components/([a-z-]+) ", text, re.MULTILINE)
    assert {*named} == {one.name for one in (MANIFESTS / "components").iterdir()}
    if takes_all:
        text = text.replace("\n# - ", "\n- ")
    told = kustomized(empty, with_kustomization(tmp_path / "mine", text))
    images = {*re.findall(r" image: (.+)$", told, re.MULTILINE)}
    installed = {f"REGISTRY/schedune-{one}:0.1.0" for one in ("operator", "agent")}
    assert images == installed | ({"REGISTRY/schedune-vmms:1"} if takes_all else set())


def test_the_component_for_taps_adds_one_right_to_agents_that_launch_and_fits_no_others(
    cluster: ControlPlane, tmp_path: Path
) -> None:
    told = kustomized(cluster, with_component(tmp_path / "mine", "launch", "taps"))
    done = cluster.kubectl("apply", *STRICT, "--dry-run=server", "-f", "-", stdin=told)
    assert done.returncode == 0, done.stderr
    assert rights_in(told) - rights_in(INSTALL.read_text()) == {"NET_ADMIN"}
    (tmp_path / "other").mkdir()
    other = with_component(tmp_path / "other" / "mine", "facts-only", "taps")
    done = cluster.kubectl("kustomize", str(other))
    assert done.returncode != 0
    assert "capabilities/add" in done.stderr


def rights_in(told: str) -> set[str]:
    """Return the capabilities of the agent that is installed so."""
    (agent,) = (one for one in yaml.safe_load_all(told) if one and one["kind"] == "DaemonSet")
    (container,) = agent["spec"]["template"]["spec"]["containers"]
    return set(container["securityContext"]["capabilities"]["add"])


def pod_of(kind: str, namespace: str, path: str = "install.yaml") -> str:
    """Return a pod as the controller of that kind makes it."""
    (found,) = (
        one
        for one in yaml.safe_load_all((MANIFESTS / path).read_text())
        if one and one["kind"] == kind
    )
    template = found["spec"]["template"]
    metadata = {**template["metadata"], "name": "one", "namespace": namespace}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
    return yaml.safe_dump(body)


@pytest.mark.parametrize(
    ("kind", "namespace", "path"),
    [
        ("Deployment", "schedune-system", "install.yaml"),
        ("DaemonSet", "schedune-agents", "install.yaml"),
        ("DaemonSet", "schedune-agents", "base/agent.yaml"),
    ],
)
def test_the_api_server_admits_the_pods(
    cluster: ControlPlane, kind: str, namespace: str, path: str
) -> None:
    until(lambda: cluster.kubectl("get", "sa", "-n", namespace, "-o", "name").stdout != "")
    done = cluster.kubectl(
        "create", "--dry-run=server", "-f", "-", stdin=pod_of(kind, namespace, path)
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr


def test_a_pod_with_rights_on_its_node_is_refused_beside_the_operator(
    cluster: ControlPlane,
) -> None:
    pod = yaml.safe_load(pod_of("DaemonSet", "schedune-system"))
    pod["spec"]["serviceAccountName"] = "schedune-operator"
    refused = cluster.kubectl("create", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(pod))
    assert refused.returncode != 0
    assert 'violates PodSecurity "restricted:latest"' in refused.stderr
    assert "restricted volume types" in refused.stderr


def what_finalizers_say(cluster: ControlPlane) -> str:
    """Return why definitions stay, as they and the API server tell it."""
    told = cluster.kubectl("get", "crds", "-o", "jsonpath={.items[*].status.conditions}").stdout
    log = (cluster.layout.folder / "log" / "kube-apiserver.log").read_text().splitlines()
    return "\n".join([told, *[line for line in log if "crd_finalizer" in line][-20:]])


def test_it_is_taken_away_by_one_command_and_nothing_is_left(cluster: ControlPlane) -> None:
    kinds = (
        "namespaces,crds,clusterroles,clusterrolebindings,validatingadmissionpolicies,"
        "validatingadmissionpolicybindings,priorityclasses,flowschemas,prioritylevelconfigurations"
    )
    assert "schedune" in cluster.kubectl("get", kinds, "-o", "name").stdout
    # As `schedune uninstall --check` does. A kind that nobody ever listed has no storage yet, at
    # which the API server's finalizer fails, and its next attempt may be five minutes off: a
    # conflict with its own write of that failure is retried only when its informer resyncs.
    for kind in ("nodetruths", "vmplacements", "vmworkloads"):
        assert cluster.kubectl("get", kind, "-A").returncode == 0
    done = cluster.kubectl("delete", "--timeout=60s", "-f", str(INSTALL))
    assert done.returncode == 0, f"{done.stderr}\n{what_finalizers_say(cluster)}"
    left = cluster.kubectl("get", kinds, "-o", "name").stdout.splitlines()
    assert [one for one in left if "schedune" in one] == []
