"""Look into compressed bytes: never more than asked, never a bomb."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from schedune.evidence.window import ImageError, Window

MOST_RATIO: Final = 256
"""Kernels and initial RAM disks shrink to a tenth; more than this is made to hurt."""
_FREE_BYTES: Final = 4 * 2**20
"""Below this the ratio says nothing: the source is read in blocks."""
_CHUNK: Final = 256 * 1024

MAGICS: Final = (
    (b"\x1f\x8b", "Gzip"),
    (b"\x28\xb5\x2f\xfd", "Zstd"),
    (b"\xfd7zXZ\x00", "Xz"),
    (b"\x04\x22\x4d\x18", "Lz4"),
    (b"\x02\x21\x4c\x18", "Lz4Legacy"),
)


class Readable(Protocol):
    """Bytes one after the other."""

    def read(self, size: int = -1, /) -> bytes:
        """Return at most so many more; empty at the end.

        Raises:
            ImageError: they are broken.
        """
        ...


OpenStream = Callable[[str, Readable], Readable]
"""Form, as in MAGICS, and the compressed bytes: returns what is in them."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What came out."""

    content: bytes
    problem: str = ""
    """What ended it; empty: its end, or as much as was asked for."""


class Source:
    """The compressed bytes, counted."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self.taken = 0
        """Bytes that were read."""

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes."""
        length = _CHUNK if size < 0 else min(size, _CHUNK)
        found = self._window.peek(self.taken, length)
        self.taken += len(found)
        return found

    def refuse_bomb(self, unpacked: int) -> None:
        """Compare what came out with what went in.

        Raises:
            ImageError: it is a bomb.
        """
        if unpacked > max(_FREE_BYTES, MOST_RATIO * self.taken):
            raise ImageError(f"more than {MOST_RATIO} bytes come out of one")


def compression_of(head: bytes) -> str | None:
    """Return the form whose magic the bytes begin with."""
    return next((form for magic, form in MAGICS if head.startswith(magic)), None)


def unpack(window: Window, form: str, open_stream: OpenStream, most: int) -> Unpacked:
    """Return at most so many bytes of what is inside; whatever is wrong is told, not raised."""
    source, found = Source(window), bytearray()
    try:
        stream = open_stream(form, source)
        while len(found) < most:
            chunk = stream.read(min(_CHUNK, most - len(found)))
            if not chunk:
                break
            found += chunk
            source.refuse_bomb(len(found))
    except ImageError as error:
        return Unpacked(bytes(found), f"{form}: {error}")
    return Unpacked(bytes(found))
