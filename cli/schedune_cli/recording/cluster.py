"""Read a fleet from a cluster: the same objects that a snapshot holds."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

from schedune_cli.problems import BadInputError, Place, Problem, shorten
from schedune_cli.reading.objects import Item
from schedune_cli.recording.kubernetes import LEASE_NAMESPACE, Lease
from schedune_cli.recording.recording import Recording, recording_of
from schedune_kube.client import KubeClient, Raw
from schedune_kube.errors import ApiError, ForbiddenError, NotFoundError
from schedune_kube.kubeconfig import (
    KubeconfigError,
    from_kubeconfig,
    namespace_in,
    try_certificates,
)
from schedune_kube.resources import (
    LEASES,
    NAMESPACES,
    NODES,
    NODETRUTHS,
    VMPLACEMENTS,
    VMWORKLOADS,
    Resource,
)

_READ: Final = (
    (NODES, None), (NODETRUTHS, None), (VMWORKLOADS, None), (VMPLACEMENTS, None),
    (LEASES, LEASE_NAMESPACE), (NAMESPACES, None),
)  # fmt: skip
_US: Final = "schedune-cli"
_GIVE: Final = "correct it, give --kubeconfig, or --truth to ask about a recorded fleet"
T = TypeVar("T")
_LONGEST: Final = 400
"""Characters of somebody else's message that are passed on."""
_CLUSTER: Final = "kube-system"
"""The namespace whose UID is a cluster's own."""


def read_cluster(kubeconfig: Path | None, context: str | None, now: datetime) -> Recording:
    """Return everything that the decision reads, as it is now.

    Raises:
        BadInputError: there is no usable kubeconfig, no answer, or no right to read.
    """
    kinds = ", ".join(one.plural for one, _ in _READ)
    right = f"to get and list {kinds} in all namespaces"
    return _recording(ask_cluster(kubeconfig, context, _read_all, right), now)


def read_node(kubeconfig: Path | None, context: str | None, name: str, now: datetime) -> Recording:
    """Return what the cluster holds of one node; it may be nothing.

    Raises:
        BadInputError: there is no usable kubeconfig, no answer, or no right to read.
    """

    async def ask(client: KubeClient) -> list[Raw]:
        on_it = f"spec.nodeName={name}"
        placements, *alone = await asyncio.gather(
            _read(client, VMPLACEMENTS, None, on_it),
            _read_one(client, NODES, name, None),
            _read_one(client, NODETRUTHS, name, None),
            _read_one(client, LEASES, name, LEASE_NAMESPACE),
        )
        return [*(raw for raws in alone for raw in raws), *placements]

    right = "to get nodes, nodetruths and leases, and to list vmplacements in all namespaces"
    return _recording(ask_cluster(kubeconfig, context, ask, right), now)


def _recording(raws: list[Raw], now: datetime) -> Recording:
    items = [Item(raw, Place(f"{raw['kind']}/{raw['metadata']['name']}")) for raw in raws]
    # A Lease cannot have been renewed in the future: where our clock is behind the server's
    # stamps, theirs count.
    moment = max([now, *(seen for seen in map(_seen, items) if seen is not None)])
    recording, _ = recording_of(items, moment)
    return recording


def cluster_uid(kubeconfig: Path | None, context: str | None) -> str:
    """Return what tells this cluster from all others.

    Raises:
        BadInputError: it cannot be read.
    """

    async def ask(client: KubeClient) -> list[Raw]:
        return [await client.get(NAMESPACES, _CLUSTER)]

    right = f"to get the namespace {_CLUSTER}, whose UID keys the pseudonyms"
    return str(ask_cluster(kubeconfig, context, ask, right)[0]["metadata"]["uid"])


def namespace_of(kubeconfig: Path | None, context: str | None) -> str:
    """Return the namespace that a context of the kubeconfig names; asking tells of a bad one."""
    try:
        return namespace_in(kubeconfig, context) or "default"
    except KubeconfigError:
        return "default"


def ask_cluster(
    kubeconfig: Path | None,
    context: str | None,
    question: Callable[[KubeClient], Awaitable[T]],
    right: str,
) -> T:
    """Return what a cluster answers; ``right`` is what asking takes.

    Raises:
        BadInputError: there is no usable kubeconfig, no answer, or no such right.
    """

    async def ask() -> T:
        credentials = from_kubeconfig(kubeconfig, context)
        try_certificates(credentials, kubeconfig)
        async with KubeClient(credentials, field_manager=_US) as client:
            return await question(client)

    try:
        return asyncio.run(ask())
    except KubeconfigError as error:
        raise _unread("kubeconfig", error, _GIVE) from error
    except ForbiddenError as error:
        raise _unread("cluster", error, f"ask for the right {right}") from error
    except NotFoundError as error:
        raise _unread("cluster", error, "install Schedune's CRDs there: crds/") from error
    except (ApiError, OSError) as error:
        remedy = "check the server's address and the credentials in the kubeconfig"
        raise _unread("cluster", error, remedy) from error


def _unread(what: str, error: Exception, remedy: str) -> BadInputError:
    told = f"cannot be read: {shorten(error, _LONGEST)}"
    return BadInputError([Problem(Place(what), "", "", told, remedy)])


async def _read_all(client: KubeClient) -> list[Raw]:
    found = await asyncio.gather(*(_read(client, *one) for one in _READ))
    return [raw for raws in found for raw in raws]


async def _read(
    client: KubeClient, resource: Resource, namespace: str | None, selector: str | None = None
) -> list[Raw]:
    """List one kind; what the API server leaves out of a list's elements is put back."""
    items, _ = await client.list(resource, namespace, field_selector=selector)
    return [_headed(resource, raw) for raw in items]


async def _read_one(
    client: KubeClient, resource: Resource, name: str, namespace: str | None
) -> list[Raw]:
    try:
        return [_headed(resource, await client.get(resource, name, namespace))]
    except NotFoundError:
        return []


def _headed(resource: Resource, raw: Raw) -> Raw:
    return {"apiVersion": resource.api_version, "kind": resource.kind, **raw}


def _seen(item: Item) -> datetime | None:
    if item.kind != LEASES.kind:
        return None
    try:
        return Lease.model_validate(item.raw).stamped
    except ValueError:
        return None
