"""Set a fresh API server up: definitions, rights, nodes, the agents' pods."""

import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from schedune_lab.progress import LabError

ROOT: Final = Path(__file__).resolve().parents[2]
FLEET: Final = ROOT / "examples" / "fleet"
NAMESPACE: Final = "schedune-system"
FLEET_LABEL: Final = "demo.schedune.io/fleet"
_TAINT: Final = "node.kubernetes.io/not-ready"
_WAIT_S: Final = 60.0


@dataclass(frozen=True)
class Setup:
    """kubectl with the rights of the set-up; thrown away when the set-up is done."""

    kubectl: Path
    kubeconfig: Path

    def run(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl.

        Raises:
            LabError: it failed; with its own words.
        """
        argv = [str(self.kubectl), "--kubeconfig", str(self.kubeconfig), *arguments]
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LabError(f"kubectl {' '.join(arguments)} failed: {done.stderr.strip()[-1500:]}")
        return done.stdout

    def apply(self, *paths: Path) -> None:
        """Apply files or folders."""
        files = [argument for path in paths for argument in ("-f", str(path))]
        self.run("apply", "--server-side", *files)

    def create(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Create one object and return it."""
        found = json.loads(self.run("create", "-o", "json", "-f", "-", stdin=json.dumps(manifest)))
        return dict(found)

    def uid(self, kind: str, name: str) -> str:
        """Return an object's UID."""
        return self.run("get", kind, name, "-o", "jsonpath={.metadata.uid}")


def install(setup: Setup) -> None:
    """Bring in what a user installs, and the rights of the lab's own people."""
    setup.apply(ROOT / "crds")
    setup.run("wait", "--for=condition=Established", "crd", "--all", f"--timeout={_WAIT_S:.0f}s")
    setup.apply(ROOT / "manifests" / "namespaces.yaml")
    setup.apply(ROOT / "manifests" / "rbac.yaml", ROOT / "manifests" / "policies.yaml")
    setup.apply(Path(__file__).with_name("lab_rbac.yaml"))


def add_node(setup: Setup, name: str, architecture: str, fleet: str) -> str:
    """Make a Node as a kubelet would, Ready and without taints; return its UID."""
    labels = {
        "kubernetes.io/arch": architecture,
        "kubernetes.io/hostname": name,
        FLEET_LABEL: fleet,
    }
    setup.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}})
    ready = {"type": "Ready", "status": "True", "reason": "LabNode", "message": "kept by the lab"}
    patch = json.dumps({"status": {"conditions": [ready]}})
    setup.run("patch", "node", name, "--subresource=status", "--type=strategic", "-p", patch)
    setup.run("patch", "node", name, "--type=json", "-p", '[{"op":"remove","path":"/spec/taints"}]')
    return setup.uid("node", name)


def add_pod(setup: Setup, name: str, service_account: str, node: str) -> str:
    """Make the pod to which a token is bound; nobody runs it. Return its UID."""
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "serviceAccountName": service_account,
            "nodeName": node,
            "automountServiceAccountToken": False,
            "containers": [{"name": "schedune", "image": "schedune.invalid/lab:none"}],
        },
    }
    return str(setup.create(body)["metadata"]["uid"])


def wait_for_truths(setup: Setup, nodes: Sequence[str], limit_s: float = _WAIT_S) -> None:
    """Wait until every node's facts are there and fresh.

    Raises:
        LabError: one is missing; names it.
    """
    deadline = time.monotonic() + limit_s
    missing = list(nodes)
    while missing:
        found = json.loads(setup.run("get", "nodetruths", "-o", "json"))["items"]
        fresh = {one["metadata"]["name"] for one in found if _is_fresh(one)}
        missing = [name for name in nodes if name not in fresh]
        if missing and time.monotonic() > deadline:
            raise LabError(f"no fresh NodeTruth of {', '.join(missing)} after {limit_s:.0f} s")
        time.sleep(0.3)


def _is_fresh(truth: Mapping[str, Any]) -> bool:
    conditions = truth.get("status", {}).get("conditions", [])
    return any(one["type"] == "Fresh" and one["status"] == "True" for one in conditions)
