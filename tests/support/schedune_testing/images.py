"""Small synthetic boot images: of both architectures, and as hostile as a test wants them."""

import struct
from collections.abc import Mapping, Sequence

from schedune.evidence.findings import ImageEvidence
from schedune.evidence.images import inspect_image
from schedune.evidence.window import window_of
from schedune_agent.probes.streams import open_stream

ELF_MACHINES = {"386": 3, "arm": 40, "amd64": 62, "arm64": 183, "riscv64": 243}
PE_MACHINES = {"386": 0x14C, "amd64": 0x8664, "arm64": 0xAA64}
ROOT_TYPES = {
    "amd64": "4f68bce3-e8cd-4db1-96e7-fbcaf984b709",
    "arm64": "b921b045-1df0-41c3-af44-4c6f280d3fae",
}
ESP_TYPE = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
LINUX_TYPE = "0fc63daf-8483-4772-8e79-3d69d8477de4"
SECTOR = 512
_PVH = struct.pack("<III", 4, 4, 18) + b"Xen\0" + struct.pack("<I", 0x1000000)
_KERNEL_HALF = 0xFFFFFFFF81000000


def look(content: bytes) -> ImageEvidence:
    """What the bytes prove, with the libraries that the agent uses."""
    return inspect_image(window_of(content), open_stream)


def elf(
    architecture: str = "amd64",
    *,
    pvh: bool = False,
    kernel: bool = False,
    segments: int | None = None,
    room: tuple[int, int] = (0, 0),
) -> bytes:
    """An ELF file: a program, unless it is given a PVH note or an address of the kernel's.

    ``room`` is where it is loaded, and how many bytes of it.
    """
    machine = ELF_MACHINES[architecture]
    loaded = _KERNEL_HALF if kernel else 0x400000
    headers = [struct.pack("<IIQQQQQQ", 1, 5, 0, loaded, *room, 0, 0)]
    if pvh:
        headers.append(struct.pack("<IIQQQQQQ", 4, 4, 64 + 56 * 2, 0, 0, len(_PVH), 0, 0))
    count = len(headers) if segments is None else segments
    head = b"\x7fELF\x02\x01\x01" + bytes(9)
    head += struct.pack(
        "<HHIQQQIHHHHHH", 2, machine, 1, 0x1000000, 64, 0, 0, 64, 56, count, 0, 0, 0
    )
    return head + b"".join(headers) + (_PVH if pvh else b"")


def pe(architecture: str = "amd64", *, subsystem: int = 10, section: bytes = b".text") -> bytes:
    """A PE file: an EFI application, unless told otherwise."""
    head = bytearray(0x80)
    head[0:2] = b"MZ"
    struct.pack_into("<I", head, 0x3C, 0x80)
    coff = struct.pack("<HHIIIHH", PE_MACHINES[architecture], 1, 0, 0, 0, 112, 0x22)
    optional = bytearray(112)
    struct.pack_into("<H", optional, 68, subsystem)
    return bytes(head) + b"PE\0\0" + coff + bytes(optional) + section.ljust(40, b"\0")


def with_pe(content: bytes, architecture: str, at: int = 0x300) -> bytes:
    """The same bytes with the header by which firmware starts them."""
    found = bytearray(content.ljust(at + 0x100, b"\0"))
    found[0:2] = b"MZ"
    struct.pack_into("<I", found, 0x3C, at)
    found[at : at + 6] = b"PE\0\0" + struct.pack("<H", PE_MACHINES[architecture])
    return bytes(found)


def bzimage(
    *,
    flags: int = 1,
    protocol: int = 0x20F,
    payload: bytes = b"",
    room: tuple[int, int] = (0, 0),
) -> bytes:
    """An x86 kernel, with a compressed vmlinux in it if one is given.

    ``room`` is where it unpacks itself, and how much that takes.
    """
    found = bytearray(5 * SECTOR)
    found[0x1F1] = 4
    found[0x1FE:0x200] = b"\x55\xaa"
    found[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", found, 0x206, protocol)
    struct.pack_into("<H", found, 0x236, flags)
    struct.pack_into("<II", found, 0x248, 0, len(payload))
    struct.pack_into("<QI", found, 0x258, *room)
    return bytes(found) + payload


def arm64_image(flags: int = 0b1010) -> bytes:
    """An arm64 kernel."""
    found = bytearray(4096)
    struct.pack_into("<QQQ", found, 8, 0, 4096, flags)
    found[0x38:0x3C] = b"ARM\x64"
    return bytes(found)


def riscv_image() -> bytes:
    """A riscv kernel."""
    found = bytearray(4096)
    found[0x38:0x3C] = b"RSC\x05"
    return bytes(found)


def zboot(payload: bytes, name: bytes = b"gzip", architecture: str = "arm64") -> bytes:
    """A kernel that firmware starts and that unpacks itself."""
    found = bytearray(0x100)
    found[4:8] = b"zimg"
    struct.pack_into("<II", found, 8, 0x400, len(payload))
    found[0x18 : 0x18 + len(name)] = name
    return with_pe(bytes(found), architecture, 0x80).ljust(0x400, b"\0") + payload


def cpio(files: Mapping[str, bytes], *, trailer: bool = True) -> bytes:
    """An archive as the kernel unpacks it."""
    found = b"".join(_newc(name, 0o100755, content) for name, content in files.items())
    return found + (_newc("TRAILER!!!", 0, b"") if trailer else b"")


def _newc(name: str, mode: int, content: bytes) -> bytes:
    encoded = name.encode() + b"\0"
    fields = (1, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(encoded), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
    return _padded(header, 4) + _padded(content, 4)


def _padded(content: bytes, unit: int) -> bytes:
    return content + b"\0" * (-len(content) % unit)


def qcow2(
    *,
    size: int = 2**30,
    version: int = 3,
    backing: int = 0,
    cluster_bits: int = 16,
    encryption: int = 0,
    snapshots: int = 0,
    features: int = 0,
    extensions: Sequence[tuple[int, bytes]] = (),
) -> bytes:
    """The header of a qcow2."""
    head = struct.pack(
        ">4sIQIIQIIQQIIQ", b"QFI\xfb", version, backing, 8 if backing else 0, cluster_bits,
        size, encryption, 1, 3 << 16, 1 << 16, 1, snapshots, 0,
    )  # fmt: skip
    if version >= 3:
        head += struct.pack(">QQQII", features, 0, 0, 4, 104)
    for kind, value in extensions:
        head += struct.pack(">II", kind, len(value)) + _padded(value, 8)
    return head + bytes(8) + bytes(4096)


def guid(text: str) -> bytes:
    """A GUID as it stands on a disk."""
    one, two, three, four, five = (bytes.fromhex(part) for part in text.split("-"))
    return one[::-1] + two[::-1] + three[::-1] + four + five


def gpt(
    parts: Sequence[tuple[str, bytes]],
    *,
    sector: int = SECTOR,
    count: int = 128,
    entry_bytes: int = 128,
) -> bytes:
    """A disk with a GPT: each part a type and its contents."""
    first = at = 2 * sector + 128 * 128
    table, bodies = b"", b""
    for kind, content in parts:
        body = _padded(content or b"\0", sector)
        entry = guid(kind) + bytes(15) + b"\x01"
        entry += struct.pack("<QQ", at // sector, (at + len(body)) // sector - 1)
        table += entry.ljust(128, b"\0")
        bodies += body
        at += len(body)
    head = b"EFI PART" + bytes(64) + struct.pack("<QIII", 2, count, entry_bytes, 0)
    return (
        bytes(sector) + head.ljust(sector, b"\0") + table.ljust(first - 2 * sector, b"\0") + bodies
    )


def mbr(parts: Sequence[tuple[int, bytes]]) -> bytes:
    """A disk with an MBR: each part a type and its contents."""
    head, bodies = bytearray(SECTOR), b""
    at = SECTOR
    for number, (kind, content) in enumerate(parts):
        body = _padded(content, SECTOR)
        entry = struct.pack("<B3sB3sII", 0, b"", kind, b"", at // SECTOR, len(body) // SECTOR)
        head[446 + 16 * number : 462 + 16 * number] = entry
        bodies += body
        at += len(body)
    head[510:] = b"\x55\xaa"
    return bytes(head) + bodies
