"""Linux kernels: x86 bzImage, arm64 and riscv Image, EFI zboot (runtimes.md 9)."""

from typing import Final

from schedune.evidence.elf import HEAD_BYTES, find_elf
from schedune.evidence.findings import Finding, ImageEvidence
from schedune.evidence.pe import find_pe
from schedune.evidence.unpack import OpenStream, compression_of, unpack
from schedune.evidence.window import ImageError, Window

_WITH_FLAGS: Final = 0x20C
"""The first boot protocol that has xloadflags."""
_WITH_PAYLOAD: Final = 0x208
_WITH_SIZE: Final = 0x20A
"""The first one that says where the kernel unpacks itself, and how much that takes."""
_INNER_BYTES: Final = 4096
_PAGES: Final = {0: "unspecified", 1: "4K", 2: "16K", 3: "64K"}
_ZBOOT_FORMS: Final = {
    "gzip": "Gzip", "lz4": "Lz4Legacy", "xz": "Xz", "xzkern": "Xz", "zstd": "Zstd",
    "zstd22": "Zstd",
}  # fmt: skip


def inspect_kernel(window: Window, open_stream: OpenStream) -> ImageEvidence | None:
    """Return what a kernel's own header proves; its other faces must agree with it."""
    return _bzimage(window, open_stream) or _image(window) or _zboot(window, open_stream)


def _bzimage(window: Window, open_stream: OpenStream) -> ImageEvidence | None:
    if window.peek(0x1FE, 2) != b"\x55\xaa" or window.peek(0x202, 4) != b"HdrS":
        return None
    try:
        protocol = window.number("<H", 0x206)
        flags = window.number("<H", 0x236) if protocol >= _WITH_FLAGS else None
        header = _bzimage_header(protocol, flags)
    except ImageError as error:
        return ImageEvidence("Unknown", "BzImage", refusal=f"a bzImage that is cut off: {error}")
    findings = [header, find_pe(window)]
    notes: tuple[str, ...] = ()
    if protocol >= _WITH_PAYLOAD:
        try:
            findings.append(_bzimage_payload(window, open_stream))
        except ImageError as error:
            notes = (f"payload not looked into: {error}",)
    memory = _bzimage_memory(window) if protocol >= _WITH_SIZE else None
    return ImageEvidence("Kernel", "BzImage", _found(findings), notes, memory=memory)


def _bzimage_memory(window: Window) -> int | None:
    """Return where the room ends in which it unpacks itself: pref_address and init_size.

    Wherever a loader puts it, it does so there or further up, and first copies itself to
    the end of that room: with less memory not one line reaches the console.
    """
    told = window.peek(0x258, 12)
    if len(told) < 12 or not any(told[8:]):
        return None
    return int.from_bytes(told[:8], "little") + int.from_bytes(told[8:], "little")


def _bzimage_header(protocol: int, flags: int | None) -> Finding:
    if flags is None:
        return Finding("bzImage", "0x206", f"protocol {protocol:#x}, no xloadflags")
    architecture = "amd64" if flags & 1 else "386"
    return Finding("bzImage", "0x236", f"xloadflags {flags:#x}", architecture)


def _bzimage_payload(window: Window, open_stream: OpenStream) -> Finding | None:
    """Return what the compressed vmlinux says of itself."""
    sectors = window.number("<B", 0x1F1) or 4
    offset, length = window.number("<I", 0x248), window.number("<I", 0x24C)
    payload = window.part((sectors + 1) * 512 + offset, length)
    form = compression_of(payload.peek(0, 8))
    if form is None:
        raise ImageError("compressed in a form that is not known here")
    inner = unpack(payload, form, open_stream, _INNER_BYTES)
    if len(inner.content) < HEAD_BYTES:
        raise ImageError(inner.problem or "nothing in it")
    return find_elf(inner.content, "0x12 of its payload")


def _image(window: Window) -> ImageEvidence | None:
    magic = window.peek(0x38, 4)
    if magic == b"ARM\x64":
        header = Finding("Image", "0x38", f"ARM\\x64, {_flags(window)}", "arm64")
    elif magic == b"RSC\x05":
        header = Finding("Image", "0x38", "RSC\\x05", "riscv64")
    else:
        return None
    return ImageEvidence(
        "Kernel", "Image", _found([header, find_pe(window)]), memory=_image_memory(window)
    )


def _image_memory(window: Window) -> int | None:
    """Return where it ends with what it clears for itself first: text_offset and image_size."""
    told = window.peek(0x08, 16)
    if not any(told[8:]):
        return None
    return int.from_bytes(told[:8], "little") + int.from_bytes(told[8:], "little")


def _flags(window: Window) -> str:
    """Tell byte order and page size: a processor may lack that page size."""
    flags = int.from_bytes(window.peek(0x18, 8), "little")
    return f"{'big' if flags & 1 else 'little'} endian, pages {_PAGES[flags >> 1 & 3]}"


def _zboot(window: Window, open_stream: OpenStream) -> ImageEvidence | None:
    if window.peek(0, 2) != b"MZ" or window.peek(4, 4) != b"zimg":
        return None
    name = window.peek(0x18, 32).split(b"\0")[0].decode("latin-1")
    header = Finding("zboot", "0x4", f"zimg, {name[:16]}")
    findings = [header, find_pe(window)]
    notes: tuple[str, ...] = ()
    try:
        findings.append(_zboot_payload(window, name, open_stream))
    except ImageError as error:
        notes = (f"payload not looked into: {error}",)
    return ImageEvidence("Kernel", "EfiZboot", _found(findings), notes)


def _zboot_payload(window: Window, name: str, open_stream: OpenStream) -> Finding | None:
    offset, length = window.number("<I", 8), window.number("<I", 12)
    payload, form = window.part(offset, length), _ZBOOT_FORMS.get(name)
    if form is None:
        raise ImageError("compressed in a form that is not known here")
    inner = unpack(payload, form, open_stream, _INNER_BYTES)
    if inner.content[0x38:0x3C] == b"ARM\x64":
        return Finding("Image", "0x38 of its payload", "ARM\\x64", "arm64")
    if inner.content[0x38:0x3C] == b"RSC\x05":
        return Finding("Image", "0x38 of its payload", "RSC\\x05", "riscv64")
    if inner.problem:
        raise ImageError(inner.problem)
    return find_elf(inner.content, "0x12 of its payload")


def _found(findings: list[Finding | None]) -> tuple[Finding, ...]:
    return tuple(one for one in findings if one is not None)
