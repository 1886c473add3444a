"""An existing cluster, given by a kubeconfig: whether a lab may come there, and how.

The kubeconfig's rights are its owner's. They are used to set the lab up and to take it
down; in between the lab acts as its own service accounts.
"""

import asyncio
import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schedune_kube.client import KubeClient
from schedune_kube.errors import ApiError
from schedune_kube.kubeconfig import from_kubeconfig
from schedune_kube.resources import NAMESPACES
from schedune_lab.cluster import Access, Setup
from schedune_lab.emptiness import check_empty
from schedune_lab.kubeconfig import read_server
from schedune_lab.progress import LabError
from schedune_lab.state import GivenCluster

OLDEST: Final = (1, 32)
"""From here on a pod's token names its node, by which agents are kept to their own."""


@dataclass(frozen=True)
class Wish:
    """What a user says of the cluster on which a lab shall be."""

    kubeconfig: Path
    context: str | None = None
    not_empty: bool = False
    """Whether to come although something of Schedune's is there; it is never overwritten."""


@dataclass(frozen=True)
class Existing:
    """An existing cluster that was looked at and may be used."""

    given: GivenCluster
    server: str
    authority: bytes
    setup: Setup

    def access(self, folder: Path) -> Access:
        """Return how to reach it, with its authority in a file of the lab's."""
        path = folder / "cluster-ca.crt"
        path.write_bytes(self.authority)
        return Access(self.server, path, self.setup)


def look_at(wish: Wish, kubectl: Path) -> Existing:
    """Look at a cluster, change nothing, and return how to use it.

    Raises:
        LabError: it cannot be used, is too old, or is not empty; says what was found.
    """
    path = wish.kubeconfig.expanduser().resolve()
    context, server = read_server(path, wish.context)
    setup = Setup(kubectl, path, context)
    where = f"{path} (context {context}, {server})"
    _check_version(setup.version(), where)

    async def judge() -> str:
        async with setup.client() as client:
            uid = await _uid_of(client)
            await check_empty(client, where, unless_told=wish.not_empty)
            return uid

    try:
        given = GivenCluster(str(path), context, asyncio.run(judge()))
    except (ApiError, OSError) as error:
        raise LabError(f"{where} cannot be looked at: {error}") from error
    return Existing(given, server, _authority(setup, where), setup)


def again(given: GivenCluster, kubectl: Path) -> Setup:
    """Return the rights by which a lab was set up, to take it down by them.

    Raises:
        LabError: the kubeconfig is gone, or leads to another cluster now.
    """
    setup = Setup(kubectl, Path(given.kubeconfig), given.context)

    async def cluster_uid() -> str:
        async with setup.client() as client:
            return await _uid_of(client)

    where = f"{given.kubeconfig} (context {given.context})"
    try:
        found = asyncio.run(cluster_uid())
    except (ApiError, OSError) as error:
        raise LabError(f"{where} does not lead to the lab's cluster any more: {error}") from error
    if found != given.uid:
        raise LabError(f"{where} leads to another cluster than the one that the lab is on")
    return setup


def _check_version(version: str, where: str) -> None:
    found = re.match(r"v?(\d+)\.(\d+)", version)
    if found is None or (int(found[1]), int(found[2])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise LabError(f"{where} is Kubernetes {version}; Schedune needs {oldest} or newer")


def _authority(setup: Setup, where: str) -> bytes:
    """Return what proves the server: its own authority, else those that this system trusts."""
    file = from_kubeconfig(setup.kubeconfig, setup.context).ca_file
    known = file or ssl.get_default_verify_paths().cafile
    if known is None:
        raise LabError(f"{where} has no certificate-authority, and this system has none: add it")
    return Path(known).read_bytes()


async def _uid_of(client: KubeClient) -> str:
    """Return what tells this cluster from every other."""
    return str((await client.get(NAMESPACES, "kube-system"))["metadata"]["uid"])
