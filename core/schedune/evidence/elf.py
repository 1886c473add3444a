"""ELF: for which machine, and is it a kernel that a VMM can enter?"""

from collections.abc import Iterator
from typing import Final, Literal

from schedune.evidence.findings import Finding, ImageEvidence
from schedune.evidence.window import ImageError, Window

HEAD_BYTES: Final = 20
"""How much tells the machine."""
MOST_SEGMENTS: Final = 128
_MOST_NOTES: Final = 64 * 1024
_MACHINES: Final = {
    3: "386", 22: "s390x", 40: "arm", 62: "amd64", 183: "arm64", 258: "loong64",
}  # fmt: skip
_PPC64, _RISCV = 21, 243
_LOAD, _NOTE = 1, 4
_PVH_ENTRY: Final = 18
_WIDE: Final = (0x20, 0x36, "Q", 0x10, 0x08, 0x20, 0x18)
_NARROW: Final = (0x1C, 0x2A, "I", 0x08, 0x04, 0x10, 0x0C)
"""Offsets of phoff and phentsize; size of a word; p_vaddr, p_offset, p_filesz and p_paddr."""


def find_elf(head: bytes, where: str = "0x12") -> Finding | None:
    """Return what the first bytes of a file say, if it is an ELF."""
    if len(head) < HEAD_BYTES or head[:4] != b"\x7fELF" or head[5] not in (1, 2):
        return None
    machine = int.from_bytes(head[18:20], "little" if head[5] == 1 else "big")
    return Finding("elf", where, f"e_machine {machine}", _architecture(machine, head))


def _architecture(machine: int, head: bytes) -> str | None:
    if machine == _RISCV:
        return "riscv64" if head[4] == 2 else "riscv32"
    if machine == _PPC64:
        return "ppc64le" if head[5] == 1 else "ppc64"
    return _MACHINES.get(machine)


def inspect_elf(window: Window) -> ImageEvidence | None:
    """Tell a kernel from any other program: by its PVH entry, or by where it is loaded.

    A VMM that is given a program as kernel fails late and unclearly (vmm-measured.md 3).
    """
    finding = find_elf(window.peek(0, HEAD_BYTES))
    if finding is None:
        return None
    try:
        entry, high = _entry_and_half(window)
        memory = _loaded_end(window)
    except ImageError as error:
        why = f"an ELF of which no kernel can be told: {error}"
        return ImageEvidence("Unknown", "ELF", (finding,), refusal=why)
    if entry is not None:
        return ImageEvidence("Kernel", "ELF", (finding, entry), memory=memory)
    if not high:
        why = "an ELF that is no kernel: no PVH note, nothing loaded in the kernel's half"
        return ImageEvidence("Unknown", "ELF", (finding,), refusal=why)
    if finding.architecture == "amd64":
        return ImageEvidence("Kernel", "ElfNoPvh", (finding,), ("no PVH note",))
    return ImageEvidence("Kernel", "ELF", (finding,), memory=memory)


def _entry_and_half(window: Window) -> tuple[Finding | None, bool]:
    """Return the PVH entry, and whether something is loaded in the upper half."""
    wide, end = _form(window)
    top = 1 << (63 if wide else 31)
    word = _WIDE[2] if wide else _NARROW[2]
    high = False
    for kind, header in _segments(window, end, wide=wide):
        address, offset, size = (
            header.number(end + word, at) for at in (_WIDE if wide else _NARROW)[3:6]
        )
        high = high or (kind == _LOAD and address >= top)
        if kind == _NOTE:
            entry = _pvh_entry(window, offset, size, end)
            if entry is not None:
                return entry, high
    return None, high


def _form(window: Window) -> tuple[bool, str]:
    """Return whether its words have 64 bits, and the order of their bytes."""
    head = window.read(0, 6)
    return head[4] == 2, "<" if head[5] == 1 else ">"


def _loaded_end(window: Window) -> int | None:
    """Return where the last of what is loaded from the file ends in memory."""
    wide, end = _form(window)
    _, _, word, _, _, size_at, address_at = _WIDE if wide else _NARROW
    ends = [0]
    for kind, header in _segments(window, end, wide=wide):
        size = header.number(end + word, size_at) if kind == _LOAD else 0
        if size:
            ends.append(header.number(end + word, address_at) + size)
    return max(ends) or None


def _segments(window: Window, end: str, *, wide: bool) -> Iterator[tuple[int, Window]]:
    table_at, size_at, word, *_ = _WIDE if wide else _NARROW
    table = window.number(end + word, table_at)
    size, count = window.number(end + "H", size_at), window.number(end + "H", size_at + 2)
    if count > MOST_SEGMENTS:
        raise ImageError(f"{count} program headers, at most {MOST_SEGMENTS} are looked at")
    for number in range(count):
        header = window.part(table + number * size, size)
        yield header.number(end + "I", 0), header


def _pvh_entry(window: Window, offset: int, size: int, end: str) -> Finding | None:
    """Look for the note of the name Xen and the type 18: runtimes.md 9."""
    order: Literal["little", "big"] = "little" if end == "<" else "big"
    notes = window.peek(offset, min(size, _MOST_NOTES))
    at = 0
    while at + 12 <= len(notes):
        name_size, value_size, kind = (
            int.from_bytes(notes[at + skip : at + skip + 4], order) for skip in (0, 4, 8)
        )
        name = notes[at + 12 : at + 12 + min(name_size, 8)]
        if kind == _PVH_ENTRY and name == b"Xen\0":
            return Finding("pvh", f"{offset + at:#x}", "note Xen 18")
        at += 12 + (name_size + 3 & ~3) + (value_size + 3 & ~3)
    return None
