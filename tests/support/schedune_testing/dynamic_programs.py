"""A program that is loaded by an interpreter, out of folders that it names itself."""

import platform
import shutil
import struct
from pathlib import Path
from typing import Final

_MACHINE: Final = platform.machine()
_INTERPRETERS: Final = {
    "x86_64": Path("/lib64/ld-linux-x86-64.so.2"),
    "aarch64": Path("/lib/ld-linux-aarch64.so.1"),
}
_NUMBERS: Final = {"x86_64": 62, "aarch64": 183}
_ENDS: Final = {
    "x86_64": bytes.fromhex("31ff b83c000000 0f05"),
    "aarch64": struct.pack("<3I", 0xD2800000, 0xD2800BA8, 0xD4000001),
}
"""The system call exit, with 0."""
_BASE: Final = 0x400000
_HEADERS: Final = 64 + 3 * 56
_LIBRARY: Final = "libelsewhere.so"
_LOAD, _DYNAMIC, _INTERP = 1, 2, 3
_NEEDED, _STRTAB, _SYMTAB, _STRSZ, _SYMENT, _RUNPATH = 1, 5, 6, 10, 11, 29


def put_interpreter(folder: Path) -> Path:
    """Put a copy of this machine's interpreter into a folder."""
    folder.mkdir(parents=True)
    return Path(shutil.copy(_INTERPRETERS[_MACHINE], folder / "ld.so"))


def put_library(folder: Path) -> None:
    """Put the library that the program needs into a folder."""
    folder.mkdir(parents=True)
    maps = Path("/proc/self/maps").read_text().splitlines()
    libc = next(line.split()[-1] for line in maps if line.endswith("/libc.so.6"))
    shutil.copy(libc, folder / _LIBRARY)


def write_dynamic(path: Path, interpreter: Path, run_path: str) -> Path:
    """Write a program that needs a library and ends with 0 once it is loaded."""
    interp, names = f"{interpreter}\0".encode(), f"\0{_LIBRARY}\0{run_path}\0".encode()
    interp_at = _HEADERS
    names_at = interp_at + len(interp)
    symbols_at = names_at + len(names) + 7 & ~7
    dynamic_at = symbols_at + 24
    entries = (
        (_NEEDED, 1), (_RUNPATH, 2 + len(_LIBRARY)), (_STRTAB, _BASE + names_at),
        (_STRSZ, len(names)), (_SYMTAB, _BASE + symbols_at), (_SYMENT, 24), (0, 0),
    )  # fmt: skip
    dynamic = b"".join(struct.pack("<QQ", *one) for one in entries)
    entry_at = dynamic_at + len(dynamic)
    body = (interp + names).ljust(dynamic_at - _HEADERS, b"\0") + dynamic + _ENDS[_MACHINE]
    parts = (
        (_INTERP, interp_at, len(interp)),
        (_LOAD, 0, _HEADERS + len(body)),
        (_DYNAMIC, dynamic_at, len(dynamic)),
    )
    segments = b"".join(
        struct.pack("<IIQQQQQQ", kind, 7, at, _BASE + at, _BASE + at, size, size, 0x1000)
        for kind, at, size in parts
    )
    head = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, _NUMBERS[_MACHINE], 1, _BASE + entry_at,
        64, 0, 0, 64, 56, len(parts), 0, 0, 0,
    )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(head + segments + body)
    path.chmod(0o755)
    return path
