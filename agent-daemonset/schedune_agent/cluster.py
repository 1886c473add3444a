"""Which cluster we are an agent of: told by the settings, else by the API server.

What the server said once is kept in the state directory: an agent that starts while the
server is away finds its VMs again all the same.
"""

import asyncio
import logging
import re
from pathlib import Path
from typing import Final

from schedune_agent.identity import IdentityChangedError
from schedune_agent.system.whole_files import write_whole
from schedune_kube.client import KubeClient
from schedune_kube.errors import ApiError
from schedune_kube.resources import NAMESPACES

_LOG: Final = logging.getLogger(__name__)
_FILE: Final = "cluster"
_FORM: Final = re.compile(r"[A-Za-z0-9-]{8,64}")
_OWN_NAMESPACE: Final = "kube-system"
"""The namespace that every cluster has, and whose UID no two share."""
_PAUSE_S: Final = 5.0


class ClusterIdentity:
    """The UID of our cluster."""

    def __init__(self, client: KubeClient, state_directory: Path) -> None:
        self._client = client
        self._folder = state_directory
        self._file = state_directory / _FILE

    async def find(self) -> str:
        """Return the UID: as the API server says, else as it said before; else wait for it.

        Raises:
            OSError: it cannot be kept.
        """
        while True:
            try:
                uid = await self._ask()
            except ApiError as error:
                kept = kept_cluster(self._folder)
                _LOG.warning("cluster.not-told", extra={"kept": kept or "", "error": str(error)})
                if kept:
                    return kept
                await asyncio.sleep(_PAUSE_S)
            else:
                if uid != kept_cluster(self._folder):
                    write_whole(self._file, uid.encode())
                return uid

    async def confirm(self, uid: str) -> None:
        """Return once the API server says that this is our cluster.

        Raises:
            IdentityChangedError: it is another one by now: start again, as an agent of that.
        """
        while True:
            try:
                now = await self._ask()
            except ApiError:
                await asyncio.sleep(_PAUSE_S)
                continue
            if now != uid:
                raise IdentityChangedError(f"{self._file}: was cluster {uid}, now it is {now}")
            return

    async def _ask(self) -> str:
        return str((await self._client.get(NAMESPACES, _OWN_NAMESPACE))["metadata"]["uid"])


def kept_cluster(state_directory: Path) -> str | None:
    """Return the UID that an agent has kept there; None: none, or nothing that can be one."""
    try:
        kept = (state_directory / _FILE).read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None
    return kept if _FORM.fullmatch(kept) else None
