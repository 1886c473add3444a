"""The lab's guest: an initramfs of busybox, a few modules and one script."""

import gzip
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from schedune_lab.compressed import unpack
from schedune_lab.guest_vsock import vsock_listener
from schedune_lab.machine import KernelFiles

INIT: Final = Path(__file__).with_name("guest_init.sh")
MODULES: Final = (
    "virtio", "virtio_ring", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci",
    "virtio_mmio", "virtio_console", "virtio_blk", "failover", "net_failover", "virtio_net",
    "pvpanic", "pvpanic-pci", "button", "evdev", "gpio_keys",
    "cdrom", "isofs",
    "vsock", "vmw_vsock_virtio_transport_common", "vmw_vsock_virtio_transport",
)  # fmt: skip
"""Loaded in this order, each after what it says that it needs (that differs by architecture);
what the kernel has built in is missing here."""
_DIRECTORY, _FILE = 0o040755, 0o100755
_NEEDS: Final = re.compile(rb"(?:^|\0)depends=([^\0]*)\0")
_AMD64: Final = b"\x3e\x00"
"""The machine in an ELF file's header, for which the listener on vsock is."""


def build_initrd(
    busybox: Path,
    kernel: KernelFiles,
    out: Path,
    *,
    init: Path = INIT,
    modules_wanted: Sequence[str] = MODULES,
) -> None:
    """Write the initramfs; the same inputs give the same bytes."""
    modules = dict(_modules(kernel, modules_wanted))
    entries: list[tuple[str, int, bytes]] = [
        (name, _DIRECTORY, b"") for name in ("bin", "dev", "modules", "proc", "sys", "tmp")
    ]
    shell = busybox.read_bytes()
    entries += [("bin/busybox", _FILE, shell), ("init", _FILE, init.read_bytes())]
    if shell[18:20] == _AMD64:  # of two architectures an initramfs would prove neither
        entries.append(("bin/vsock-listen", _FILE, vsock_listener()))
    entries += [(f"modules/{name}", _FILE, content) for name, content in modules.items()]
    entries.append(("modules/order", _FILE, "\n".join(modules).encode()))
    archive = b"".join(_newc(number, *entry) for number, entry in enumerate(entries, start=1))
    archive += _newc(0, "TRAILER!!!", 0, b"")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(gzip.compress(archive, compresslevel=1, mtime=0))


def _modules(kernel: KernelFiles, wanted: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    found = {path.name.split(".ko")[0]: path for path in kernel.modules.rglob("*.ko*")}
    given: set[str] = set()

    def give(name: str) -> Iterator[tuple[str, bytes]]:
        if name not in found or name in given:
            return
        given.add(name)
        # The module itself: busybox's insmod reads no compressed ones.
        content = unpack(found[name].read_bytes(), name)
        needs = _NEEDS.search(content)
        for other in needs[1].decode().split(",") if needs else ():
            yield from give(other)
        yield f"{name}.ko", content

    for name in wanted:
        yield from give(name)


def _newc(number: int, name: str, mode: int, content: bytes) -> bytes:
    encoded = name.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(encoded), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
    return _padded(header) + _padded(content)


def _padded(content: bytes) -> bytes:
    return content + b"\0" * (-len(content) % 4)
