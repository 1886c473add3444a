"""Open compressed bytes with the libraries that others keep well: only inside the child."""

import lzma
import struct
import zlib
from collections.abc import Callable
from typing import IO, Final, Protocol, cast

import lz4.block
import lz4.frame
import zstandard

from schedune.evidence.unpack import Readable
from schedune.evidence.window import ImageError

_BLOCK: Final = 64 * 1024
_MOST_MEMORY: Final = 128 * 2**20
"""What a stream may make its reader hold: zstd and xz ask for it in their headers."""
_LEGACY_BLOCK: Final = 8 * 2**20
_BROKEN: Final = (
    zlib.error, lzma.LZMAError, zstandard.ZstdError, lz4.block.LZ4BlockError,
    RuntimeError, EOFError, ValueError, OverflowError, struct.error,
)  # fmt: skip


def open_stream(form: str, source: Readable) -> Readable:
    """Return what is inside.

    Raises:
        ImageError: by its ``read``, where the bytes are broken.
    """
    return _Guarded(_OPENERS[form](source))


class _Guarded:
    """Tells every library's complaint in the one way that the detectors know."""

    def __init__(self, inner: Readable) -> None:
        self._inner = inner

    def read(self, size: int = -1, /) -> bytes:
        try:
            return self._inner.read(size)
        except _BROKEN as error:
            raise ImageError(f"broken: {error}"[:120]) from error
        except MemoryError as error:
            raise ImageError("asks for more memory than is allowed") from error


class _Decompressor(Protocol):
    """What lzma and lz4 have in common."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Pulling:
    """Feeds a decompressor as far as needed for the bytes that are asked for."""

    def __init__(self, decompressor: _Decompressor, source: Readable) -> None:
        self._decompressor = decompressor
        self._source = source

    def read(self, size: int = -1, /) -> bytes:
        while not self._decompressor.eof:
            block = self._source.read(_BLOCK) if self._decompressor.needs_input else b""
            if self._decompressor.needs_input and not block:
                raise EOFError("it ends too early")
            found = self._decompressor.decompress(block, size)
            if found:
                return found
        return b""


class _Inflating:
    """The same for gzip, whose decompressor hands back what it did not use."""

    def __init__(self, source: Readable) -> None:
        self._inflate = zlib.decompressobj(31)
        self._source = source

    def read(self, size: int = -1, /) -> bytes:
        while not self._inflate.eof:
            block = self._inflate.unconsumed_tail or self._source.read(_BLOCK)
            if not block:
                raise EOFError("it ends too early")
            found = self._inflate.decompress(block, size)
            if found:
                return found
        return b""


class _LegacyLz4:
    """The form that Linux writes: blocks of at most 8 MiB, each with its packed length."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._left = b""
        self._exactly(4)

    def read(self, size: int = -1, /) -> bytes:
        if not self._left:
            self._left = self._block()
        found, self._left = self._left[:size], self._left[size:]
        return found

    def _block(self) -> bytes:
        head = self._source.read(4)
        length = int.from_bytes(head, "little")
        if len(head) < 4 or length > _LEGACY_BLOCK + _LEGACY_BLOCK // 255 + 16:
            return b""
        packed = self._exactly(length)
        return bytes(lz4.block.decompress(packed, uncompressed_size=_LEGACY_BLOCK))

    def _exactly(self, length: int) -> bytes:
        found = bytearray()
        while len(found) < length:
            block = self._source.read(length - len(found))
            if not block:
                raise ImageError("broken: it ends too early")
            found += block
        return bytes(found)


class _Zstd:
    """The same for zstd, which reads from whatever has a ``read``."""

    def __init__(self, source: Readable) -> None:
        decompressor = zstandard.ZstdDecompressor(max_window_size=_MOST_MEMORY)
        self._reader = decompressor.stream_reader(cast("IO[bytes]", source), read_size=_BLOCK)

    def read(self, size: int = -1, /) -> bytes:
        return self._reader.read(size)


def _xz(source: Readable) -> Readable:
    return _Pulling(lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MOST_MEMORY), source)


_OPENERS: Final[dict[str, Callable[[Readable], Readable]]] = {
    "Gzip": _Inflating,
    "Zstd": _Zstd,
    "Xz": _xz,
    "Lz4": lambda source: _Pulling(lz4.frame.LZ4FrameDecompressor(), source),
    "Lz4Legacy": _LegacyLz4,
}
