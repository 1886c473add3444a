"""Drain a node of a cluster: say so in its NodeTruth, and look at what becomes of its VMs."""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from schedune.api.nodetruth import Scheduling
from schedune_cli.judging.drain import DrainReport, look_at_drain
from schedune_cli.problems import BadInputError, unknown_name
from schedune_cli.reading.objects import Key
from schedune_kube.client import KubeClient
from schedune_kube.errors import ApiUnavailableError, ForbiddenError, NotFoundError
from schedune_kube.resources import NODETRUTHS, VMPLACEMENTS, VMWORKLOADS, Resource

RIGHT: Final = (
    "to get and patch nodetruths, and to list and get vmplacements and get vmworkloads in all "
    "namespaces"
)
_PAUSE_S: Final = 2.0
_PATIENCE_S: Final = 300.0
"""An API server that answers no look for so long is not only restarting."""
_SURE: Final = 3
"""So many looks in a row at which all that are left stay: the operator has decided on them."""


@dataclass
class Drain:
    """One node that is being drained."""

    node: str
    clock: Callable[[], datetime]
    tell: Callable[[DrainReport], None]
    """Told of every look."""
    warn: Callable[[str], None]
    """Told why a look failed that is taken again."""
    limit_s: float | None = None
    """Give up after this; None: wait as long as VMs leave."""
    _known: set[Key] = field(default_factory=set)

    async def run(self, client: KubeClient) -> DrainReport:
        """Order it, and wait until no VM is left, or only those that no other node can run."""
        await schedule(client, self.node, Scheduling.DRAINING)
        began, settled = time.monotonic(), 0
        while True:
            report = await self._look_again(client, began)
            self.tell(report)
            stays = all(one.outcome in ("Stays", "Left") for one in report.vms)
            settled = settled + 1 if stays else 0
            if report.state != "Draining" or settled >= _SURE or self._is_late(began):
                return report
            await asyncio.sleep(_PAUSE_S)

    def _is_late(self, began: float) -> bool:
        return self.limit_s is not None and time.monotonic() - began > self.limit_s

    async def _look_again(self, client: KubeClient, began: float) -> DrainReport:
        """Look until there is an answer: what was ordered goes on, and takes minutes."""
        last = time.monotonic()
        while True:
            try:
                return await self._look(client)
            except NotFoundError as error:
                raise await _explained(client, self.node, error) from error
            except ApiUnavailableError as error:
                if time.monotonic() - last > _PATIENCE_S or self._is_late(began):
                    raise
                self.warn(f"no answer, asking again: {error}")
                await asyncio.sleep(max(_PAUSE_S, error.retry_after_s))

    async def _look(self, client: KubeClient) -> DrainReport:
        """Read what is on the node and what was: a fleet is too much to read at each look."""
        truth, (listed, _) = await asyncio.gather(
            client.get(NODETRUTHS, self.node),
            client.list(VMPLACEMENTS, field_selector=f"spec.nodeName={self.node}"),
        )
        here = {(one["metadata"]["namespace"], one["metadata"]["name"]): one for one in listed}
        gone, workloads = await asyncio.gather(
            _read(client, VMPLACEMENTS, self._known - here.keys()),
            _read(client, VMWORKLOADS, here.keys()),
        )
        report = look_at_drain(
            self.node,
            sorted(self._known),
            here | gone,
            workloads,
            is_draining=truth["spec"].get("scheduling") == Scheduling.DRAINING.value,
            now=self.clock(),
        )
        self._known |= {(one.namespace, one.name) for one in report.vms}
        return report


async def schedule(client: KubeClient, node: str, word: Scheduling) -> None:
    """Say in a node's truth whether VMs come to it, or leave it.

    Raises:
        BadInputError: there is no such node.
    """
    try:
        await client.merge_patch(NODETRUTHS, node, {"spec": {"scheduling": word.value}})
    except NotFoundError as error:
        raise await _explained(client, node, error) from error


async def _explained(client: KubeClient, node: str, error: NotFoundError) -> Exception:
    """Return what a 404 means: where NodeTruths can be listed, this one is missing."""
    try:
        items, _ = await client.list(NODETRUTHS)
    except NotFoundError:
        return error
    except ForbiddenError:
        items = []
    known = sorted(one["metadata"]["name"] for one in items)
    if node in known:
        return error
    return BadInputError([unknown_name("NODE", "NodeTruth", node, known)])


async def _read(
    client: KubeClient, resource: Resource, keys: Iterable[Key]
) -> dict[Key, dict[str, Any]]:
    """Return those of the named objects that are there."""
    asked = list(keys)
    answers = await asyncio.gather(
        *(_read_one(client, resource, namespace, name) for namespace, name in asked)
    )
    return {key: one for key, one in zip(asked, answers, strict=True) if one is not None}


async def _read_one(
    client: KubeClient, resource: Resource, namespace: str, name: str
) -> dict[str, Any] | None:
    try:
        return await client.get(resource, name, namespace)
    except NotFoundError:
        return None
