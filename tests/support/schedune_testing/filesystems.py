"""Small file systems made by hand: FAT with boot loaders, ext with a few programs."""

import struct
from collections.abc import Mapping

FAT_SECTOR = 512
EXT_BLOCK = 1024
_INODES = 64
_TABLE_BLOCK = 5
_FIRST_DATA = 20


def fat(loaders: Mapping[str, bytes]) -> bytes:
    """FAT12 with the given files in /EFI/BOOT; one sector a cluster."""
    clusters: dict[int, bytes] = {}
    entries = b""
    links = {2: 0xFFF, 3: 0xFFF}
    free = 4
    for name, content in loaders.items():
        stem, _, end = name.partition(".")
        entries += _fat_entry((stem.ljust(8) + end.ljust(3)).encode(), 0x20, free)
        blocks = [content[at : at + FAT_SECTOR] for at in range(0, len(content), FAT_SECTOR)]
        for block in blocks:
            clusters[free] = block
            links[free] = free + 1
            free += 1
        links[free - 1] = 0xFFF
    clusters[2] = _fat_entry(b"BOOT       ", 0x10, 3)
    clusters[3] = entries
    root = _fat_entry(b"EFI        ", 0x10, 2).ljust(512, b"\0")
    head = bytearray(FAT_SECTOR)
    struct.pack_into("<HBHBHHBH", head, 11, FAT_SECTOR, 1, 1, 1, 16, 100, 0xF8, 1)
    head[510:] = b"\x55\xaa"
    data = b"".join(clusters.get(one, b"").ljust(FAT_SECTOR, b"\0") for one in range(2, free))
    return (bytes(head) + _fat12(links) + root + data).ljust(100 * FAT_SECTOR, b"\0")


def _fat_entry(name: bytes, attributes: int, cluster: int) -> bytes:
    return name + bytes([attributes]) + bytes(14) + struct.pack("<HI", cluster, 0)


def _fat12(links: Mapping[int, int]) -> bytes:
    packed = sum((links.get(number, 0) & 0xFFF) << 12 * number for number in range(64))
    return packed.to_bytes(96, "little").ljust(FAT_SECTOR, b"\0")


class ExtMaker:
    """ext with 1 KiB blocks and one group: maps as ext2 has, or extents as ext4 has."""

    def __init__(self, *, extents: bool = False, features: int = 0) -> None:
        self._extents = extents
        self._inodes: dict[int, bytes] = {}
        self._blocks: dict[int, bytes] = {}
        self._folders: dict[int, dict[str, int]] = {2: {}}
        self._free_inode, self._free_block = 11, _FIRST_DATA
        self._features = features

    def put(self, path: str, content: bytes) -> None:
        """Put a regular file there."""
        self._add(path, 0x8000, content)

    def link(self, path: str, target: str) -> None:
        """Put a symbolic link there."""
        self._add(path, 0xA000, target.encode())

    def _add(self, path: str, kind: int, content: bytes) -> None:
        *folders, name = path.strip("/").split("/")
        parent = 2
        for folder in folders:
            number = self._folders[parent].get(folder)
            if number is None:
                number = self._take_inode()
                self._folders[parent][folder] = number
                self._folders[number] = {}
            parent = number
        number = self._take_inode()
        self._folders[parent][name] = number
        self._write(number, kind, content)

    def _take_inode(self) -> int:
        self._free_inode += 1
        return self._free_inode

    def _write(self, number: int, kind: int, content: bytes) -> None:
        inode = bytearray(128)
        struct.pack_into("<HHI", inode, 0, kind | 0o755, 0, len(content))
        if kind == 0xA000 and len(content) < 60:
            inode[40 : 40 + len(content)] = content
        else:
            first = self._free_block
            chunks = [content[at : at + EXT_BLOCK] for at in range(0, len(content), EXT_BLOCK)]
            for chunk in chunks:
                self._blocks[self._free_block] = chunk
                self._free_block += 1
            if self._extents:
                struct.pack_into("<I", inode, 32, 0x80000)
                struct.pack_into("<HHHHI", inode, 40, 0xF30A, 1, 4, 0, 0)
                struct.pack_into("<IHHI", inode, 52, 0, len(chunks), 0, first)
            else:
                struct.pack_into(f"<{len(chunks)}I", inode, 40, *range(first, first + len(chunks)))
        self._inodes[number] = bytes(inode)

    def make(self) -> bytes:
        """Return the file system."""
        for number, names in self._folders.items():
            self._write(number, 0x4000, _ext_folder(names))
        head = bytearray(1024)
        struct.pack_into("<II", head, 0, _INODES, self._free_block)
        struct.pack_into("<II", head, 20, 1, 0)
        struct.pack_into("<III", head, 32, 8192, 8192, _INODES)
        head[56:58] = b"\x53\xef"
        struct.pack_into("<I", head, 76, 1)
        struct.pack_into("<H", head, 88, 128)
        struct.pack_into("<I", head, 96, self._features | (0x40 if self._extents else 0))
        table = b"".join(self._inodes.get(one, bytes(128)) for one in range(1, _INODES + 1))
        found = bytearray(self._free_block * EXT_BLOCK)
        found[1024:2048] = head
        struct.pack_into("<III", found, 2048, 3, 4, _TABLE_BLOCK)
        found[_TABLE_BLOCK * EXT_BLOCK : _TABLE_BLOCK * EXT_BLOCK + len(table)] = table
        for block, content in self._blocks.items():
            found[block * EXT_BLOCK : block * EXT_BLOCK + len(content)] = content
        return bytes(found)


def _ext_folder(names: Mapping[str, int]) -> bytes:
    found = b""
    for name, number in names.items():
        encoded = name.encode()
        length = 8 + (len(encoded) + 3 & ~3)
        found += struct.pack("<IHBB", number, length, len(encoded), 0) + encoded
        found = found.ljust(-(-len(found) // 4) * 4, b"\0")
    rest = EXT_BLOCK - len(found)
    return found + struct.pack("<IHBB", 0, rest, 0, 0).ljust(rest, b"\0")
