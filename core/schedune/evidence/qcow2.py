"""The header of a qcow2: its size, and why it may not stand alone (runtimes.md 9).

A header that names another file makes the VMM open that file: with the VMM's rights, and
with whatever is in it. So such an image is refused, not looked at more closely.
"""

from collections.abc import Iterator
from typing import Final

from schedune.evidence.findings import Finding, ImageEvidence
from schedune.evidence.window import ImageError, Window

MAGIC: Final = b"QFI\xfb"
MOST_VIRTUAL: Final = 64 * 2**40
"""Bytes that a disk may seem to have: 64 TiB."""
_V2_HEADER: Final = 72
_V3_HEADER: Final = 104
_EXTERNAL_DATA: Final = 1 << 2
_KNOWN_BITS: Final = 0b11111
"""Dirty, corrupt, external data, compression type, extended L2."""
_CORRUPT: Final = 1 << 1
_BACKING_FORMAT, _DATA_FILE = 0xE2792ACA, 0x44415441
_MOST_EXTENSIONS: Final = 32


def inspect_qcow2(window: Window) -> ImageEvidence | None:
    """Return what the header says, and everything that stands against it."""
    if window.peek(0, 4) != MAGIC:
        return None
    try:
        version = window.number(">I", 4)
        if version not in (2, 3):
            why = f"QCOW version {version}, only 2 and 3 are used"
            found = Finding("qcow2", "0x4", f"version {version}")
            return ImageEvidence("Disk", "Qcow2", (found,), refusal=why)
        size = window.number(">Q", 24)
        against = list(_objections(window, version, size))
    except ImageError as error:
        return ImageEvidence("Unknown", "Qcow2", refusal=f"a qcow2 that is cut off: {error}")
    found = Finding("qcow2", "0x4", f"version {version}")
    return ImageEvidence(
        "Disk",
        "Qcow2",
        (found,),
        ("a container: its contents are not looked into",),
        refusal=", ".join(dict.fromkeys(against)),
        virtual_size=size if size <= MOST_VIRTUAL else None,
    )


def _objections(window: Window, version: int, size: int) -> Iterator[str]:
    if window.number(">Q", 8) or window.number(">I", 16):
        yield "a backing file"
    if not 9 <= window.number(">I", 20) <= 21:
        yield "a cluster size that is not allowed"
    if window.number(">I", 32):
        yield "encryption"
    if window.number(">I", 60):
        yield "internal snapshots"
    if size > MOST_VIRTUAL:
        yield f"a virtual size of {size} bytes, more than {MOST_VIRTUAL}"
    yield from _extensions(window, _V2_HEADER) if version == 2 else _features(window)


def _features(window: Window) -> Iterator[str]:
    """Give what only version 3 can say against itself."""
    bits, length = window.number(">Q", 72), window.number(">I", 100)
    if bits & _EXTERNAL_DATA:
        yield "an external data file"
    if bits & _CORRUPT:
        yield "a mark that it is corrupt"
    if bits & ~_KNOWN_BITS:
        yield f"unknown incompatible features {bits & ~_KNOWN_BITS:#x}"
    if length < _V3_HEADER or length % 8:
        yield f"a header of {length} bytes"
    else:
        yield from _extensions(window, length)


def _extensions(window: Window, at: int) -> Iterator[str]:
    for _ in range(_MOST_EXTENSIONS):
        head = window.peek(at, 8)
        kind, length = int.from_bytes(head[:4], "big"), int.from_bytes(head[4:], "big")
        if len(head) < 8 or kind == 0:
            return
        if kind == _BACKING_FORMAT:
            yield "a backing file"
        if kind == _DATA_FILE:
            yield "an external data file"
        at += 8 + (length + 7 & ~7)
    yield f"more than {_MOST_EXTENSIONS} header extensions"
