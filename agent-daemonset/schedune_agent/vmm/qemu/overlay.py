"""An empty qcow2 image, as bytes: what an Ephemeral disk begins with.

Written by hand rather than asked of ``qemu-img``, which many nodes lack and which would
cost a process a launch. It names no backing file: what lies below it is told to QEMU
on its command line, so that no tool can be led astray by what a header says.
Layout: QEMU's docs/interop/qcow2, version 3.
"""

import struct
from typing import Final

from schedune.launch.intent import MOST_DISK

CLUSTER: Final = 65536
SECTOR: Final = 512
_ENTRY: Final = 8
_PER_TABLE: Final = CLUSTER // _ENTRY
_HEADER: Final = struct.Struct(">4sIQIIQIIQQIIQQQQII")
_REFCOUNT_ORDER: Final = 4
_COUNTS_PER_BLOCK: Final = CLUSTER * 8 // 2**_REFCOUNT_ORDER


def empty_image(size: int) -> bytes:
    """Return an image of so many bytes in which nothing is written yet.

    Raises:
        ValueError: the size is no multiple of a sector, or beyond 16Ti.
    """
    if size <= 0 or size % SECTOR or size > MOST_DISK:
        raise ValueError(f"a disk of {size} bytes: must be whole sectors, at most {MOST_DISK}")
    entries = -(-size // (CLUSTER * _PER_TABLE))
    table_clusters = -(-entries * _ENTRY // CLUSTER)
    used = 3 + table_clusters
    header = _HEADER.pack(
        b"QFI\xfb", 3,
        0, 0,  # no backing file
        CLUSTER.bit_length() - 1, size,
        0,  # not encrypted
        entries, 3 * CLUSTER,
        CLUSTER, 1,  # refcount table
        0, 0,  # no snapshots
        0, 0, 0,  # no features
        _REFCOUNT_ORDER, _HEADER.size,
    )  # fmt: skip
    table = struct.pack(">Q", 2 * CLUSTER)
    counts = struct.pack(">H", 1) * used
    return b"".join(part.ljust(CLUSTER, b"\0") for part in (header, table, counts)) + b"\0" * (
        table_clusters * CLUSTER
    )


def whole_sectors(size: int) -> int:
    """Return the size of the disk on which so many bytes fit."""
    return -(-size // SECTOR) * SECTOR
