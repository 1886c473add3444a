"""A kernel as Firecracker boots it: an ELF on amd64, an Image on arm64.

Distributions ship neither as such: on amd64 the ELF is inside a bzImage, on arm64 the Image
may be compressed.
"""

import struct
from pathlib import Path
from typing import Final

from schedune_lab.compressed import unpack
from schedune_lab.progress import LabError

_SIGN: Final = b"HdrS"
"""At 0x202 of every bzImage."""
_LENGTH: Final = 4
"""The payload ends with its unpacked size, which is for the kernel's own unpacking."""


def write_bare_kernel(image: Path, out: Path) -> None:
    """Write the bare kernel of a distribution's image down.

    Raises:
        LabError: there is none in it, or in a form that is not known here.
    """
    content = image.read_bytes()
    try:
        is_bzimage = content[0x202:0x206] == _SIGN
        bare = _from_bzimage(content) if is_bzimage else unpack(content, "it")
    except (LabError, struct.error) as error:
        raise LabError(f"{image} holds no kernel that Firecracker boots: {error}") from error
    out.write_bytes(bare)


def _from_bzimage(content: bytes) -> bytes:
    sectors = content[0x1F1] or 4
    offset, length = struct.unpack_from("<II", content, 0x248)
    begin = (sectors + 1) * 512 + offset
    bare = unpack(content[begin : begin + length - _LENGTH], "its payload")
    if not bare.startswith(b"\x7fELF"):
        raise LabError("its payload is no ELF")
    return bare
