"""A node's agent as far as its placements see it: it says that they run, and that they ended."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from schedune.api.vmplacement import FINALIZER
from schedune_kube.client import KubeClient
from schedune_kube.errors import ApiError
from schedune_kube.resources import VMPLACEMENTS
from schedune_testing.accounts import Object, bearing, token_of
from schedune_testing.control_plane import ControlPlane

_TIME = "2026-11-24T12:00:00Z"
_RUNS: Object = {"state": "Running"}
_ENDED: Object = {"state": "Terminated", "ended": {"time": _TIME, "reason": "GuestPoweredOff"}}


class Obedience:
    """What a test may order of it."""

    def __init__(self) -> None:
        self.lets_end = asyncio.Event()
        """Cleared: a stop is heard of, and the VM takes its time."""
        self.lets_end.set()


@asynccontextmanager
async def obeying(
    control_plane: ControlPlane, admin: KubeClient, node: str
) -> AsyncIterator[Obedience]:
    """Answer for the placements of a node by its agent's own token, as long as this lasts."""
    credentials = bearing(control_plane, await token_of(admin, node))
    obedience = Obedience()
    async with KubeClient(credentials, field_manager="schedune-agent") as client:

        async def answer() -> None:
            while True:
                with suppress(ApiError):
                    selector = f"spec.nodeName={node}"
                    for one in (await client.list(VMPLACEMENTS, field_selector=selector))[0]:
                        await _answer(client, one, obedience)
                await asyncio.sleep(0.1)

        task = asyncio.create_task(answer())
        try:
            yield obedience
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _answer(client: KubeClient, placement: Object, obedience: Obedience) -> None:
    metadata, status = placement["metadata"], placement.get("status") or {}
    name, space = metadata["name"], metadata["namespace"]
    shall_end = bool(placement["spec"].get("stop") or metadata.get("deletionTimestamp"))
    if shall_end and not status.get("ended"):
        if obedience.lets_end.is_set():
            told = {"status": _ENDED}
            await client.merge_patch(VMPLACEMENTS, name, told, space, subresource="status")
    elif not status:
        told = {"status": _RUNS}
        await client.merge_patch(VMPLACEMENTS, name, told, space, subresource="status")
    elif metadata.get("deletionTimestamp"):
        left = [one for one in metadata.get("finalizers", []) if one != FINALIZER]
        release = {"metadata": {"finalizers": left, "resourceVersion": metadata["resourceVersion"]}}
        await client.merge_patch(VMPLACEMENTS, name, release, space)
