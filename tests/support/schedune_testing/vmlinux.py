"""The ELF kernel inside a distribution's bzImage: Firecracker boots nothing else."""

import struct
from pathlib import Path

from schedune.evidence.unpack import compression_of, unpack
from schedune.evidence.window import window_of
from schedune_agent.probes.streams import open_stream

_MOST_BYTES = 256 * 2**20


def unpack_vmlinux(image: Path, out: Path) -> None:
    """Write the vmlinux of a bzImage down.

    Raises:
        ValueError: there is none in it, or in a form that is not known here.
    """
    content = image.read_bytes()
    sectors = content[0x1F1] or 4
    offset, length = struct.unpack_from("<II", content, 0x248)
    begin = (sectors + 1) * 512 + offset
    # The last four bytes are the size of what is inside, for the kernel's own unpacking.
    payload = content[begin : begin + length - 4]
    form = compression_of(payload[:8])
    if form is None:
        raise ValueError(f"{image}: its payload is compressed in a form that is not known here")
    inner = unpack(window_of(payload), form, open_stream, _MOST_BYTES)
    if not inner.content.startswith(b"\x7fELF"):
        raise ValueError(f"{image}: no ELF in its payload: {inner.problem}")
    out.write_bytes(inner.content)
