"""Tell what a boot file is from its first bytes, and which bytes say so.

Formats: reference/runtimes.md 9 (the x86 boot protocol, the arm64 Image header, ELF,
newc cpio, qcow2). A file that no detector knows is a raw disk: bytes without a claim.
"""

import struct
import zlib
from dataclasses import dataclass
from typing import Final

from schedune.api.nodetruth import ArtifactKind
from schedune.api.quantity import MAX_BYTES

HEADER_BYTES: Final = 64 * 1024
"""How much of a file a caller must hand over."""
_INNER_BYTES: Final = 4096
_ELF_MACHINES: Final = {62: "amd64", 183: "arm64", 243: "riscv64", 3: "386", 40: "arm"}
_LONGEST_NESTING: Final = 1


@dataclass(frozen=True, slots=True)
class ImageEvidence:
    """What the bytes prove."""

    kind: ArtifactKind
    format: str
    architecture: str
    evidence: str
    virtual_size: int | None = None


def inspect_image(header: bytes, *, depth: int = 0) -> ImageEvidence:
    """Classify a file by its first bytes; never raises, whatever they are."""
    for detector in (_bzimage, _arm64_image, _elf, _cpio, _qcow2):
        found = detector(header)
        if found is not None:
            return found
    if depth < _LONGEST_NESTING:
        wrapped = _compressed(header)
        if wrapped is not None:
            return wrapped
    return ImageEvidence(ArtifactKind.DISK, "Raw", "Unknown", "no known header")


def _bzimage(header: bytes) -> ImageEvidence | None:
    if len(header) < 0x238 or header[0x1FE:0x200] != b"\x55\xaa" or header[0x202:0x206] != b"HdrS":
        return None
    (protocol,) = struct.unpack_from("<H", header, 0x206)
    flags = struct.unpack_from("<H", header, 0x236)[0] if protocol >= 0x20C else 0
    architecture = "amd64" if flags & 1 else "386"
    return ImageEvidence(
        ArtifactKind.KERNEL, "BzImage", architecture,
        f"HdrS at 0x202, protocol {protocol:#x}, xloadflags {flags:#x} at 0x236",
    )  # fmt: skip


def _arm64_image(header: bytes) -> ImageEvidence | None:
    if len(header) < 0x40 or header[0x38:0x3C] != b"ARM\x64":
        return None
    return ImageEvidence(ArtifactKind.KERNEL, "Image", "arm64", "ARM\\x64 at 0x38")


def _elf(header: bytes) -> ImageEvidence | None:
    if len(header) < 20 or header[:4] != b"\x7fELF" or header[5] not in (1, 2):
        return None
    (machine,) = struct.unpack_from("<H" if header[5] == 1 else ">H", header, 18)
    architecture = _ELF_MACHINES.get(machine, "Unknown")
    return ImageEvidence(
        ArtifactKind.KERNEL, "ELF", architecture, f"ELF, e_machine {machine} at 0x12"
    )


def _cpio(header: bytes) -> ImageEvidence | None:
    if header[:6] not in (b"070701", b"070702"):
        return None
    return ImageEvidence(ArtifactKind.INITRD, "Cpio", "Unknown", f"{header[:6].decode()} at 0x0")


def _qcow2(header: bytes) -> ImageEvidence | None:
    if len(header) < 32 or header[:4] != b"QFI\xfb":
        return None
    (size,) = struct.unpack_from(">Q", header, 24)
    virtual = size if size <= MAX_BYTES else None
    return ImageEvidence(ArtifactKind.DISK, "Qcow2", "Unknown", "QFI\\xfb at 0x0", virtual)


def _compressed(header: bytes) -> ImageEvidence | None:
    """Look into a gzip; other compressions are known by name only, and hold an initrd."""
    if header[:2] == b"\x1f\x8b":
        inner = inspect_image(_gunzip(header), depth=1)
        if inner.kind in (ArtifactKind.KERNEL, ArtifactKind.INITRD):
            return ImageEvidence(
                inner.kind, "Gzip", inner.architecture, f"gzip; inside: {inner.evidence}"
            )
        return None
    for magic, name in (
        (b"\x28\xb5\x2f\xfd", "Zstd"),
        (b"\xfd7zXZ\x00", "Xz"),
        (b"\x02\x21\x4c\x18", "Lz4"),
    ):
        if header.startswith(magic):
            return ImageEvidence(
                ArtifactKind.INITRD, name, "Unknown", f"{name} magic at 0x0; not looked into"
            )
    return None


def _gunzip(header: bytes) -> bytes:
    try:
        return zlib.decompressobj(31).decompress(header, _INNER_BYTES)
    except zlib.error:
        return b""
