"""Guests of a few bytes, without any kernel: they are there at once, whatever the machine."""

import struct

POWER_OFF = bytes.fromhex("ba0406 b80020 ef f4 ebfd")
"""Real mode: "soft off" (0x2000) into the port of ACPI's PM1a (0x604), then sleep."""
SLEEP = bytes.fromhex("fa f4 ebfd")
"""Interrupts off, then sleep, for ever."""
_RESET = bytes.fromhex("baf90c b006 ee f4 ebfd")
"""Real mode: a reset by the chipset's register (0xcf9), then sleep."""
_POWER_OFF_ARM = (0x52800100, 0x72B08000, 0xD4000002, 0x14000000)
"""PSCI's SYSTEM_OFF (w0, hvc), then a loop."""
_RESET_ARM = (0x52800120, 0x72B08000, 0xD4000002, 0x14000000)
"""PSCI's SYSTEM_RESET (w0, hvc), then a loop."""
_SLEEP_ARM = (0xD503207F, 0x17FFFFFF)
"""wfi, and back to it."""


def _amd64(code: bytes) -> bytes:
    """Return a bzImage whose real-mode code is this."""
    image = bytearray(2048)
    image[0x1F1] = 1  # one sector of setup follows the first
    image[0x1FE:0x206] = b"\x55\xaa\xeb\x3e" + b"HdrS"  # jump to 0x240
    struct.pack_into("<H", image, 0x206, 0x20C)  # boot protocol
    image[0x211] = 1  # the rest is loaded high
    struct.pack_into("<I", image, 0x22C, 0x37FFFFFF)  # where an initrd may end
    image[0x236] = 1  # has a 64-bit entry: so it says that it is for amd64
    image[0x240 : 0x240 + len(code)] = code
    return bytes(image)


def _arm64(code: tuple[int, ...]) -> bytes:
    """Return an Image whose code is this."""
    branch = 0x14000010
    header = struct.pack("<IIQQQQQQ4sI", branch, 0, 0, 4096, 0, 0, 0, 0, b"ARM\x64", 0)
    return (header + struct.pack(f"<{len(code)}I", *code)).ljust(4096, b"\0")


OFF_AT_ONCE = {"x86_64": _amd64(POWER_OFF), "aarch64": _arm64(_POWER_OFF_ARM)}
"""Guests that power off at once: a whole boot under emulation is slow, and may hang (on a
busy machine one in ten did)."""
RESETS = {"x86_64": _amd64(_RESET), "aarch64": _arm64(_RESET_ARM)}
"""Guests that reboot at once, whenever they are started."""
STILL = {"x86_64": _amd64(SLEEP), "aarch64": _arm64(_SLEEP_ARM)}
"""Guests that sleep for ever: they run, and cost nothing."""
