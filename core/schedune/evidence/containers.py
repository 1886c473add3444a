"""Disk containers and firmware volumes: named, so that nobody takes them for raw disks."""

from typing import Final

from schedune.evidence.findings import Finding, ImageEvidence
from schedune.evidence.qcow2 import inspect_qcow2
from schedune.evidence.window import Window

_MAGICS: Final = (
    (0, b"vhdxfile", "Vhdx"),
    (0, b"conectix", "Vhd"),
    (0, b"KDMV", "Vmdk"),
    (0, b"COWD", "Vmdk"),
    (0, b"# Disk DescriptorFile", "Vmdk"),
    (64, b"\x7f\x10\xda\xbe", "Vdi"),
    (0, b"QED\0", "Qed"),
)
_FOOTER: Final = b"conectix"
_FOOTER_BYTES: Final = 512


def inspect_container(window: Window) -> ImageEvidence | None:
    """Return which container it is; only qcow2 is one that we use."""
    qcow2 = inspect_qcow2(window)
    if qcow2 is not None:
        return qcow2
    for at, magic, form in _MAGICS:
        if window.peek(at, len(magic)) == magic:
            return _container(form, at, magic)
    footer = window.size - _FOOTER_BYTES
    if footer >= 0 and window.peek(footer, len(_FOOTER)) == _FOOTER:
        return _container("Vhd", footer, _FOOTER)
    if window.peek(0x28, 4) == b"_FVH":
        return ImageEvidence("Firmware", "Volume", (Finding("firmware", "0x28", "_FVH"),))
    return None


def _container(form: str, at: int, magic: bytes) -> ImageEvidence:
    text = magic.decode("latin-1") if magic.isascii() else magic.hex()
    return ImageEvidence("Disk", form, (Finding("container", f"{at:#x}", text),))
