"""ext2, ext3 and ext4, read by hand and only as far as the header of a program.

Nothing is mounted: the host's kernel never sees the file system. Every pointer in it may
lie; the window's budget ends what goes in circles.
"""

from typing import Final

from schedune.evidence.window import ImageError, Window

MAGIC_AT: Final = 0x438
MAGIC: Final = b"\x53\xef"
MOST_HOPS: Final = 8
"""Symbolic links on the way to one file."""
_MOST_FOLDER: Final = 2 * 2**20
_MOST_COMPONENTS: Final = 64
_MOST_LINK: Final = 4096
_ROOT: Final = 2
_UNREADABLE: Final = {
    0x1: "compression", 0x8: "a journal alone", 0x10: "meta block groups", 0x10000: "encryption",
}  # fmt: skip
_WIDE_GROUPS: Final = 0x80
_EXTENTS, _INLINE, _ENCRYPTED = 0x80000, 0x10000000, 0x800
_FOLDER, _LINK, _FILE = 0x4000, 0xA000, 0x8000
_DIRECT: Final = 12
_DEEPEST: Final = 5


class Ext:
    """One file system.

    Raises:
        ImageError: by every method, where the bytes make no sense.
    """

    def __init__(self, window: Window) -> None:
        if window.peek(MAGIC_AT, 2) != MAGIC:
            raise ImageError("no ext file system")
        part = window.part(1024, 1024)
        exponent, features = part.number("<I", 24), part.number("<I", 96)
        if exponent > 6:
            raise ImageError(f"blocks of 2^{exponent} KiB")
        for bit, name in _UNREADABLE.items():
            if features & bit:
                raise ImageError(f"ext with {name}")
        self._window = window
        self._block = 1024 << exponent
        self._groups_at = (part.number("<I", 20) + 1) * self._block
        self._per_group = part.number("<I", 40)
        self._inodes = part.number("<I", 0)
        self._inode_bytes = part.number("<H", 88) if part.number("<I", 76) else 128
        wide = features & _WIDE_GROUPS
        self._group_bytes = part.number("<H", 254) if wide else 32
        if not self._per_group or self._inode_bytes < 128 or self._group_bytes < 32:
            raise ImageError("sizes of nothing in the superblock")

    def head_of(self, path: str, length: int) -> bytes | None:
        """Return the first bytes of a file, through links; None: there is none."""
        todo = [one for one in reversed(path.split("/")) if one]
        trail, hops = [self._inode(_ROOT)], 0
        for _ in range(_MOST_COMPONENTS):
            if not todo:
                return self._file_head(trail[-1], length)
            name = todo.pop()
            if name == "..":
                trail = trail[:-1] or trail
                continue
            number = self._lookup(trail[-1], name.encode())
            if number is None:
                return None
            found = self._inode(number)
            if _type(found) != _LINK:
                trail.append(found)
                continue
            hops += 1
            if hops > MOST_HOPS:
                raise ImageError(f"{path}: more than {MOST_HOPS} symbolic links")
            target = self._link(found)
            trail = trail[:1] if target.startswith("/") else trail
            todo += [one for one in reversed(target.split("/")) if one not in ("", ".")]
        raise ImageError(f"{path}: more than {_MOST_COMPONENTS} folders")

    def _file_head(self, inode: Window, length: int) -> bytes | None:
        return self._content(inode, length) if _type(inode) == _FILE else None

    def _inode(self, number: int) -> Window:
        if not 0 < number <= self._inodes:
            raise ImageError(f"no inode {number}")
        group, index = divmod(number - 1, self._per_group)
        entry = self._window.part(self._groups_at + group * self._group_bytes, self._group_bytes)
        table = entry.number("<I", 8)
        if self._group_bytes >= 64:
            table |= entry.number("<I", 0x28) << 32
        return self._window.part(table * self._block + index * self._inode_bytes, 128)

    def _link(self, inode: Window) -> str:
        size = inode.number("<I", 4)
        if size > _MOST_LINK:
            raise ImageError(f"a symbolic link of {size} bytes")
        flags = inode.number("<I", 32)
        target = inode.read(40, size) if size < 60 and not flags & _EXTENTS else (
            self._content(inode, size)
        )  # fmt: skip
        return target.decode("utf-8", "replace")

    def _lookup(self, folder: Window, name: bytes) -> int | None:
        if _type(folder) != _FOLDER:
            return None
        content = self._content(folder, _MOST_FOLDER)
        at = 0
        while at + 8 <= len(content):
            number = int.from_bytes(content[at : at + 4], "little")
            length = int.from_bytes(content[at + 4 : at + 6], "little")
            if length < 8:
                raise ImageError(f"a folder entry of {length} bytes")
            if number and content[at + 8 : at + 8 + content[at + 6]] == name:
                return number
            at += length
        return None

    def _content(self, inode: Window, most: int) -> bytes:
        """Return the beginning of a file; holes are zeros."""
        flags = inode.number("<I", 32)
        if flags & (_INLINE | _ENCRYPTED):
            raise ImageError("contents inside the inode, or encrypted")
        size = min(inode.number("<I", 4) | inode.number("<I", 108) << 32, most)
        found = bytearray()
        while len(found) < size:
            number = len(found) // self._block
            block = (self._extent if flags & _EXTENTS else self._mapped)(inode, number)
            want = min(self._block, size - len(found))
            found += self._window.read(block * self._block, want) if block else bytes(want)
        return bytes(found)

    def _mapped(self, inode: Window, number: int) -> int:
        """Return the block by the map of ext2: direct, then through one block of numbers."""
        if number < _DIRECT:
            return inode.number("<I", 40 + 4 * number)
        number -= _DIRECT
        if number >= self._block // 4:
            raise ImageError("a folder with more blocks than are looked at")
        table = inode.number("<I", 40 + 4 * _DIRECT)
        return self._window.number("<I", table * self._block + 4 * number) if table else 0

    def _extent(self, inode: Window, number: int) -> int:
        """Return the block by the tree of ext4."""
        node = inode.part(40, 60)
        for _ in range(_DEEPEST):
            if node.number("<H", 0) != 0xF30A:
                raise ImageError("no extent header")
            depth = node.number("<H", 6)
            entry = _last_entry(node, number)
            if entry is None:
                return 0
            if depth == 0:
                return _block_in(entry, number)
            block = entry.number("<I", 4) | entry.number("<H", 8) << 32
            node = self._window.part(block * self._block, self._block)
        raise ImageError("an extent tree that is too deep")


def _last_entry(node: Window, number: int) -> Window | None:
    """Return the entry in whose range the block is, if it is in any."""
    count = min(node.number("<H", 2), node.size // 12)
    entries = (node.part(12 + 12 * one, 12) for one in range(count))
    return max(
        (one for one in entries if one.number("<I", 0) <= number),
        key=lambda one: one.number("<I", 0),
        default=None,
    )


def _block_in(entry: Window, number: int) -> int:
    first, length = entry.number("<I", 0), entry.number("<H", 4)
    if length > 0x8000 or number >= first + length:
        return 0
    return (entry.number("<I", 8) | entry.number("<H", 6) << 32) + number - first


def _type(inode: Window) -> int:
    return inode.number("<H", 0) & 0xF000
