"""What people may do by the roles that we ship, as a real API server sees it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from schedune_testing.manifests import minimal_workload
from schedune_testing.recordings import run
from schedune_testing.speaking import JSON, MERGE, Speaker, ask_token
from schedune_testing.two_nodes import OWN, PLACEMENTS, TRUTHS, WORKLOADS, TwoNodes
from schedune_testing.waiting import until

RBAC = "/apis/rbac.authorization.k8s.io/v1"
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
EVERYWHERE = "/apis/schedune.io/v1alpha1/vmworkloads"


@contextmanager
def person(nodes: TwoNodes, role: str, *, everywhere: bool = False) -> Iterator[Speaker]:
    """Bring in somebody with one ClusterRole: in the namespace default, or in all."""
    admin, name = nodes.admin, f"person-{role}"
    metadata = {"name": name, "namespace": "default"}
    admin.make(ACCOUNTS, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    kind = "ClusterRoleBinding" if everywhere else "RoleBinding"
    place = RBAC if everywhere else f"{RBAC}/namespaces/default"
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", **metadata}],
    }
    admin.make(f"{place}/{kind.lower()}s", binding)
    speaker = Speaker(admin.control_plane, ask_token(admin, None, name, "default"))
    try:
        until(lambda: speaker.ask("GET", EVERYWHERE if everywhere else WORKLOADS).accepted)
        yield speaker
    finally:
        speaker.close()


@pytest.fixture(scope="module")
def viewer(nodes: TwoNodes) -> Iterator[Speaker]:
    """Somebody with Kubernetes' own role view in a namespace."""
    with person(nodes, "view") as speaker:
        yield speaker


@pytest.fixture(scope="module", params=["edit", "admin"])
def editor(nodes: TwoNodes, request: pytest.FixtureRequest) -> Iterator[Speaker]:
    """Somebody with Kubernetes' own role edit, or admin, in a namespace."""
    with person(nodes, str(request.param)) as speaker:
        yield speaker


def test_who_may_view_a_namespace_reads_its_vms_and_writes_none(viewer: Speaker) -> None:
    assert viewer.ask("GET", f"{WORKLOADS}/wanted").accepted
    assert viewer.ask("GET", f"{PLACEMENTS}/mine").accepted
    assert viewer.ask("POST", WORKLOADS, minimal_workload("viewed")).status == 403
    assert viewer.ask("GET", EVERYWHERE).status == 403


def test_who_may_edit_a_namespace_writes_workloads_and_nothing_that_schedune_writes(
    editor: Speaker,
) -> None:
    until(lambda: editor.ask("POST", f"{WORKLOADS}?dryRun=All", minimal_workload("e")).accepted)
    editor.must("POST", WORKLOADS, minimal_workload("edited"))
    changed = editor.merge(f"{WORKLOADS}/edited", {"spec": {"runState": "Stopped"}})
    assert changed.accepted, changed.message
    editor.must("DELETE", f"{WORKLOADS}/edited")
    assert editor.ask("GET", f"{PLACEMENTS}/mine").accepted
    state = {"status": {"state": "Running"}}
    for method, path, body, form in (
        ("PATCH", f"{WORKLOADS}/wanted/status", {"status": {"reason": "Running"}}, MERGE),
        ("PATCH", f"{PLACEMENTS}/mine/status", state, MERGE),
        ("PATCH", f"{PLACEMENTS}/mine", {"metadata": {"finalizers": None}}, MERGE),
        ("DELETE", f"{PLACEMENTS}/mine", None, JSON),
        ("PATCH", f"{TRUTHS}/{OWN}", {"spec": {"scheduling": "Cordoned"}}, MERGE),
    ):
        answer = editor.ask(method, path, body, form)
        assert answer.status == 403, path
        assert "cannot" in answer.message, path


def test_who_may_view_the_fleet_takes_a_snapshot_and_reads_no_secret(
    nodes: TwoNodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with person(nodes, "schedune-fleet-viewer", everywhere=True) as speaker:
        kubeconfig = yaml.safe_load(nodes.admin.control_plane.admin_kubeconfig.read_text())
        kubeconfig["users"][0]["user"] = {"token": speaker.token}
        (tmp_path / "kubeconfig").write_text(yaml.safe_dump(kubeconfig))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
        taken = run("snapshot", "--redact", "-o", str(tmp_path / "fleet.yaml"))
        assert taken.exit_code == 0, taken.output
        told = yaml.safe_load((tmp_path / "fleet.yaml").read_text())
        assert told["kind"] == "Snapshot"
        for path in ("/api/v1/secrets", "/api/v1/pods", "/api/v1/namespaces/default"):
            assert speaker.ask("GET", path).status == 403, path
        assert speaker.merge(f"{TRUTHS}/{OWN}", {"spec": {"scheduling": "Cordoned"}}).status == 403
