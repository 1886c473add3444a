"""A bounded view of an image's bytes: every read says where, and all reads count."""

import struct
from collections.abc import Callable
from typing import Final

MOST_READ: Final = 96 * 2**20
"""Bytes that are read of one file at most, whatever its headers ask for."""
MOST_READS: Final = 100_000
"""Reads of one file at most: pointers that go in circles end here."""

Read = Callable[[int, int], bytes]
"""Offset and length; may give less, as at the end of a file."""


class ImageError(Exception):
    """Ends one detector: the bytes are not what they would have to be, in words for people."""


class Budget:
    """What may still be read of one file."""

    __slots__ = ("bytes_left", "reads_left")

    def __init__(self, most: int = MOST_READ, reads: int = MOST_READS) -> None:
        self.bytes_left = most
        self.reads_left = reads

    def spend(self, length: int) -> None:
        """Count one read.

        Raises:
            ImageError: it would be more than is allowed.
        """
        if length > self.bytes_left or self.reads_left <= 0:
            raise ImageError("more would have to be read than is allowed for one file")
        self.bytes_left -= length
        self.reads_left -= 1


class Window:
    """A part of an image, with offsets of its own."""

    __slots__ = ("_budget", "_read", "size", "start")

    def __init__(
        self, read: Read, size: int, *, start: int = 0, budget: Budget | None = None
    ) -> None:
        self._read = read
        self._budget = budget or Budget()
        self.start = start
        """Where it begins in the image."""
        self.size = max(0, size)
        """Its length in bytes."""

    def part(self, offset: int, size: int | None = None) -> "Window":
        """Return a part of this part, never longer than what is there."""
        offset = max(0, offset)
        there = max(0, self.size - offset)
        length = there if size is None else min(size, there)
        return Window(self._read, length, start=self.start + offset, budget=self._budget)

    def peek(self, offset: int, length: int) -> bytes:
        """Return as much of that as is there.

        Raises:
            ImageError: the budget is spent, or the file cannot be read.
        """
        length = min(length, self.size - offset)
        if length <= 0 or offset < 0:
            return b""
        self._budget.spend(length)
        try:
            return self._read(self.start + offset, length)
        except OSError as error:
            raise ImageError(f"cannot be read at {offset:#x}: {error.strerror}") from error

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly that.

        Raises:
            ImageError: it is not all there.
        """
        found = self.peek(offset, length)
        if len(found) != length or length < 0:
            raise ImageError(f"ends before the {length} bytes at {offset:#x}")
        return found

    def number(self, form: str, offset: int) -> int:
        """Return one number of the form that ``struct`` knows.

        Raises:
            ImageError: it is not all there.
        """
        return int(struct.unpack(form, self.read(offset, struct.calcsize(form)))[0])


def window_of(content: bytes) -> Window:
    """Return a view of bytes that are in memory; it counts for itself."""
    return Window(lambda offset, length: content[offset : offset + length], len(content))
