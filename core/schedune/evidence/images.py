"""Tell what a boot file is from its bytes, and which bytes say so (runtimes.md 9).

The order matters: a kernel may also be a PE, and any bytes at all are a raw disk.
"""

from typing import Final

from schedune.evidence.containers import inspect_container
from schedune.evidence.disks import inspect_raw_disk
from schedune.evidence.elf import inspect_elf
from schedune.evidence.findings import ImageEvidence, unrecognised
from schedune.evidence.initramfs import (
    MAGICS,
    MOST_UNPACKED,
    inspect_initramfs,
    inspect_unpacked,
)
from schedune.evidence.kernels import inspect_kernel
from schedune.evidence.pe import inspect_pe
from schedune.evidence.unpack import OpenStream, compression_of, unpack
from schedune.evidence.window import ImageError, Window, window_of

_HEAD_BYTES: Final = 256 * 1024
"""How much of a compressed file is unpacked to see what it is."""


def inspect_image(window: Window, open_stream: OpenStream) -> ImageEvidence:
    """Classify a file; never raises, whatever its bytes are."""
    if window.size == 0:
        return unrecognised("Empty", "an empty file")
    try:
        return (
            _inspect_bare(window, open_stream)
            or inspect_initramfs(window, open_stream)
            or _inspect_compressed(window, open_stream)
            or inspect_container(window)
            or inspect_raw_disk(window)
        )
    except ImageError as error:
        return unrecognised("Unknown", str(error))


def _inspect_bare(window: Window, open_stream: OpenStream) -> ImageEvidence | None:
    return inspect_kernel(window, open_stream) or inspect_elf(window) or inspect_pe(window)


def _inspect_compressed(window: Window, open_stream: OpenStream) -> ImageEvidence | None:
    form = compression_of(window.peek(0, 8))
    if form is None:
        return None
    head = unpack(window, form, open_stream, _HEAD_BYTES)
    if head.content[:6] in MAGICS:
        whole = unpack(window, form, open_stream, MOST_UNPACKED)
        return inspect_unpacked(whole, form)
    inner = _inspect_bare(window_of(head.content), open_stream)
    if inner is not None:
        return ImageEvidence(inner.kind, form, inner.findings, inner.notes, inner.refusal)
    if head.problem:
        return unrecognised(form, head.problem)
    if not head.content:
        return unrecognised(form, f"{form}: nothing in it")
    return ImageEvidence("Disk", form, notes=(f"{form}: neither a kernel nor an archive in it",))
