"""What a placement holds on its node, read from the object."""

import logging
from typing import Final

from pydantic import TypeAdapter, ValidationError

from schedune.api.machine import Network
from schedune.api.quantity import QuantityError
from schedune.api.vmplacement import Claim
from schedune.api.vmworkload import DiskAccess, LaunchMode
from schedune.fleet.amounts import EVERYTHING, amounts_of
from schedune.fleet.node import ClaimRecord
from schedune.fleet.peers import Peer
from schedune.fleet.ports import node_ports
from schedune_kube.client import Raw

_LOG: Final = logging.getLogger(__name__)
_NETWORKS: Final = TypeAdapter(list[Network])


def claim_of(raw: Raw, peer: Peer) -> ClaimRecord | None:
    """Return what a placement holds; dry runs and ended ones hold nothing.

    One that cannot be read holds everything: unknown is not available.
    """
    spec, metadata = raw["spec"], raw["metadata"]
    if spec["mode"] != LaunchMode.EXECUTE.value or (raw.get("status") or {}).get("ended"):
        return None
    try:
        amounts = amounts_of(Claim.model_validate(spec.get("claim")))
    except (QuantityError, ValidationError) as error:
        _LOG.error("claim.unreadable", extra={"placement": metadata["name"], "error": str(error)})
        amounts = EVERYTHING
    return ClaimRecord(
        node_name=spec["nodeName"],
        placement_uid=metadata["uid"],
        namespace=metadata["namespace"],
        namespace_uid=spec["workload"].get("namespaceUID") or "",
        workload=metadata["name"],
        persistent_disks=_persistent_disks(spec),
        workload_uid=spec["workload"]["uid"],
        peer=peer,
        node_ports=_ports(spec),
        **amounts,
    )


def _persistent_disks(spec: Raw) -> frozenset[str]:
    """Return the Persistent disks whose room the claim counts.

    Of disks that cannot be read none are known: what their node lists counts beside the claim.
    """
    try:
        disks = spec["launch"].get("disks") or []
        return frozenset(one["name"] for one in disks if one["access"] == DiskAccess.PERSISTENT)
    except (KeyError, TypeError, AttributeError):
        return frozenset()


def _ports(spec: Raw) -> frozenset[str]:
    """Return the ports of the node that lead into the guest.

    Of networks that cannot be read none are known: the agent asks for each before it starts.
    """
    try:
        return node_ports(_NETWORKS.validate_python(spec["launch"].get("networks") or []))
    except (KeyError, ValidationError):
        return frozenset()
