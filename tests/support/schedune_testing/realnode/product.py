"""The product on a real node: installed from its own manifests, asked and used as users do."""

import base64
import json
import os
import platform
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml

from schedune_lab.guest import build_initrd
from schedune_lab.machine import ensure_busybox, ensure_kernel, ensure_qemu
from schedune_testing.realnode.addresses import NAME
from schedune_testing.realnode.node import TAG, RealNode
from schedune_testing.tiny_guests import STILL

_ROOT: Final = Path(__file__).resolve().parents[4]
LAUNCH: Final = _ROOT / "manifests" / "overlays" / "launch"
COMPONENTS: Final = _ROOT / "manifests" / "components"
AGENTS: Final = "schedune-agents"
SYSTEM: Final = "schedune-system"
LEASES: Final = "schedune-node-lease"
CAPACITY: Final = {"vcpus": 2, "memory": "2Gi", "disk": "2Gi"}
_QUICK: Final = {
    "heartbeatSeconds": 2,
    "leaseDurationSeconds": 8,
    "probePeriodSeconds": 5,
    "writeGapSeconds": 1,
    "firstDelaySeconds": 0,
}
"""What a test has no time for; all else is as the overlay says."""
_PATIENCE_S: Final = 240.0
Object = Mapping[str, Any]
_T = TypeVar("_T")


def until(what: str, question: Callable[[], _T | None], limit_s: float = _PATIENCE_S) -> _T:
    """Ask until there is an answer, and return it."""
    deadline = time.monotonic() + limit_s
    while not (found := question()):
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.3)
    return found


@dataclass(frozen=True)
class Product:
    """Schedune, installed on a real node."""

    node: RealNode
    folder: Path
    """For the kustomizations of a test."""

    def install(
        self, tag: str = TAG, *, components: Sequence[str] = (), **settings: object
    ) -> None:
        """Install, upgrade or reconfigure as a user does: by a kustomization over the overlay."""
        folder = self.folder / f"{tag}-{len(list(self.folder.iterdir()))}"
        folder.mkdir()
        told = yaml.safe_load((LAUNCH / "agent-settings.yaml").read_text())
        (folder / "agent.yaml").write_text(yaml.safe_dump({**told, **_QUICK, **settings}))
        images = [{"name": f"schedune-{one}", "newTag": tag} for one in ("operator", "agent")]
        generator = {
            "name": "schedune-agent-settings",
            "namespace": AGENTS,
            "behavior": "replace",
            "files": ["agent.yaml"],
        }
        kustomization = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [os.path.relpath(LAUNCH, folder)],
            "components": [os.path.relpath(COMPONENTS / one, folder) for one in components],
            "images": images,
            "configMapGenerator": [generator],
        }
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        self.node.do("apply", "--server-side", "--force-conflicts", "-k", str(folder))
        self.await_rollout()

    def await_rollout(self) -> None:
        """Wait until every pod is of the newest template, and none but these is left."""
        self.node.do("-n", AGENTS, "rollout", "status", "ds/schedune-agent", "--timeout=180s")
        self.node.do(
            "-n", SYSTEM, "rollout", "status", "deploy/schedune-operator", "--timeout=180s"
        )
        until("no pod is left behind", lambda: len(self.agent_pods()) == 1)

    def agent_pods(self) -> Sequence[Object]:
        """Return the agent's pods, those that end among them."""
        return list(
            self.node.get("-n", AGENTS, "pods", "-l", "app.kubernetes.io/name=schedune-agent")[
                "items"
            ]
        )

    def agent_pod(self) -> str:
        """Return the name of the agent's pod."""
        (pod,) = self.agent_pods()
        return str(pod["metadata"]["name"])

    def agent_log(self) -> str:
        """Return what the agent says."""
        return self.node.kubectl("-n", AGENTS, "logs", "ds/schedune-agent").stdout

    def truth(self) -> Object:
        """Return the node's truth; empty where there is none."""
        return self.node.get("nodetruth", NAME)

    def await_truth(self) -> Object:
        """Wait until the operator vouches for the node's facts."""
        return until("a fresh NodeTruth", lambda: _fresh(self.truth()))

    def offer(self) -> None:
        """Say as an administrator what VMs may use."""
        spec = json.dumps({"spec": {"capacity": CAPACITY}})
        self.node.do("patch", "nodetruth", NAME, "--type=merge", "-p", spec)
        until(
            "the capacity is told",
            lambda: (self.truth()["status"].get("capacity") or {}).get("vcpus") == 2,
        )

    def agents_token(self) -> str:
        """Return the token that the kubelet mounted into the agent's pod."""
        file = "/var/run/secrets/kubernetes.io/serviceaccount/token"
        return self.node.do("-n", AGENTS, "exec", self.agent_pod(), "--", "cat", file).strip()

    def apply(self, manifest: Object) -> None:
        """Apply a manifest as its user."""
        self.node.do("apply", "-f", "-", stdin=json.dumps(manifest))

    def end(self, name: str) -> None:
        """Delete a workload; returns when its VM is proved ended, as docs/install.md says."""
        self.node.do("delete", "vmworkload", name, "--cascade=foreground", "--timeout=120s")

    def placement(self, name: str) -> Object:
        """Return a workload's placement; empty where there is none."""
        return self.node.get("vmplacement", name)

    def await_state(self, name: str, state: str) -> Object:
        """Wait until a placement is in a state."""

        def found() -> Object | None:
            placement = self.placement(name)
            return placement if placement.get("status", {}).get("state") == state else None

        try:
            return until(f"{name} is {state}", found)
        except AssertionError as error:
            told = self.node.do("get", "vmworkload,vmplacement", name, "-o", "yaml")
            raise AssertionError(f"{error}\n{told[-6000:]}\n{self.agent_log()[-4000:]}") from error

    def console(self, placement: Object) -> str:
        """Return what a guest wrote on its console, as far as its agent has kept it."""
        uid = placement["metadata"]["uid"]
        path = self.node.machine.tree.var_lib / "schedune/placements" / uid / "console.log"
        return path.read_text(errors="replace") if path.exists() else ""


def put_node_files(node: RealNode) -> None:
    """Put on the node what its administrator puts there: images of guests, and QEMU."""
    ensure_qemu()
    images, kernel = node.machine.tree.images, ensure_kernel()
    shutil.copyfile(kernel.image, images / "lab-kernel")
    build_initrd(ensure_busybox(), kernel, images / "lab-initrd")
    (images / "still").write_bytes(STILL[platform.machine()])
    (node.machine.tree.opt / "schedune").mkdir()


def workload(name: str, *, command_line: str = "", **more: object) -> Object:
    """Return a VM for a node without KVM; with a command line it runs Linux, else it is still."""
    linux = {
        "kernel": {"artifact": "lab-kernel"},
        "initrd": {"artifact": "lab-initrd"},
        "commandLine": f"console=ttyS0 {command_line}",
    }
    spec = {
        "runtimeClass": "VirtualMachine",
        "architecture": "Any",
        "acceleration": "Emulated",
        "resources": {"vcpus": 1, "memory": "256Mi"},
        "boot": linux if command_line else {"kernel": {"artifact": "still"}},
        "backend": {"preference": ["QEMU"]},
        "restartPolicy": "Never",
        "readiness": {"level": "Backend"},
        "terminationGraceSeconds": 5,
        **more,
    }
    return {
        "apiVersion": "schedune.io/v1alpha1",
        "kind": "VMWorkload",
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec,
    }


def claims_of(token: str) -> Mapping[str, Any]:
    """Return what a token says of its bearer."""
    payload = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))


def _fresh(truth: Object) -> Object | None:
    conditions = truth.get("status", {}).get("conditions", [])
    fresh = any(one["type"] == "Fresh" and one["status"] == "True" for one in conditions)
    return truth if fresh else None
