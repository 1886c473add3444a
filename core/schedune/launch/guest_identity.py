"""What a guest knows itself by: the same for every attempt and on every backend."""

import hashlib

from schedune.api.machine import Network


def guest_uuid(workload_uid: str) -> str:
    """Return the UUID that the guest's firmware tables (SMBIOS) give the machine.

    Of version 8 (RFC 9562): its other bits are ours to choose.
    """
    digest = bytearray(hashlib.sha256(f"machine/{workload_uid}".encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def mac_address(workload_uid: str, network: str) -> str:
    """Return the address of a card.

    Locally administered and for one station (the two low bits of its first byte).
    """
    digest = bytearray(hashlib.sha256(f"{workload_uid}/{network}".encode()).digest()[:6])
    digest[0] = digest[0] & 0xFC | 0x02
    return digest.hex(":")


def card_address(workload_uid: str, network: Network) -> str:
    """Return the address of a card: the one that the workload names, or its own."""
    named = network.tap.mac_address if network.tap else None
    return named or mac_address(workload_uid, network.name)
