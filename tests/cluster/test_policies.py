"""What the API server forbids: an agent speaks for its node only, nobody for the operator."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from schedune_kube.client import KubeClient
from schedune_kube.errors import ForbiddenError
from schedune_kube.kubeconfig import from_kubeconfig
from schedune_kube.resources import (
    LEASES,
    NODETRUTHS,
    VMPLACEMENTS,
)
from schedune_testing.accounts import bearing, ensure, token_of
from schedune_testing.control_plane import OPERATOR, ControlPlane
from schedune_testing.manifests import placement

SYSTEM, LEASE_NAMESPACE, FINALIZER = "schedune-system", "schedune-node-lease", "schedune.io/vm"
Object = dict[str, Any]


@pytest.fixture
async def admin(control_plane: ControlPlane) -> AsyncIterator[KubeClient]:
    credentials = from_kubeconfig(control_plane.admin_kubeconfig)
    async with KubeClient(credentials, field_manager="test") as client:
        yield client


@pytest.fixture
async def agent(admin: KubeClient, control_plane: ControlPlane) -> AsyncIterator[KubeClient]:
    """Speak as the agent of own-node."""
    token = await token_of(admin, "own-node")
    async with KubeClient(bearing(control_plane, token), field_manager="schedune-agent") as client:
        yield client


def truth(name: str) -> Object:
    return {
        "apiVersion": "schedune.io/v1alpha1",
        "kind": "NodeTruth",
        "metadata": {"name": name},
        "status": {"digest": "sha256:0"},
    }


def lease(name: str) -> Object:
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name},
        "spec": {"holderIdentity": name},
    }


def placed(control_plane: ControlPlane, name: str, node: str) -> None:
    """Bind a placement to the node, as the operator."""
    body = placement()
    body["metadata"] |= {"name": name, "namespace": "default", "finalizers": [FINALIZER, "x.io/y"]}
    body["spec"]["nodeName"] = node
    answer = control_plane.post(body, dry_run=False, user=OPERATOR)
    assert answer.accepted or answer.status == 409, answer.message


async def test_an_agent_publishes_the_truth_of_its_own_node_only(
    admin: KubeClient, agent: KubeClient
) -> None:
    await ensure(agent, NODETRUTHS, truth("own-node"))
    await agent.apply(NODETRUTHS, "own-node", truth("own-node"), subresource="status")
    await ensure(admin, NODETRUTHS, truth("other-node"))
    with pytest.raises(ForbiddenError, match="may not write what belongs to other-node"):
        await agent.apply(NODETRUTHS, "other-node", truth("other-node"), subresource="status")
    with pytest.raises(ForbiddenError, match="may not write what belongs to third-node"):
        await agent.create(NODETRUTHS, truth("third-node"))


async def test_an_agent_does_not_decide_what_administrators_say_of_its_node(
    agent: KubeClient,
) -> None:
    await ensure(agent, NODETRUTHS, truth("own-node"))
    with pytest.raises(ForbiddenError):
        await agent.merge_patch(NODETRUTHS, "own-node", {"spec": {"scheduling": "Cordoned"}})


async def test_an_agent_renews_the_lease_of_its_own_node_only(agent: KubeClient) -> None:
    await agent.create(LEASES, lease("own-node"), LEASE_NAMESPACE)
    renewal = {"spec": {"holderIdentity": "again"}}
    await agent.merge_patch(LEASES, "own-node", renewal, LEASE_NAMESPACE)
    for name, namespace in [("other-node", LEASE_NAMESPACE), ("own-node", "default")]:
        with pytest.raises(ForbiddenError):
            await agent.create(LEASES, lease(name), namespace)


async def test_a_token_that_is_bound_to_no_pod_speaks_for_no_node(
    admin: KubeClient, control_plane: ControlPlane
) -> None:
    credentials = bearing(control_plane, await token_of(admin, None))
    async with KubeClient(credentials, field_manager="schedune-agent") as unbound:
        with pytest.raises(ForbiddenError, match="bound to its pod"):
            await unbound.create(NODETRUTHS, truth("own-node-too"))


async def test_an_agent_tells_of_its_own_placements_only(
    control_plane: ControlPlane, agent: KubeClient
) -> None:
    placed(control_plane, "mine", "own-node")
    placed(control_plane, "theirs", "other-node")
    patch = {"status": {"state": "Running"}}
    await agent.merge_patch(VMPLACEMENTS, "mine", patch, "default", subresource="status")
    with pytest.raises(ForbiddenError, match="other-node"):
        await agent.merge_patch(VMPLACEMENTS, "theirs", patch, "default", subresource="status")


async def test_an_agent_lets_go_of_its_finalizer_and_changes_nothing_else(
    control_plane: ControlPlane, agent: KubeClient
) -> None:
    placed(control_plane, "held", "own-node")
    stop = {"spec": {"stop": {"reason": "Stopped", "graceSeconds": 1}}}
    for patch in (
        stop,
        {"metadata": {"finalizers": [FINALIZER]}},
        {"metadata": {"finalizers": []}},
    ):
        with pytest.raises(ForbiddenError):
            await agent.merge_patch(VMPLACEMENTS, "held", patch, "default")
    await agent.merge_patch(
        VMPLACEMENTS, "held", {"metadata": {"finalizers": ["x.io/y"]}}, "default"
    )
    with pytest.raises(ForbiddenError):
        await agent.delete(VMPLACEMENTS, "held", "default")


@pytest.mark.parametrize(
    "user", [None, "system:serviceaccount:schedune-system:schedune-agent", "somebody"]
)
def test_nobody_but_the_operator_makes_placements(
    control_plane: ControlPlane, user: str | None
) -> None:
    body = placement()
    body["metadata"] |= {"name": "forged", "namespace": "default"}
    assert control_plane.post(body, user=user).status == 403
    assert control_plane.post(body, user=OPERATOR).accepted


async def test_an_administrator_does_not_forge_what_a_node_says(
    control_plane: ControlPlane, admin: KubeClient
) -> None:
    placed(control_plane, "mine", "own-node")
    await ensure(admin, NODETRUTHS, truth("other-node"))
    with pytest.raises(ForbiddenError, match="by Schedune itself only"):
        await admin.apply(NODETRUTHS, "other-node", truth("other-node"), subresource="status")
    with pytest.raises(ForbiddenError, match="by Schedune itself only"):
        await admin.merge_patch(
            VMPLACEMENTS, "mine", {"status": {"state": "Running"}}, "default", subresource="status"
        )
