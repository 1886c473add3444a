"""Images for tests with VMs: firmware, and files of which nothing may be launched."""

import platform
import struct
from pathlib import Path
from typing import Final

from schedune_agent.vmm.qemu.overlay import empty_image
from schedune_testing.tiny_guests import OFF_AT_ONCE, POWER_OFF, SLEEP

GREETING: Final = b"the firmware greets\r\n"
EMPTY_STORE: Final = (bytes(0x28) + b"_FVH").ljust(65536, b"\0")
"""A volume of firmware, by the sign at 0x28, in which nothing is."""
UNRECOGNISED: Final = "folder"
"""The one of which nobody can say what it is."""


_GREET_AND_POWER_OFF: Final = (
    bytes.fromhex("baf803")  # the first serial port
    + b"".join(b"\xb0%c\xee" % one for one in GREETING)
    # By way of PCI's configuration ports, give ACPI's registers their place: 0x600.
    + bytes.fromhex("baf80c 66b840f80080 66ef bafc0c 66b801060000 66ef")
    + bytes.fromhex("baf80c 66b844f80080 66ef bafc0c b080 ee")
    + POWER_OFF
)


def put_images(images: Path) -> None:
    """Put there firmware with its store, and what no VM may be launched from."""
    for name, code in (("tiny", _GREET_AND_POWER_OFF), ("still", SLEEP)):
        (images / f"{name}_CODE.fd").write_bytes(firmware(code))
        (images / f"{name}_VARS.fd").write_bytes(EMPTY_STORE)
    (images / UNRECOGNISED).mkdir()
    foreign = next(one for name, one in OFF_AT_ONCE.items() if name != platform.machine())
    (images / "foreign").write_bytes(foreign)
    header = empty_image(2**30)
    (images / "backed").write_bytes(header[:8] + struct.pack(">QI", 512, 8) + header[20:])
    (images / "endless").write_bytes(header[:24] + struct.pack(">Q", 2**60) + header[32:])


def firmware(code: bytes) -> bytes:
    """Return firmware for amd64 that does nothing but this."""
    image = bytearray(EMPTY_STORE)
    image[0xFE00 : 0xFE00 + len(code)] = code
    image[0xFFF0:0xFFF3] = b"\xe9" + struct.pack("<h", 0xFE00 - 0xFFF3)
    return bytes(image)
