"""Two nodes with agents that speak by real pod-bound tokens, and what is theirs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from schedune.api.vmplacement import FINALIZER
from schedune_testing.control_plane import ControlPlane
from schedune_testing.manifests import minimal_workload, placement
from schedune_testing.nodes import facts
from schedune_testing.speaking import (
    AGENT,
    Object,
    Speaker,
    ask_token,
    home_of,
    make_node,
    make_pod,
)
from schedune_testing.waiting import until

OWN: Final = "node-a"
OTHER: Final = "node-b"
NEW: Final = "node-c"
LEASES_HERE: Final = "/apis/coordination.k8s.io/v1/namespaces/schedune-node-lease/leases"
TRUTHS: Final = "/apis/schedune.io/v1alpha1/nodetruths"
PLACEMENTS: Final = "/apis/schedune.io/v1alpha1/namespaces/default/vmplacements"
WORKLOADS: Final = "/apis/schedune.io/v1alpha1/namespaces/default/vmworkloads"
_RIGHTS: Final = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"


@dataclass(frozen=True)
class TwoNodes:
    """Who speaks, and the UIDs of the two Nodes."""

    admin: Speaker
    agent: Speaker
    """The agent of node-a."""
    operator: Speaker
    uid: str
    """UID of node-a."""
    other_uid: str
    """UID of node-b."""
    new_uid: str
    """UID of node-c."""
    newcomer: Speaker
    """The agent of node-c, of which there is a truth that belongs to another Node."""

    def truth(self, name: str = OWN, uid: str | None = None) -> Object:
        """Return a NodeTruth as an agent makes it."""
        owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": uid or self.uid}
        return {
            "apiVersion": "schedune.io/v1alpha1",
            "kind": "NodeTruth",
            "metadata": {"name": name, "ownerReferences": [owner]},
        }

    def told(self, name: str = OWN, uid: str | None = None, **changes: Any) -> Object:
        """Return what an agent applies to the status of a NodeTruth."""
        identity = {**facts(name)["identity"], "nodeUID": uid or self.uid}
        status = facts(name, identity=identity, conditions=[condition("KVMUsable")], **changes)
        body = self.truth(name)
        return {**body, "metadata": {"name": name}, "status": status}

    def binding(self, name: str, node: str = OWN, uid: str | None = None) -> Object:
        """Return a placement as the operator makes it, with a finalizer of somebody else's."""
        body = placement()
        body["metadata"] |= {
            "name": name,
            "finalizers": [FINALIZER, "x.io/y"],
            "labels": {"team": "a"},
        }
        body["spec"] |= {"nodeName": node, "nodeUID": uid or self.uid}
        return body

    def place(self, name: str, node: str = OWN, uid: str | None = None) -> None:
        """Bind a placement to a node, as the operator."""
        self.operator.make(PLACEMENTS, self.binding(name, node, uid))


def condition(kind: str, status: str = "True") -> Object:
    """Return a condition."""
    said = {"reason": "Told", "message": "told"}
    return {"type": kind, "status": status, "lastTransitionTime": "2026-11-24T12:00:00Z", **said}


def heartbeat(name: str) -> Object:
    """Return a Lease as an agent makes it."""
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "annotations": {"schedune.io/truth-digest": "sha256:0"}},
        "spec": {"holderIdentity": "m", "leaseDurationSeconds": 180},
    }


@contextmanager
def two_nodes(control_plane: ControlPlane) -> Iterator[TwoNodes]:
    """Make two Nodes with their truths, heartbeats and placements, and speak for them."""
    admin = Speaker(control_plane)
    uid, other_uid, new_uid = (make_node(admin, n)["metadata"]["uid"] for n in (OWN, OTHER, NEW))
    pods = [make_pod(admin, name, f"agent-{name}") for name in (OWN, OTHER, NEW)]
    agent, neighbour, newcomer = (Speaker(control_plane, ask_token(admin, pod)) for pod in pods)
    operator = Speaker(control_plane, ask_token(admin, account="schedune-operator"))
    found = TwoNodes(
        admin, agent, operator, uid=uid, other_uid=other_uid, new_uid=new_uid, newcomer=newcomer
    )
    # A policy bites a moment after it was made; this is the last one of the file.
    until(lambda: admin.ask("POST", f"{LEASES_HERE}?dryRun=All", heartbeat(OWN)).status == 403)
    not_its_own = found.truth(OTHER, other_uid)
    not_its_own["metadata"]["name"] = NEW
    admin.make(TRUTHS, not_its_own)
    for speaker, name, node_uid in ((agent, OWN, uid), (neighbour, OTHER, other_uid)):
        if not admin.ask("GET", f"{TRUTHS}/{name}").accepted:
            speaker.must("POST", TRUTHS, found.truth(name, node_uid))
        applied = speaker.apply(f"{TRUTHS}/{name}/status", found.told(name, node_uid))
        assert applied.accepted, applied.message
        answer = speaker.ask("POST", LEASES_HERE, heartbeat(name))
        assert answer.accepted or answer.status == 409, answer.message
    found.place("mine")
    found.place("theirs", OTHER, found.other_uid)
    found.place("replaced", OWN, "the-node-before")
    found.place("going")
    admin.must("DELETE", f"{PLACEMENTS}/going")
    admin.make(WORKLOADS, minimal_workload("wanted"))
    try:
        yield found
    finally:
        for speaker in (admin, agent, neighbour, newcomer, operator):
            speaker.close()


@contextmanager
def every_right(admin: Speaker, speaker: Speaker, account: str = AGENT) -> Iterator[None]:
    """Grant an account of ours every right there is, as a careless administrator may."""
    name = f"too-much-for-{account}"
    subject = {"kind": "ServiceAccount", "name": account, "namespace": home_of(account)}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    body = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": role,
        "subjects": [subject],
    }
    admin.must("POST", _RIGHTS, body)
    try:
        until(lambda: speaker.ask("GET", "/api/v1/secrets").accepted)
        yield
    finally:
        admin.must("DELETE", f"{_RIGHTS}/{name}")
        until(lambda: not speaker.ask("GET", "/api/v1/secrets").accepted)
