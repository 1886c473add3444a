"""The lab's Nodes: made as a kubelet would, and spoken for as a kubelet would.

A cluster that runs the node life cycle evicts the pods of a Node that falls silent, and
with its pod the token of an agent ends. Where no such controller runs it does no harm.
"""

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import yaml

from schedune_kube.client import KubeClient, Raw
from schedune_kube.errors import ConflictError
from schedune_kube.resources import LEASES, NODES
from schedune_kube.times import render_micro_time, render_time
from schedune_lab.objects import Additions, Manifest
from schedune_lab.progress import LabError
from schedune_lab.state import KeptNode
from schedune_lab.tokens import NAMESPACE

FLEET: Final = Path(__file__).resolve().parents[2] / "examples" / "fleet"
FLEET_LABEL: Final = "demo.schedune.io/fleet"
THIS_MACHINE: Final = "this-machine"
LEASE_NAMESPACE: Final = "kube-node-lease"
LEASE_S: Final = 40
_KEEPER: Final = "schedune-lab"
_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}
_TAINT: Final = "node.kubernetes.io/not-ready"
_ATTEMPTS: Final = 10
_NO_BALANCING: Final = "node.kubernetes.io/exclude-from-external-load-balancers"


@dataclass(frozen=True)
class LabNode:
    """A Node that the lab adds; with the file of its recorded facts, if it is recorded."""

    name: str
    architecture: str
    facts: Path | None = None


def lab_nodes() -> list[LabNode]:
    """Return this machine and the recorded fleet."""
    nodes = [LabNode(THIS_MACHINE, _ARCHITECTURES.get(platform.machine(), ""))]
    for path in sorted(FLEET.glob("*.yaml")):
        architecture = yaml.safe_load(path.read_text())["status"]["cpu"]["architecture"]
        nodes.append(LabNode(path.stem, architecture, path))
    return nodes


async def add_node(additions: Additions, node: LabNode) -> KeptNode:
    """Make a Node, Ready and without taints, and the Lease by which it is alive."""
    made = await additions.add_new(_node(node))
    kept = KeptNode(node.name, made["metadata"]["uid"])
    await additions.add_new(_lease(kept))
    await _remove_taint(additions.client, node.name)
    return kept


def _node(node: LabNode) -> Raw:
    labels = {
        "kubernetes.io/arch": node.architecture,
        "kubernetes.io/hostname": node.name,
        FLEET_LABEL: "recorded" if node.facts else node.name,
        _NO_BALANCING: "",
    }
    # Room for no pods keeps a scheduler's pods away; a taint would keep VMs away as well.
    room = {"pods": "0"}
    ready = {**_ready(), "lastTransitionTime": render_time(datetime.now(UTC))}
    status = {"conditions": [ready], "capacity": room, "allocatable": room}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node.name, "labels": labels},
        "status": status,
    }


def _ready() -> Raw:
    return {
        "type": "Ready",
        "status": "True",
        "reason": "LabNode",
        "message": "kept by the lab",
        "lastHeartbeatTime": render_time(datetime.now(UTC)),
    }


def _lease(node: KeptNode) -> Raw:
    owner = {"apiVersion": "v1", "kind": "Node", "name": node.name, "uid": node.uid}
    metadata = {"name": node.name, "namespace": LEASE_NAMESPACE, "ownerReferences": [owner]}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata} | {
        "spec": {
            "holderIdentity": node.name,
            "leaseDurationSeconds": LEASE_S,
            "renewTime": render_micro_time(datetime.now(UTC)),
        }
    }


async def _remove_taint(client: KubeClient, name: str) -> None:
    """Take away the taint that the API server gives every new Node.

    A node life cycle does the same for a Node that is Ready, hence the attempts.

    Raises:
        LabError: somebody else changes the Node all the time.
    """
    for _ in range(_ATTEMPTS):
        node = await client.get(NODES, name)
        taints = node["spec"].get("taints") or []
        kept = [one for one in taints if one["key"] != _TAINT]
        if kept == taints:
            return
        version = {"resourceVersion": node["metadata"]["resourceVersion"]}
        try:
            await client.merge_patch(
                NODES, name, {"metadata": version, "spec": {"taints": kept or None}}
            )
        except ConflictError:
            continue
        return
    raise LabError(f"the taint {_TAINT} of Node {name} cannot be removed; try again")


async def speak_for(client: KubeClient, node: KeptNode, *, with_status: bool) -> None:
    """Renew a Node's Lease, and now and then its status: only of the very Node we made."""
    renewed = _lease(node)
    await client.merge_patch(LEASES, node.name, {"spec": renewed["spec"]}, LEASE_NAMESPACE)
    if with_status:
        body = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": node.name, "uid": node.uid},
            "status": {"conditions": [_ready()]},
        }
        await client.apply(NODES, node.name, body, subresource="status")


def keeper_rights(names: Sequence[str]) -> list[Manifest]:
    """Return the rights to speak for these Nodes and for no other."""
    rules = {
        "ClusterRole": {"apiGroups": [""], "resources": ["nodes/status"]},
        "Role": {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"]},
    }
    rights: list[Manifest] = []
    for kind, rule in rules.items():
        place = {"namespace": LEASE_NAMESPACE} if kind == "Role" else {}
        form = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "metadata": {"name": _KEEPER, **place},
        }
        allowed = {**rule, "resourceNames": list(names), "verbs": ["patch"]}
        subject = {"kind": "ServiceAccount", "name": _KEEPER, "namespace": NAMESPACE}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": _KEEPER}
        rights += [
            {**form, "kind": kind, "rules": [allowed]},
            {**form, "kind": f"{kind}Binding", "roleRef": reference, "subjects": [subject]},
        ]
    return rights
