"""Persistent disks as the operator knows them: whose they are, and when they go."""

from dataclasses import replace

from schedune.api.vmplacement import VMPlacement
from schedune.codes import summary as codes
from schedune.launch.intent import Intent
from schedune.lifecycle.disks import DiskFate, disks_to_remove, fate_of_disks
from schedune_kube.client import KubeClient
from schedune_kube.errors import NotFoundError
from schedune_kube.resources import NAMESPACES, VMWORKLOADS
from schedune_operator.actions import order_stop


async def with_namespace(client: KubeClient, intent: Intent) -> Intent:
    """Return the intent with the UID of its namespace, where it has disks kept by it.

    Raises:
        ApiError: nobody knows it, so that nothing may be decided.
    """
    if not intent.persistent_disks or intent.namespace_uid:
        return intent
    raw = await client.get(NAMESPACES, intent.namespace)
    return replace(intent, namespace_uid=str(raw["metadata"]["uid"]))


async def say_what_becomes_of_disks(client: KubeClient, placement: VMPlacement) -> None:
    """Tell the agent of a placement that goes whether its workload does too.

    A deleted placement alone removes no disk. That the workload is gone is asked of the API
    server itself: what is removed does not come back.
    """
    if not disks_to_remove(placement) or fate_of_disks(placement) is DiskFate.REMOVE:
        return
    gone = await _is_gone(client, placement)
    if fate_of_disks(placement) is DiskFate.KEEP and not gone:
        return
    row = codes.WORKLOAD_GONE if gone else codes.STOPPED
    grace_s = placement.spec.launch.termination_grace_seconds
    await order_stop(client, placement, row.reason, grace_s)


async def _is_gone(client: KubeClient, placement: VMPlacement) -> bool:
    metadata = placement.metadata
    try:
        raw = await client.get(VMWORKLOADS, metadata.name, metadata.namespace)
    except NotFoundError:
        return True
    is_another = raw["metadata"]["uid"] != placement.spec.workload.uid
    return is_another or bool(raw["metadata"].get("deletionTimestamp"))
