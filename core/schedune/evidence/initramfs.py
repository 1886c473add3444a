"""Initial RAM disks: cpio archives one after the other, the last perhaps compressed.

The kernel unpacks them in that order; the first of them often holds microcode alone. What
they are for is told by the ELF headers of their programs.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from schedune.evidence.elf import HEAD_BYTES, find_elf
from schedune.evidence.findings import Finding, ImageEvidence
from schedune.evidence.unpack import OpenStream, Unpacked, compression_of, unpack
from schedune.evidence.window import ImageError, Window, window_of

MAGICS: Final = (b"070701", b"070702")
MOST_ENTRIES: Final = 16_384
MOST_UNPACKED: Final = 64 * 2**20
_MOST_ARCHIVES: Final = 16
_MOST_NAME: Final = 4096
_HEADER_BYTES: Final = 110
_REGULAR: Final = 0o100000
_TYPE: Final = 0o170000
_HEXADECIMAL: Final = frozenset(b"0123456789abcdefABCDEF")
_FOREIGN: Final = ("lib/firmware/", "usr/lib/firmware/")
"""Programs for other processors than the machine's."""


@dataclass(slots=True)
class _Seen:
    """What was found so far: of each architecture the first program."""

    entries: int = 0
    programs: dict[str, Finding] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def inspect_initramfs(window: Window, open_stream: OpenStream) -> ImageEvidence | None:
    """Walk through an archive that begins uncompressed."""
    if window.peek(0, 6) not in MAGICS:
        return None
    seen = _Seen()
    try:
        _walk_all(window, open_stream, seen)
    except ImageError as error:
        seen.notes.append(str(error))
    return _evidence("Cpio", seen)


def inspect_unpacked(inner: Unpacked, form: str) -> ImageEvidence:
    """Walk through an archive that was compressed as a whole."""
    seen = _Seen()
    _walk_unpacked(inner, seen)
    return _evidence(form, seen)


def _walk_unpacked(inner: Unpacked, seen: _Seen) -> None:
    """Walk through what came out; where that was cut off, the walk ends without complaint."""
    if inner.problem:
        seen.notes.append(inner.problem)
    try:
        _walk_all(window_of(inner.content), None, seen)
    except ImageError as error:
        is_cut = len(inner.content) >= MOST_UNPACKED
        seen.notes.append(f"the first {MOST_UNPACKED >> 20} MiB" if is_cut else str(error))


def _evidence(form: str, seen: _Seen) -> ImageEvidence:
    told = f"{seen.entries} entries" + ("" if seen.programs else ", no program among them")
    archive = Finding("cpio", "0x0", told)
    return ImageEvidence("Initrd", form, (*seen.programs.values(), archive), tuple(seen.notes))


def _walk_all(window: Window, open_stream: OpenStream | None, seen: _Seen) -> None:
    at = 0
    for _ in range(_MOST_ARCHIVES):
        at = _skip_padding(window, at)
        head = window.peek(at, 6)
        if head in MAGICS:
            at = _walk_one(window, at, seen)
            continue
        form = compression_of(head)
        if form is not None and open_stream is not None:
            inner = unpack(window.part(at), form, open_stream, MOST_UNPACKED)
            seen.notes.append(f"{form} at {at:#x}")
            _walk_unpacked(inner, seen)
        elif head:
            seen.notes.append(f"something else at {at:#x}")
        return
    seen.notes.append(f"more than {_MOST_ARCHIVES} archives")


def _skip_padding(window: Window, at: int) -> int:
    while block := window.peek(at, 4096):
        rest = block.lstrip(b"\0")
        if rest:
            return at + len(block) - len(rest)
        at += len(block)
    return at


def _walk_one(window: Window, at: int, seen: _Seen) -> int:
    """Read the entries of one archive; return where it ends."""
    for name, mode, begin, size in _entries(window, at, seen):
        if name == "TRAILER!!!":
            return begin
        if mode & _TYPE != _REGULAR or name.startswith(_FOREIGN):
            continue
        found = find_elf(window.peek(begin, min(size, HEAD_BYTES)), f"0x12 of {name[-60:]}")
        if found is not None and found.architecture is not None:
            seen.programs.setdefault(found.architecture, found)
    return window.size


def _entries(window: Window, at: int, seen: _Seen) -> Iterator[tuple[str, int, int, int]]:
    """Give name, mode, offset and size of each file."""
    while at < window.size:
        header = window.read(at, _HEADER_BYTES)
        if header[:6] not in MAGICS:
            raise ImageError(f"no cpio entry at {at:#x}")
        mode, size, name_size = (_field(header, number, at) for number in (1, 6, 11))
        if not 0 < name_size <= _MOST_NAME:
            raise ImageError(f"a name of {name_size} bytes at {at:#x}")
        if seen.entries >= MOST_ENTRIES:
            raise ImageError(f"the first {MOST_ENTRIES} entries were looked at")
        name = window.read(at + _HEADER_BYTES, name_size).rstrip(b"\0").decode("utf-8", "replace")
        begin = at + (_HEADER_BYTES + name_size + 3 & ~3)
        seen.entries += name != "TRAILER!!!"
        yield name.removeprefix("./").lstrip("/"), mode, begin, size
        at = begin + (size + 3 & ~3)


def _field(header: bytes, number: int, at: int) -> int:
    digits = header[6 + 8 * number : 14 + 8 * number]
    if not _HEXADECIMAL.issuperset(digits):
        raise ImageError(f"no cpio entry at {at:#x}")
    return int(digits, 16)
