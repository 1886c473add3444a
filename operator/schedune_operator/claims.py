"""What a placement holds on its node, read from the object."""

import logging
from collections.abc import Mapping
from typing import Any, Final

from schedune.api.quantity import MAX_BYTES, QuantityError, parse_bytes
from schedune.api.vmworkload import LaunchMode
from schedune.fleet.node import ClaimRecord
from schedune_kube.client import Raw

_LOG: Final = logging.getLogger(__name__)
_EVERYTHING: Final = {"vcpus": 65536, "memory_bytes": MAX_BYTES, "disk_bytes": MAX_BYTES}
"""What a claim that cannot be read is taken to hold: more than any machine has."""


def claim_of(raw: Raw, labels: Mapping[str, str]) -> ClaimRecord | None:
    """Return what a placement holds; dry runs and ended ones hold nothing.

    One that cannot be read holds everything: unknown is not available.
    """
    spec, metadata = raw["spec"], raw["metadata"]
    if spec["mode"] != LaunchMode.EXECUTE.value or (raw.get("status") or {}).get("ended"):
        return None
    try:
        amounts = _amounts(spec["claim"])
    except (QuantityError, KeyError, TypeError, ValueError) as error:
        _LOG.error("claim.unreadable", extra={"name": metadata["name"], "error": str(error)})
        amounts = _EVERYTHING
    return ClaimRecord(
        node_name=spec["nodeName"],
        placement_uid=metadata["uid"],
        namespace=metadata["namespace"],
        workload_uid=spec["workload"]["uid"],
        labels=labels,
        **amounts,
    )


def _amounts(claim: Mapping[str, Any]) -> dict[str, int]:
    guest, overhead = parse_bytes(claim["memory"]), parse_bytes(claim["overheadMemory"])
    size = parse_bytes(claim["hugepages"]) if claim.get("hugepages") else 0
    return {
        "vcpus": int(claim["vcpus"]),
        "memory_bytes": overhead + (0 if size else guest),
        "disk_bytes": parse_bytes(claim.get("disk", "0")),
        "hugepage_size": size,
        "hugepage_bytes": guest if size else 0,
    }
