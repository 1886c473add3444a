"""What a lab's end means for its cluster: its VMs powered down, its objects gone."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from schedune_kube.client import KubeClient, Raw
from schedune_kube.errors import ConflictError, NotFoundError
from schedune_kube.resources import LEASES, NODES, NODETRUTHS, VMPLACEMENTS, VMWORKLOADS, Resource
from schedune_lab.objects import LAB_LABEL, Added, remove
from schedune_lab.progress import say
from schedune_lab.state import KeptNode

_POWER_DOWN_S: Final = 60.0
_PAUSE_S: Final = 0.5
_HEARTBEATS: Final = "schedune-node-lease"


@dataclass(frozen=True)
class Mine:
    """What on a cluster is a lab's, beside the objects it remembers."""

    lab: str
    nodes: Sequence[KeptNode]
    every_workload: bool
    """Whether the definitions came with the lab, and so everything that uses them."""

    def has_workload(self, workload: Raw) -> bool:
        """Say whether a VMWorkload goes with the lab."""
        label = workload["metadata"].get("labels", {}).get(LAB_LABEL)
        return self.every_workload or label == self.lab

    def has_placement(self, placement: Raw) -> bool:
        """Say whether a VMPlacement is on one of the lab's Nodes."""
        return placement["spec"]["nodeUID"] in {node.uid for node in self.nodes}


async def end_vms(client: KubeClient, mine: Mine) -> None:
    """Let the lab's VMs power down in order while there is somebody to see to it.

    A workload of somebody else's stays; where it runs on a Node of the lab's, it is
    placed anew on another.
    """
    if not mine.every_workload:
        for node in mine.nodes:
            with contextlib.suppress(NotFoundError):
                patch = {"metadata": {"uid": node.uid}, "spec": {"unschedulable": True}}
                await client.merge_patch(NODES, node.name, patch)
    deadline = time.monotonic() + _POWER_DOWN_S
    told = False
    while left := await _left(client, mine):
        if not told:
            say(f"ending in order: {', '.join(sorted({one.name for one in left}))}")
            told = True
        for one in left:
            await _delete_in_order(client, one, left)
        if time.monotonic() > deadline:
            say(f"not ended in order within {_POWER_DOWN_S:.0f} s: {', '.join(map(str, left))}")
            return
        await asyncio.sleep(_PAUSE_S)


async def _delete_in_order(client: KubeClient, one: Added, left: Sequence[Added]) -> None:
    """Delete a workload with its placement, or the placement that somebody else's has here."""
    workload = (VMWORKLOADS.kind, one.namespace, one.name)
    if one.kind == VMPLACEMENTS.kind and workload in {_key(other) for other in left}:
        return
    with contextlib.suppress(NotFoundError, ConflictError):
        # In the background: who waits for the garbage collector may wait half a minute until
        # it knows new definitions, and the operator ends what has no workload by itself.
        await client.delete(one.resource, one.name, one.namespace, uid=one.uid)


def _key(one: Added) -> tuple[str, str | None, str]:
    return one.kind, one.namespace, one.name


async def _left(client: KubeClient, mine: Mine) -> list[Added]:
    """Return the lab's workloads, and all placements on its Nodes."""
    try:
        workloads, _ = await client.list(VMWORKLOADS)
        placements, _ = await client.list(VMPLACEMENTS)
    except NotFoundError:
        return []  # the definitions are gone, or never came
    left = [_found(VMWORKLOADS, one) for one in workloads if mine.has_workload(one)]
    return left + [_found(VMPLACEMENTS, one) for one in placements if mine.has_placement(one)]


def _found(resource: Resource, raw: Raw) -> Added:
    metadata = raw["metadata"]
    return Added(
        resource.api_version,
        resource.kind,
        metadata["name"],
        metadata["namespace"],
        metadata["uid"],
    )


async def clear(client: KubeClient, mine: Mine, added: Sequence[Added]) -> None:
    """Remove everything of the lab's; its agents are ended, and its VMs are proved ended.

    Raises:
        LabError: something stays; says what holds it.
    """
    left = await _left(client, mine)
    for one in left:
        if one.kind == VMPLACEMENTS.kind:
            await _release(client, one)
    for node in mine.nodes:
        await _forget_node(client, node)
    say("removing what the lab added to the cluster")
    await remove(client, mine.lab, [*added, *left])


async def _release(client: KubeClient, placement: Added) -> None:
    """Take the agent's finalizer off: its VM is ended, and no agent comes to do it."""
    patch = {"metadata": {"uid": placement.uid, "finalizers": None}}
    with contextlib.suppress(NotFoundError, ConflictError):
        await client.merge_patch(VMPLACEMENTS, placement.name, patch, placement.namespace)


async def _forget_node(client: KubeClient, node: KeptNode) -> None:
    """Delete what the node's agent made: all of it carries the Node's name."""
    with contextlib.suppress(NotFoundError):
        await client.delete(LEASES, node.name, _HEARTBEATS)
    with contextlib.suppress(NotFoundError):
        await client.delete(NODETRUTHS, node.name)
