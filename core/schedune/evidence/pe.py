"""PE: EFI binaries, and the other face of kernels that firmware can start."""

from typing import Final

from schedune.evidence.findings import Finding, ImageEvidence
from schedune.evidence.window import ImageError, Window

MACHINES: Final = {
    0x014C: "386", 0x01C4: "arm", 0x5064: "riscv64", 0x6264: "loong64",
    0x8664: "amd64", 0xAA64: "arm64",
}  # fmt: skip
_EFI_SUBSYSTEMS: Final = range(10, 14)
"""Application, boot driver, run-time driver, ROM."""
_MOST_SECTIONS: Final = 96


def find_pe(window: Window, prefix: str = "") -> Finding | None:
    """Return what the PE header says, if there is one.

    Raises:
        ImageError: the budget is spent, or the file cannot be read.
    """
    at = _header(window)
    if at is None:
        return None
    machine = int.from_bytes(window.peek(at + 4, 2), "little")
    return Finding("pe", f"{prefix}{at + 4:#x}", f"machine {machine:#x}", MACHINES.get(machine))


def _header(window: Window) -> int | None:
    if window.peek(0, 2) != b"MZ":
        return None
    at = int.from_bytes(window.peek(0x3C, 4), "little")
    return at if len(window.peek(at, 6)) == 6 and window.peek(at, 4) == b"PE\0\0" else None


def inspect_pe(window: Window) -> ImageEvidence | None:
    """Tell an EFI binary, a unified kernel image and any other program apart."""
    finding, at = find_pe(window), _header(window)
    if finding is None or at is None:
        return None
    try:
        subsystem, sections = _subsystem(window, at), _sections(window, at)
    except ImageError as error:
        return ImageEvidence("Unknown", "PE", (finding,), refusal=f"a PE that is cut off: {error}")
    if ".linux" in sections:
        return ImageEvidence("Kernel", "UKI", (finding,))
    if subsystem in _EFI_SUBSYSTEMS:
        return ImageEvidence("Firmware", "EFI", (finding,), (f"subsystem {subsystem}",))
    why = f"a program that is no EFI binary: subsystem {subsystem}"
    return ImageEvidence("Unknown", "PE", (finding,), refusal=why)


def _subsystem(window: Window, at: int) -> int:
    return window.number("<H", at + 24 + 68)


def _sections(window: Window, at: int) -> set[str]:
    count, optional = window.number("<H", at + 6), window.number("<H", at + 20)
    names = window.peek(at + 24 + optional, 40 * min(count, _MOST_SECTIONS))
    return {
        names[skip : skip + 8].rstrip(b"\0").decode("latin-1") for skip in range(0, len(names), 40)
    }
