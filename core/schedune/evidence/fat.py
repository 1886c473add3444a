"""FAT, as far as the loaders in /EFI/BOOT of an EFI system partition."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from schedune.evidence.window import ImageError, Window

MOST_LOADERS: Final = 16
_ENTRY: Final = 32
_MOST_ENTRIES: Final = 2048
_MOST_CLUSTERS: Final = 64
_HEAD_BYTES: Final = 4096
_LABEL, _FOLDER = 0x08, 0x10
_SIZES: Final = (512, 1024, 2048, 4096)


@dataclass(frozen=True, slots=True)
class Loader:
    """A file that firmware starts by its name."""

    name: str
    head: bytes


class Fat:
    """One file system.

    Raises:
        ImageError: by every method, where the bytes make no sense.
    """

    def __init__(self, window: Window) -> None:
        sector, per_cluster = window.number("<H", 11), window.number("<B", 13)
        if sector not in _SIZES or not per_cluster or window.peek(510, 2) != b"\x55\xaa":
            raise ImageError("no FAT")
        reserved, copies = window.number("<H", 14), window.number("<B", 16)
        roots = window.number("<H", 17)
        sectors = window.number("<H", 19) or window.number("<I", 32)
        table = window.number("<H", 22) or window.number("<I", 36)
        self._window = window
        self._cluster = sector * per_cluster
        self._table = window.part(reserved * sector, table * sector)
        root_at = (reserved + copies * table) * sector
        self._root = window.part(root_at, roots * _ENTRY)
        first = root_at + (roots * _ENTRY + sector - 1) // sector * sector
        self._data = window.part(first)
        clusters = (sectors - first // sector) // per_cluster
        self._bits = 12 if clusters < 4085 else 16 if clusters < 65525 else 32
        self._root_cluster = window.number("<I", 44) if not roots else 0

    def loaders(self) -> list[Loader]:
        """Return the EFI binaries in /EFI/BOOT that are named as firmware looks for them."""
        root = self._read(self._root_cluster) if self._root_cluster else self._root.peek(
            0, _MOST_ENTRIES * _ENTRY
        )  # fmt: skip
        folder = self._folder(self._folder(root, b"EFI        "), b"BOOT       ")
        found = []
        for name, attributes, cluster in _entries(folder):
            if name.startswith(b"BOOT") and name.endswith(b"EFI") and not attributes & _FOLDER:
                text = name[:8].rstrip().decode("latin-1") + ".EFI"
                found.append(Loader(text, self._read(cluster, _HEAD_BYTES)))
        return found[:MOST_LOADERS]

    def _folder(self, content: bytes, wanted: bytes) -> bytes:
        for name, attributes, cluster in _entries(content):
            if name == wanted and attributes & _FOLDER:
                return self._read(cluster)
        return b""

    def _read(self, cluster: int, most: int = _MOST_ENTRIES * _ENTRY) -> bytes:
        """Follow a chain; one that goes in circles ends at a number of clusters."""
        found = bytearray()
        for _ in range(_MOST_CLUSTERS):
            if cluster < 2 or len(found) >= most:
                break
            found += self._data.peek((cluster - 2) * self._cluster, min(self._cluster, most))
            cluster = self._next(cluster)
        return bytes(found[:most])

    def _next(self, cluster: int) -> int:
        """Return the cluster that follows; 0: none does."""
        if self._bits == 12:
            pair = int.from_bytes(self._table.peek(cluster * 3 // 2, 2), "little")
            number = pair >> 4 if cluster % 2 else pair & 0xFFF
        else:
            width = self._bits // 8
            number = int.from_bytes(self._table.peek(cluster * width, width), "little")
        last = {12: 0xFF0, 16: 0xFFF0, 32: 0xFFFFFF0}[self._bits]
        number &= 0xFFFFFFF
        return 0 if number >= last else number


def _entries(folder: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Give short name, attributes and first cluster of each."""
    for at in range(0, min(len(folder), _MOST_ENTRIES * _ENTRY) - _ENTRY + 1, _ENTRY):
        entry = folder[at : at + _ENTRY]
        if entry[0] == 0:
            return
        if entry[0] == 0xE5 or entry[11] & _LABEL:
            continue
        high = int.from_bytes(entry[20:22], "little")
        yield entry[:11], entry[11], high << 16 | int.from_bytes(entry[26:28], "little")
