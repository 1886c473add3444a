"""Whether a lab may come to an existing cluster: nothing of its names may be there."""

import asyncio
from itertools import groupby
from typing import Final

from schedune_kube.client import KubeClient
from schedune_kube.resources import CRDS, NAMESPACES
from schedune_lab.cluster import manifests
from schedune_lab.nodes import LEASE_NAMESPACE, keeper_rights, lab_nodes
from schedune_lab.objects import Added, Manifest, planned
from schedune_lab.progress import LabError

_GROUP: Final = "schedune.io"
_HEARTBEATS: Final = "schedune-node-lease"


async def check_empty(client: KubeClient, where: str, *, unless_told: bool) -> None:
    """Check that nothing is there that a lab would add; told so, only its Nodes count.

    Raises:
        LabError: something is there; names each thing and the remedy.
    """
    taken = await _present(client, _names_of_nodes())
    present = await _present(client, [planned(one) for one in _wanted()])
    present += await _other_definitions(client, present)
    namespaces = {one.name for one in present if one.kind == NAMESPACES.kind}
    told = [*taken, *(one for one in present if one.namespace not in namespaces)]
    if taken:
        raise LabError(
            f"{where}: a node of the lab's would take a name that is taken; found {_listed(told)}."
            " If that is another lab, take it down; else use another cluster"
        )
    if present and not unless_told:
        raise LabError(
            f"{where} is not empty; found {_listed(told)}."
            " Use another cluster, or --not-empty to add only what is missing"
        )


def _wanted() -> list[Manifest]:
    return [*manifests(), *keeper_rights([node.name for node in lab_nodes()])]


def _names_of_nodes() -> list[Added]:
    """Return everything that carries a Node's name: whatever exists is somebody's machine."""
    lease = "coordination.k8s.io/v1"
    return [
        one
        for node in lab_nodes()
        for one in (
            Added("v1", "Node", node.name),
            Added(f"{_GROUP}/v1alpha1", "NodeTruth", node.name),
            Added(lease, "Lease", node.name, LEASE_NAMESPACE),
            Added(lease, "Lease", node.name, _HEARTBEATS),
        )
    ]


async def _present(client: KubeClient, objects: list[Added]) -> list[Added]:
    found = await asyncio.gather(*(one.find(client) for one in objects))
    return [one for one, raw in zip(objects, found, strict=True) if raw is not None]


async def _other_definitions(client: KubeClient, known: list[Added]) -> list[Added]:
    """Return definitions of our group that this version of Schedune does not know."""
    definitions, _ = await client.list(CRDS)
    names = {one.name for one in known}
    ours = [one["metadata"]["name"] for one in definitions if one["spec"]["group"] == _GROUP]
    return [Added(CRDS.api_version, CRDS.kind, name) for name in ours if name not in names]


def _listed(objects: list[Added]) -> str:
    """Name each object, those of one kind together."""
    ordered = sorted(objects, key=lambda one: (one.kind, one.name))
    return "; ".join(
        f"{kind} {', '.join(str(one).removeprefix(f'{kind} ') for one in group)}"
        for kind, group in groupby(ordered, key=lambda one: one.kind)
    )
