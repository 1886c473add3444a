"""Unpack what a distribution compressed: its kernels and their modules."""

import gzip
import lzma
import zlib
from collections.abc import Callable, Mapping
from typing import Final

import zstandard

from schedune.evidence.unpack import compression_of
from schedune_lab.progress import LabError

_BROKEN: Final = (OSError, EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError)


def unpack(content: bytes, name: str) -> bytes:
    """Return what is inside; bytes that nothing compressed as they are.

    ``name`` is what they are called when something is wrong.

    Raises:
        LabError: they are broken, or compressed in a way that is not known here.
    """
    form = compression_of(content[:8])
    if form is None:
        return content
    if form not in _WAYS:
        raise LabError(f"{name} is compressed in a way that is not known here: {form}")
    try:
        return _WAYS[form](content)
    except _BROKEN as error:
        raise LabError(f"{name} is compressed and broken ({form}): {error}") from error


def _zstd(content: bytes) -> bytes:
    """Return what is inside also where the header does not tell how much that is."""
    return zstandard.ZstdDecompressor().decompressobj().decompress(content)


_WAYS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "Gzip": gzip.decompress,
    "Xz": lzma.decompress,
    "Zstd": _zstd,
}
