"""What the claim of a placement comes to, in the units that the fleet counts."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from schedune.api.quantity import MAX_BYTES, parse_bytes
from schedune.api.vmplacement import Claim

EVERYTHING: Final[Mapping[str, int]] = MappingProxyType(
    {
        "vcpus": 65536,
        "memory_bytes": MAX_BYTES,
        "disk_bytes": MAX_BYTES,
        "guest_bytes": MAX_BYTES,
    }
)
"""What a claim that cannot be read is taken to hold: more than any machine has."""


def amounts_of(claim: Claim) -> Mapping[str, int]:
    """Return the amounts of a ``ClaimRecord``; huge pages hold the guest, never the VMM.

    Raises:
        QuantityError: an amount is no size.
    """
    guest, overhead = parse_bytes(claim.memory), parse_bytes(claim.overhead_memory)
    size = parse_bytes(claim.hugepages) if claim.hugepages else 0
    return {
        "vcpus": claim.vcpus,
        "memory_bytes": overhead + (0 if size else guest),
        "disk_bytes": parse_bytes(claim.disk),
        "hugepage_size": size,
        "hugepage_bytes": guest if size else 0,
        "guest_bytes": guest,
    }
