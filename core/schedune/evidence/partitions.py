"""GPT and MBR: which parts a disk has, and what their types promise."""

from dataclasses import dataclass
from typing import Final

from schedune.evidence.window import ImageError, Window

MOST_PARTITIONS: Final = 128
_ESP: Final = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
_TYPES: Final = {
    "4f68bce3-e8cd-4db1-96e7-fbcaf984b709": "amd64",
    "8484680c-9521-48c6-9c11-b0720656f69e": "amd64",
    "44479540-f297-41b2-9af7-d131d5f0458a": "386",
    "b921b045-1df0-41c3-af44-4c6f280d3fae": "arm64",
    "b0e01050-ee5f-4390-949a-9101b17104e9": "arm64",
    "69dad710-2ce4-4e3c-b16c-21a1d49abed3": "arm",
    "72ec70a6-cf74-40e6-bd49-4bda08e8f224": "riscv64",
    "c31c45e6-3f39-412e-80fb-4809c4980599": "ppc64le",
    "5eead9a9-fe09-4a1e-a1d7-520d00531306": "s390x",
    "77055800-792c-4f94-b39a-98c91b762bb6": "loong64",
}
"""Types of root and /usr partitions, which systemd starts by them."""
_SECTORS: Final = (512, 4096)
_MBR_ESP: Final = 0xEF
_MBR_GPT: Final = 0xEE
_MBR_USED: Final = (0x83, _MBR_ESP, 0x0B, 0x0C, 0x0E)


@dataclass(frozen=True, slots=True)
class Partition:
    """One part of a disk."""

    number: int
    window: Window
    type: str
    architecture: str | None = None
    """What its type promises."""
    is_esp: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A partition table."""

    form: str
    partitions: tuple[Partition, ...] = ()
    notes: tuple[str, ...] = ()


def read_table(window: Window) -> Table | None:
    """Return the partition table, if there is one that makes sense."""
    for sector in _SECTORS:
        if window.peek(sector, 8) == b"EFI PART":
            try:
                return _gpt(window, sector)
            except ImageError as error:
                return Table("GPT", notes=(f"a GPT that is broken: {error}",))
    return _mbr(window)


def _gpt(window: Window, sector: int) -> Table:
    at = window.number("<Q", sector + 72) * sector
    count, size = window.number("<I", sector + 80), window.number("<I", sector + 84)
    if not 128 <= size <= 4096 or size % 8:
        raise ImageError(f"entries of {size} bytes")
    notes = () if count <= MOST_PARTITIONS else (f"{count} entries, {MOST_PARTITIONS} looked at",)
    table = window.read(at, min(count, MOST_PARTITIONS) * size)
    found = []
    for number in range(min(count, MOST_PARTITIONS)):
        entry = table[number * size : number * size + 48]
        if any(entry[:16]):
            found.append(_gpt_partition(window, number + 1, entry, sector))
    return Table("GPT", tuple(found), notes)


def _gpt_partition(window: Window, number: int, entry: bytes, sector: int) -> Partition:
    first, last = (int.from_bytes(entry[at : at + 8], "little") for at in (32, 40))
    kind = _guid(entry[:16])
    part = window.part(first * sector, max(0, last - first + 1) * sector)
    return Partition(number, part, kind, _TYPES.get(kind), kind == _ESP)


def _guid(raw: bytes) -> str:
    """Render as usual: the first three fields are little endian."""
    fields = raw[3::-1], raw[5:3:-1], raw[7:5:-1], raw[8:10], raw[10:]
    return "-".join(one.hex() for one in fields)


def _mbr(window: Window) -> Table | None:
    """Read the four primary entries; a boot sector of a file system has none that make sense."""
    head = window.peek(0, 512)
    if len(head) < 512 or head[510:] != b"\x55\xaa":
        return None
    found = []
    for number in range(4):
        entry = head[446 + 16 * number : 462 + 16 * number]
        first, count = (int.from_bytes(entry[at : at + 4], "little") for at in (8, 12))
        if entry[0] not in (0, 0x80) or (entry[4] and first * 512 >= window.size):
            return None
        if entry[4] in _MBR_USED and first and count:
            part = window.part(first * 512, count * 512)
            is_esp = entry[4] != 0x83
            found.append(Partition(number + 1, part, f"{entry[4]:#x}", None, is_esp))
        if entry[4] == _MBR_GPT:
            return Table("GPT", notes=("a protective MBR without a GPT",))
    return Table("MBR", tuple(found)) if found else None
