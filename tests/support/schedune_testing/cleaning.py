"""Leave nothing of a test on a control plane that several share."""

from contextlib import suppress

from schedune_kube.client import KubeClient
from schedune_kube.errors import ApiError
from schedune_kube.resources import (
    EVENTS,
    LEASES,
    NODES,
    NODETRUTHS,
    VMPLACEMENTS,
    VMWORKLOADS,
)
from schedune_testing.agents import LEASES_OF_NODES


async def clean(admin: KubeClient) -> None:
    """Delete all that nodes, workloads and their placements are."""
    for one in (await admin.list(VMPLACEMENTS))[0]:
        name, space = one["metadata"]["name"], one["metadata"]["namespace"]
        with suppress(ApiError):
            await admin.merge_patch(VMPLACEMENTS, name, {"metadata": {"finalizers": None}}, space)
    for kind, space in (
        (VMWORKLOADS, "default"),
        (VMPLACEMENTS, "default"),
        (NODES, None),
        (NODETRUTHS, None),
        (LEASES, LEASES_OF_NODES),
        (EVENTS, "default"),
    ):
        for one in (await admin.list(kind, space))[0]:
            with suppress(ApiError):
                await admin.delete(kind, one["metadata"]["name"], space)
