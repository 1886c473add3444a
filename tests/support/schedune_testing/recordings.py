"""Recorded fleets for tests of the command line: files in a folder, and commands run on them."""

import json
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner, Result

from schedune.api.vmworkload import Architecture, Backend, VMWorkload
from schedune.launch.intent import Intent, parse_intent
from schedune.launch.resolve import resolve_launch
from schedune_cli.main import COMMANDS, schedune
from schedune_testing.nodes import facts
from schedune_testing.nodes import workload as good_workload

Object = dict[str, Any]
TIME = "2026-11-24T12:00:00Z"
ROOT = Path(__file__).resolve().parents[3]


def run(*arguments: str | Path, stdin: str | bytes | None = None) -> Result:
    """Run ``schedune`` as it is installed."""
    schedune.found = {one.name: one for one in entry_points(group=COMMANDS)}
    return CliRunner().invoke(schedune, [str(one) for one in arguments], input=stdin)


def document(*arguments: str | Path) -> Any:
    """Run ``schedune`` and return what it prints as JSON."""
    return json.loads(run(*arguments, "-o", "json").stdout)


def truth(
    name: str, spec: Object | None = None, labels: Object | None = None, **changes: Any
) -> Object:
    """Return a recorded NodeTruth; without changes nothing stands against its node."""
    return {
        "apiVersion": "schedune.io/v1alpha1",
        "kind": "NodeTruth",
        "metadata": {"name": name, "labels": labels or {}},
        "spec": spec or {},
        "status": {"observedTime": TIME, **facts(name, **changes)},
    }


def workload(name: str = "vm", namespace: str = "default", **spec: Any) -> Object:
    """Return a VMWorkload as a file holds it."""
    found = good_workload(**spec)
    return {**found, "metadata": {"name": name, "namespace": namespace}}


def node(name: str, ready: str = "True", **spec: Any) -> Object:
    """Return a Node as a cluster has it."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "labels": {"kubernetes.io/hostname": name},
        },
        "spec": spec,
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


def lease(name: str, renewed: str = TIME, digest: str | None = None, seconds: int = 180) -> Object:
    """Return the heartbeat of an agent."""
    told = digest or f"sha256:{name}"
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": name,
            "namespace": "schedune-node-lease",
            "annotations": {"schedune.io/truth-digest": told},
        },
        "spec": {"leaseDurationSeconds": seconds, "renewTime": renewed},
    }


def placement(name: str, node_name: str, **changes: Any) -> Object:
    """Return the placement of a VM of 2 vCPUs and 4Gi, running on a node."""
    launch = {
        "runtimeClass": "VirtualMachine",
        "architecture": "amd64",
        "acceleration": "KVM",
        "vcpus": 2,
        "memory": "4Gi",
        "kernel": {"artifact": "kernel"},
        "restartPolicy": "Always",
        "readiness": {"level": "Guest", "timeoutSeconds": 60},
        "terminationGraceSeconds": 30,
    }
    spec = {
        "attempt": 1,
        "backend": "QEMU",
        "claim": {"vcpus": 2, "memory": "4Gi", "overheadMemory": "66Mi"},
        "evidence": {
            "truthDigest": "sha256:a",
            "decisionDigest": "sha256:b",
            "score": 50,
            "decisionTime": TIME,
            "operatorEpoch": 1,
        },
        "launch": launch,
        "mode": "Execute",
        "nodeName": node_name,
        "nodeUID": f"uid-{node_name}",
        "workload": {"generation": 1, "uid": f"w-{name}"},
        **changes,
    }
    return {
        "apiVersion": "schedune.io/v1alpha1",
        "kind": "VMPlacement",
        "metadata": {"name": name, "namespace": "default", "uid": f"p-{name}"},
        "spec": spec,
        "status": {"state": "Running"},
    }


def placed(name: str, node_name: str, **spec: Any) -> list[Object]:
    """Return a recorded workload, and its placement on a node: launched as is asked for."""
    found = workload(name, **spec)
    found["metadata"]["uid"] = f"w-{name}"
    bound = placement(name, node_name)
    bound["spec"]["launch"] = _launch(found)
    return [found, bound]


def ended(name: str, node_name: str, reason: str = "StoppedByGuest", **spec: Any) -> list[Object]:
    """Return a workload whose VM ended and is not started again, and its placement."""
    found, bound = placed(name, node_name, **{"restartPolicy": "Never", **spec})
    bound["status"] = {"state": "Exited", "ended": {"time": TIME, "reason": reason}}
    return [found, bound]


def _launch(found: Object) -> Object:
    meant = parse_intent(VMWorkload.model_validate(found))
    if not isinstance(meant, Intent):
        raise TypeError(f"{found['metadata']['name']} cannot be meant: {meant}")
    return resolve_launch(meant, Architecture.AMD64, Backend.QEMU).render()


def whole(*names: str) -> list[Object]:
    """Return what a cluster holds of healthy nodes."""
    return [one for name in names for one in (node(name), truth(name), lease(name))]


def snapshot(*objects: Object, recorded: str = TIME) -> Object:
    """Return a snapshot of these objects."""
    head = {"apiVersion": "schedune.io/v1alpha1", "kind": "Snapshot", "recordedTime": recorded}
    return {**head, "items": list(objects)}


@dataclass(frozen=True)
class Files:
    """A folder of manifests."""

    folder: Path

    def write(self, name: str, *objects: Object) -> Path:
        """Write objects into one file, and return its path."""
        return self.text(name, yaml.safe_dump_all(objects, sort_keys=False))

    def text(self, name: str, text: str | bytes) -> Path:
        """Write a text, or bytes, into one file."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path
