"""A program that takes any command line and waits for ever, under the name of a VMM.

Where a test is about whose VM a process is, this stands in for the VMM: all that tells one
from another (program, command line, parent) is real, and it costs a millisecond.
"""

import platform
import struct
from pathlib import Path
from typing import Final

QEMU: Final = f"qemu-system-{platform.machine()}"
_MACHINES: Final = {"x86_64": 62, "aarch64": 183}
_FORK: Final = {
    "x86_64": bytes.fromhex("b839000000 0f05"),
    "aarch64": struct.pack(
        "<7I", 0xD2800220, 0xD2800001, 0xD2800002, 0xD2800003, 0xD2800004, 0xD2801B88, 0xD4000001
    ),
}
"""The system calls fork or clone."""
_WAIT: Final = {
    "x86_64": bytes.fromhex("b822000000 0f05 ebf7"),
    "aarch64": struct.pack(
        "<7I", 0xD2800000, 0xD2800001, 0xD2800002, 0xD2800003, 0xD2800928, 0xD4000001, 0x17FFFFFA
    ),
}
"""The system calls pause or ppoll, again and again."""
_BASE: Final = 0x400000
_HEADERS: Final = 64 + 56


def write_stand_in(path: Path, *, forks: bool = False) -> Path:
    """Write the program; ``forks``: it makes one copy of itself before it waits."""
    machine = platform.machine()
    code = (_FORK[machine] if forks else b"") + _WAIT[machine]
    size, entry = _HEADERS + len(code), _BASE + _HEADERS
    ident = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    elf = struct.pack(
        "<HHIQQQIHHHHHH", 2, _MACHINES[machine], 1, entry, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(ident + elf + segment + code)
    path.chmod(0o755)
    return path
