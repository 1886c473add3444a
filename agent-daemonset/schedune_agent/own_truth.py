"""The NodeTruth of our Node on the API server: found or made, and never another Node's."""

import logging
import random
import time
from typing import Any, Final

from schedune.api.nodetruth import DeclaredCapacity, OrphanAction
from schedune_agent.identity import NodeIdentity
from schedune_agent.own_node import NodeReplacedError, OwnNode
from schedune_agent.publishing import HeldTruth, new_truth, read_held
from schedune_agent.settings import AgentSettings
from schedune_kube.client import KubeClient
from schedune_kube.errors import AlreadyExistsError, ConflictError, NotFoundError
from schedune_kube.resources import NODETRUTHS

_NODE_EVERY: Final = 5
"""Every so many looks at the truth, its Node is looked at too."""
_LOG: Final = logging.getLogger(__name__)


class OwnTruth:
    """The one object that we write, as it was last seen and last written."""

    def __init__(self, client: KubeClient, settings: AgentSettings, identity: NodeIdentity) -> None:
        self.node = OwnNode(client, identity)
        self.held: HeldTruth | None = None
        """As it was last seen; None: it has to be looked at before it is written."""
        self.declared: DeclaredCapacity | None = None
        """What administrators declared when it was last seen: no conflict takes that back."""
        self.ordered: tuple[OrphanAction, ...] = ()
        """What administrators ordered about orphans when it was last seen."""
        self.written: dict[str, Any] = {}
        """What we last wrote; empty: the API server may hold anything."""
        self.replaced = False
        """Whether our Node is gone or another one, so that nothing is ours to write."""
        self._client = client
        self._settings = settings
        self._identity = identity
        self._look_at = self._rewrite_at = float("-inf")
        self._looks = 0

    @property
    def rewrite_is_due(self) -> bool:
        """Whether the last write is so old that it is done again for its own sake."""
        return time.monotonic() >= self._rewrite_at

    async def look_if_due(self) -> None:
        """Look at the object once per heartbeat, and whenever it is not known; make it anew.

        Raises:
            NodeReplacedError: what bears its name is not ours to write.
            ApiError: the API server did not tell.
        """
        if self.held is None or time.monotonic() >= self._look_at:
            await self.look("0" if self.held is not None else None)

    async def look(self, version: str | None = None) -> None:
        """Look at the object, at that version or a later one; None: at the latest.

        Raises:
            NodeReplacedError: what bears its name is not ours to write.
            ApiError: the API server did not tell.
        """
        try:
            await self._look(version)
        except NodeReplacedError as error:
            if not self.replaced:
                _LOG.error("truth.node-replaced", extra={"error": str(error)})
            self.replaced, self.held, self.written = True, None, {}
            raise
        self.replaced = False

    async def _look(self, version: str | None) -> None:
        if self.node.raw is None or self.replaced or self._looks % _NODE_EVERY == 0:
            await self.node.look()
        self._looks += 1
        held = await self._get_or_make(version)
        name, uid = self._identity.name, self._identity.uid
        if held.owner_uid not in (None, uid):
            # Garbage collection removes it with its Node; to write it would be to speak for that.
            raise NodeReplacedError(
                f"NodeTruth {name} belongs to the Node with UID {held.owner_uid} (our token:"
                f" {uid}); if that Node is gone: kubectl delete nodetruth {name}"
            )
        if self.held is None or held.version > self.held.version:
            self.held, self.declared, self.ordered = held, held.declared, held.orders
        self._look_at = time.monotonic() + self._settings.heartbeat_seconds

    async def _get_or_make(self, version: str | None) -> HeldTruth:
        name = self._identity.name
        try:
            return read_held(await self._client.get(NODETRUTHS, name, resource_version=version))
        except NotFoundError:
            self.held, self.written = None, {}
        # Before anything is made for it: is our Node still there?
        await self.node.look()
        try:
            made = await self._client.create(NODETRUTHS, new_truth(name, self._identity.uid))
        except AlreadyExistsError:
            made = await self._client.get(NODETRUTHS, name)
        return read_held(made)

    async def write(self, body: dict[str, Any]) -> None:
        """Apply our part of it.

        Raises:
            ConflictError, NotFoundError: it is not as we saw it: look again.
            ApiError: it is not known to be written.
        """
        # Whether a write that fails arrived is not known: until the next, nothing is held.
        self.written = {}
        try:
            stored = await self._client.apply(
                NODETRUTHS, self._identity.name, body, subresource="status"
            )
        except (NotFoundError, ConflictError):
            self.held = None
            raise
        self.held, self.written = read_held(stored), body
        self.declared, self.ordered = self.held.declared, self.held.orders
        again_s = self._settings.rewrite_seconds * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
        self._rewrite_at = time.monotonic() + again_s
