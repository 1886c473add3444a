"""Speak to a real control plane as the operator or as a node's agent, by real tokens."""

from pathlib import Path
from typing import Any

from schedune_kube.client import KubeClient
from schedune_kube.credentials import Credentials
from schedune_kube.errors import NotFoundError
from schedune_kube.kubeconfig import from_kubeconfig
from schedune_kube.resources import NODES, PODS, SERVICEACCOUNTS, Resource
from schedune_testing.control_plane import ControlPlane
from schedune_testing.speaking import AGENT, AGENTS, home_of

Object = dict[str, Any]


async def ensure(
    admin: KubeClient, resource: Resource, body: Object, namespace: str | None = None
) -> Object:
    """Return an object; make it where it is missing."""
    try:
        return await admin.get(resource, body["metadata"]["name"], namespace)
    except NotFoundError:
        whole = {"apiVersion": resource.api_version, "kind": resource.kind, **body}
        return await admin.create(resource, whole, namespace)


def owned_truth(node: str, uid: str) -> Object:
    """Return a NodeTruth as the agent of a Node makes it: owned by that Node."""
    owner = {"apiVersion": "v1", "kind": "Node", "name": node, "uid": uid}
    return {"metadata": {"name": node, "ownerReferences": [owner]}}


async def token_of(admin: KubeClient, node: str | None, account: str = AGENT) -> str:
    """Return a token of an account, bound to a pod on the node if there is one."""
    spec: Object = {"audiences": ["https://kubernetes.default.svc"], "expirationSeconds": 3600}
    if node is not None:
        spec["boundObjectRef"] = await _bound_pod(admin, node)
    answer = await admin.create_subresource(
        SERVICEACCOUNTS, account, "token", {"spec": spec}, home_of(account)
    )
    return str(answer["status"]["token"])


async def _bound_pod(admin: KubeClient, node: str) -> Object:
    pod: Object = {
        "metadata": {"name": f"agent-{node}", "namespace": AGENTS},
        "spec": {
            "nodeName": node,
            "serviceAccountName": AGENT,
            "containers": [{"name": "agent", "image": "none"}],
        },
    }
    await ensure(admin, NODES, {"metadata": {"name": node}})
    found = await ensure(admin, PODS, pod, AGENTS)
    uid = found["metadata"]["uid"]
    return {"apiVersion": "v1", "kind": "Pod", "name": f"agent-{node}", "uid": uid}


def bearing(control_plane: ControlPlane, token: str) -> Credentials:
    """Return credentials of whoever bears a token."""
    admin = from_kubeconfig(control_plane.admin_kubeconfig)
    return Credentials(admin.server, ca_file=Path(control_plane.layout.authority), token=token)
