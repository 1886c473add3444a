"""A file that grows at its end and is bounded all the same: two halves, the older one goes."""

import contextlib
import os
from pathlib import Path
from typing import Final

_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW


class RotatedFile:
    """The last bytes that were appended: between one and two halves of them."""

    def __init__(self, path: Path, half_bytes: int) -> None:
        self.path = path
        self.older = path.with_name(f"{path.name}.1")
        self._half = half_bytes

    def append(self, content: bytes) -> None:
        """Put bytes at the end; of more than fits, the last.

        Raises:
            OSError: they, or some of them, are not there.
        """
        content = content[-self._half :]
        if not content:
            return
        descriptor = self._open()
        if os.fstat(descriptor).st_size + len(content) > self._half:
            os.close(descriptor)
            self.path.replace(self.older)
            descriptor = self._open()
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)

    def _open(self) -> int:
        return os.open(self.path, _FLAGS, 0o600)

    def reader(self) -> "Reader":
        """Read from the oldest byte on, and then what is appended."""
        return Reader(self)

    def whole(self) -> bytes:
        """Return all that is kept; nothing was ever appended: nothing.

        Raises:
            PermissionError: it may not be read.
        """
        kept = []
        for path in (self.older, self.path):
            with contextlib.suppress(FileNotFoundError):
                kept.append(path.read_bytes())
        return b"".join(kept)


class Reader:
    """Reads a rotated file while somebody else appends to it, each byte once.

    What was appended and went again between two reads is missed.
    """

    def __init__(self, of: RotatedFile) -> None:
        self._of = of
        self._inode: int | None = None
        """Of the half that was read last."""
        self._offset = 0

    def read(self) -> bytes:
        """Return what is new.

        Raises:
            OSError: it cannot be read.
        """
        halves = [(path, inode) for path in (self._of.older, self._of.path)
                  if (inode := _inode(path)) is not None]  # fmt: skip
        if self._inode in [inode for _, inode in halves]:
            while halves[0][1] != self._inode:
                halves.pop(0)
        else:
            self._offset = 0
        return b"".join(self._rest(path) for path, _ in halves)

    def _rest(self, path: Path) -> bytes:
        try:
            with path.open("rb") as file:
                found = os.fstat(file.fileno())
                is_same = found.st_ino == self._inode and found.st_size >= self._offset
                file.seek(self._offset if is_same else 0)
                content = file.read()
                self._inode, self._offset = found.st_ino, file.tell()
        except FileNotFoundError:
            return b""
        return content


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None
