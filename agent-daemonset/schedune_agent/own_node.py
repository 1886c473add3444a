"""The Kubernetes Node that our token speaks for, and whether it is still there."""

import logging
from typing import Any, Final

from schedune_agent.identity import NodeIdentity
from schedune_kube.client import KubeClient
from schedune_kube.errors import ForbiddenError, NotFoundError
from schedune_kube.resources import NODES

_LOG: Final = logging.getLogger(__name__)


class NodeReplacedError(Exception):
    """No Node has our UID any more, or the truth of our name belongs to another Node."""


class OwnNode:
    """What the API server says of our Node; unknown where we may not ask."""

    def __init__(self, client: KubeClient, identity: NodeIdentity) -> None:
        self.raw: dict[str, Any] | None = None
        """UID and status, as last seen; None: never seen."""
        self._client = client
        self._identity = identity
        self._may_ask = True

    async def look(self) -> None:
        """Look at the Node anew.

        Raises:
            NodeReplacedError: there is none of this name, or it is another one.
            ApiError: the API server did not tell.
        """
        name, uid = self._identity.name, self._identity.uid
        try:
            found = await self._client.get(NODES, name, resource_version="0")
            if found["metadata"]["uid"] != uid:
                # The server's cache may be older than the Node we were born on.
                found = await self._client.get(NODES, name)
        except NotFoundError:
            raise NodeReplacedError(f"Node {name} is gone (our token: UID {uid})") from None
        except ForbiddenError as error:
            if self._may_ask:
                _LOG.warning("node.not-readable", extra={"node": name, "error": str(error)})
            self._may_ask = False
            return
        held = found["metadata"]["uid"]
        if held != uid:
            raise NodeReplacedError(f"Node {name} is another one: UID {held} (our token: {uid})")
        self.raw = {"metadata": {"uid": held}, "status": found.get("status") or {}}
