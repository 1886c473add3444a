"""manifests/: what is installed has no more rights on a node than were measured to be needed."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from schedune_agent.settings import AgentSettings
from schedune_kube.settings import KubernetesSettings
from schedune_operator.settings import AdmissionSettings, OperatorSettings

ROOT = Path(__file__).resolve().parents[2]
MANIFESTS = ROOT / "manifests"
Object = dict[str, Any]
LAUNCHER = {
    "CHOWN", "DAC_OVERRIDE", "KILL", "SETGID", "SETUID", "SYS_ADMIN", "SYS_CHROOT", "SYS_PTRACE",
}  # fmt: skip
"""Measured as the smallest with which a VM outlives its pod (docs/security.md)."""
OF_OTHERS = (
    "/var/lib/kubelet", "/var/lib/containerd", "/run/containerd", "/etc/kubernetes",
    "/var/lib/docker", "/var/run", "/var/log", "/proc", "/root", "/home",
)  # fmt: skip


@cache
def documents(path: str) -> list[Object]:
    return [one for one in yaml.safe_load_all((MANIFESTS / path).read_text()) if one]


def installed(kind: str) -> Iterator[Object]:
    return (one for one in documents("install.yaml") if one["kind"] == kind)


def pod(path: str, kind: str) -> Object:
    (found,) = (one for one in documents(path) if one["kind"] == kind)
    return dict(found["spec"]["template"]["spec"])


@pytest.fixture
def launcher() -> Object:
    return pod("install.yaml", "DaemonSet")


@pytest.fixture
def teller() -> Object:
    return pod("base/agent.yaml", "DaemonSet")


def test_the_agent_that_launches_has_the_measured_rights_and_no_other(launcher: Object) -> None:
    (container,) = launcher["containers"]
    context = container["securityContext"]
    assert set(context["capabilities"]["add"]) == LAUNCHER
    assert context["capabilities"]["drop"] == ["ALL"]
    assert context["readOnlyRootFilesystem"] is True
    assert "privileged" not in context
    assert launcher["hostPID"] is True
    assert not {"hostNetwork", "hostIPC"} & set(launcher)
    assert launcher["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}


def test_the_agent_that_tells_facts_has_no_capability_and_no_namespace_of_the_host(
    teller: Object,
) -> None:
    (container,) = teller["containers"]
    assert container["securityContext"] == {
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostPID", "hostNetwork", "hostIPC"} & set(teller)
    writable = {
        one["mountPath"] for one in container["volumeMounts"] if not one.get("readOnly")
    } - {"/tmp"}  # noqa: S108 - of the pod
    assert writable == {"/var/lib/schedune", "/run/schedune"}


@pytest.mark.parametrize("path", ["base/agent.yaml", "install.yaml"])
def test_a_folder_of_the_host_stands_at_its_own_path_and_brings_nothing_of_other_pods(
    path: str,
) -> None:
    spec = pod(path, "DaemonSet")
    places = {one["name"]: one["mountPath"] for one in spec["containers"][0]["volumeMounts"]}
    hosts = {one["name"]: one["hostPath"]["path"] for one in spec["volumes"] if "hostPath" in one}
    assert len(hosts) >= 8
    for name, host in hosts.items():
        assert places[name] == host
        for others in OF_OTHERS:
            assert not PurePosixPath(others).is_relative_to(host), f"{host} brings {others}"
            assert not PurePosixPath(host).is_relative_to(others), f"{host} is of {others}"


@pytest.mark.parametrize("kind", ["DaemonSet", "Deployment"])
def test_a_pod_has_a_token_of_ten_minutes_and_no_other(kind: str) -> None:
    spec = pod("install.yaml", kind)
    assert spec["automountServiceAccountToken"] is False
    tokens = [
        source["serviceAccountToken"]
        for volume in spec["volumes"]
        for source in volume.get("projected", {}).get("sources", ())
        if "serviceAccountToken" in source
    ]
    assert tokens == [{"path": "token", "expirationSeconds": 600}]
    for account in installed("ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


def test_the_operator_is_two_pods_that_nobody_needs_to_trust() -> None:
    (deployment,) = installed("Deployment")
    spec = deployment["spec"]["template"]["spec"]
    assert deployment["spec"]["replicas"] == 2
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not [one for one in spec["volumes"] if "hostPath" in one]
    assert spec["affinity"]["podAntiAffinity"]
    assert container["resources"]["limits"]["memory"]


def test_the_agent_is_the_last_to_be_killed_and_runs_on_every_node(launcher: Object) -> None:
    (container,) = launcher["containers"]
    amount = container["resources"]
    assert amount["limits"] == {"memory": amount["requests"]["memory"]}
    assert launcher["priorityClassName"] == "system-node-critical"
    (quota,) = installed("ResourceQuota")
    (admitted,) = quota["spec"]["scopeSelector"]["matchExpressions"]
    assert admitted["values"] == [launcher["priorityClassName"]]
    assert launcher["tolerations"] == [{"operator": "Exists"}]


def test_only_the_namespace_of_the_agents_admits_pods_with_rights_on_a_node() -> None:
    levels = {
        one["metadata"]["name"]: one["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        for one in installed("Namespace")
    }
    assert levels == {
        "schedune-agents": "privileged",
        "schedune-node-lease": "restricted",
        "schedune-system": "restricted",
    }


def settings_in(name: str, key: str, path: str = "install.yaml") -> Object:
    (found,) = (
        one
        for one in documents(path)
        if one["kind"] == "ConfigMap" and one["metadata"]["name"].startswith(f"{name}-")
    )
    return yaml.safe_load(found["data"][key]) or {}


def test_the_settings_that_are_installed_are_what_the_processes_read() -> None:
    somewhere = KubernetesSettings(
        server="https://10.0.0.1:443", ca_file=Path("ca"), token_file=Path("token")
    )
    OperatorSettings.model_validate(settings_in("schedune-operator", "operator.yaml"))
    launching = settings_in("schedune-agent", "agent.yaml")
    telling = yaml.safe_load((MANIFESTS / "base" / "agent-settings.yaml").read_text())
    for said, execution in ((launching, "Launches"), (telling, "PreparesOnly")):
        settings = AgentSettings.model_validate({"kubernetes": somewhere, **said})
        assert settings.execution == execution
        assert settings.cluster_uid == ""
    users = launching.pop("vmUsers")
    assert {**launching, "execution": "PreparesOnly"} == telling
    assert users["first"] + users["count"] < 65534, (
        "nobody's, and those of pods with users of theirs"
    )


def component(name: str, kind: str) -> Object:
    """Return the one object of a kind that a component brings."""
    folder = MANIFESTS / "components" / name
    found = [
        one
        for path in yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
        for one in yaml.safe_load_all((folder / path).read_text())
        if one["kind"] == kind
    ]
    (only,) = found
    return dict(only)


def patched(name: str) -> Object:
    """Return what a component lays over the operator's pod."""
    file = MANIFESTS / "components" / name / "kustomization.yaml"
    (patch,) = yaml.safe_load(file.read_text())["patches"]
    return dict(yaml.safe_load(patch["patch"])["spec"]["template"]["spec"])


def test_the_fleet_page_is_reached_as_its_page_says() -> None:
    told = (ROOT / "docs" / "observability.md").read_text()
    (said,) = (
        one for one in re.findall(r"```yaml\n(.*?)```", told, re.DOTALL) if "fleetPage" in one
    )
    page = OperatorSettings.model_validate(yaml.safe_load(said)).fleet_page
    assert page is not None
    assert not page.is_loopback
    (reached,) = component("fleet-page", "Service")["spec"]["ports"]
    (let_in,) = component("fleet-page", "NetworkPolicy")["spec"]["ingress"][0]["ports"]
    assert (reached["targetPort"], let_in["port"]) == (page.port, page.port)
    pod = patched("fleet-page")
    (mount,) = pod["containers"][0]["volumeMounts"]
    assert {page.certificate_file, page.key_file} == {
        Path(mount["mountPath"], name) for name in ("tls.crt", "tls.key")
    }
    (volume,) = pod["volumes"]
    assert volume["secret"] == {"secretName": "schedune-fleet-page", "optional": True}
    assert "secret tls schedune-fleet-page " in told.replace("\n   ", "")


def test_the_webhook_is_reached_where_operators_with_their_defaults_listen() -> None:
    admission = AdmissionSettings()
    (reached,) = component("webhook", "Service")["spec"]["ports"]
    (let_in,) = component("webhook", "NetworkPolicy")["spec"]["ingress"][0]["ports"]
    assert (reached["targetPort"], let_in["port"]) == (admission.port, admission.port)


@pytest.mark.parametrize("name", sorted(one.name for one in (MANIFESTS / "components").iterdir()))
def test_no_component_takes_the_place_of_settings_that_are_yours(name: str) -> None:
    said = yaml.safe_load((MANIFESTS / "components" / name / "kustomization.yaml").read_text())
    made = {one["name"] for one in said.get("configMapGenerator", ())}
    assert not made & {"schedune-operator-settings", "schedune-agent-settings"}


def test_paths_of_the_agents_settings_are_folders_of_the_host(launcher: Object) -> None:
    said = settings_in("schedune-agent", "agent.yaml")
    mounted = {one["mountPath"] for one in launcher["containers"][0]["volumeMounts"]}
    own = (said["runDirectory"], said["stateDirectory"], said["searchPath"][0])
    for path in (*own, *said["imageRoots"]):
        assert any(PurePosixPath(path).is_relative_to(one) for one in mounted), path


def test_agents_have_a_small_share_of_the_api_server_and_heartbeats_a_flow_of_their_own() -> None:
    (level,) = installed("PriorityLevelConfiguration")
    assert level["spec"]["limited"]["nominalConcurrencyShares"] == 10
    flows = {
        one["metadata"]["name"]: (
            one["spec"]["matchingPrecedence"],
            one["spec"]["priorityLevelConfiguration"]["name"],
        )
        for one in installed("FlowSchema")
    }
    assert flows == {
        "schedune-leader-election": (200, "leader-election"),
        "schedune-heartbeats": (800, "schedune-agents"),
        "schedune-agents": (810, "schedune-agents"),
    }
