"""Raw disks: partitions, boot loaders, file systems, and the programs in them."""

from collections.abc import Iterator
from typing import Final

from schedune.evidence import ext
from schedune.evidence.elf import HEAD_BYTES, find_elf
from schedune.evidence.ext import Ext
from schedune.evidence.fat import Fat, Loader
from schedune.evidence.findings import Finding, ImageEvidence
from schedune.evidence.partitions import Partition, read_table
from schedune.evidence.pe import find_pe
from schedune.evidence.window import ImageError, Window, window_of

PROGRAMS: Final = ("/sbin/init", "/lib/systemd/systemd", "/bin/sh")
"""Programs without which no Linux starts."""
_FILE_SYSTEMS: Final = (
    (0, b"hsqs", "squashfs"),
    (0, b"XFSB", "XFS"),
    (0x400, b"\xe2\xe1\xf5\xe0", "EROFS"),
    (0x8001, b"CD001", "ISO 9660"),
    (0x10040, b"_BHRfS_M", "btrfs"),
    (0x400, b"\x10\x20\xf5\xf2", "F2FS"),
    (0, b"LUKS\xba\xbe", "LUKS"),
)
_LOADERS: Final = {
    "BOOTX64.EFI": "amd64", "BOOTAA64.EFI": "arm64", "BOOTIA32.EFI": "386", "BOOTARM.EFI": "arm",
}  # fmt: skip


def inspect_raw_disk(window: Window) -> ImageEvidence:
    """Return what a raw disk proves; any bytes are one."""
    findings: list[Finding] = []
    notes: list[str] = []
    try:
        table = read_table(window)
        if table is None:
            _look_at(window, "", findings, notes)
        else:
            notes += table.notes
            findings += _promises(table.partitions)
            for one in table.partitions:
                _look_at_partition(one, findings, notes)
    except ImageError as error:
        notes.append(str(error))
    return ImageEvidence("Disk", "Raw", tuple(findings), tuple(notes))


def _promises(partitions: tuple[Partition, ...]) -> Iterator[Finding]:
    """Give what the types say; a disk with roots for several machines promises nothing."""
    said = {one.architecture for one in partitions if one.architecture is not None}
    for one in partitions:
        if one.architecture is not None:
            claim = one.architecture if len(said) == 1 else None
            where, value = f"partition {one.number}", f"type {one.type}"
            yield Finding("gpt", where, value, claim)


def _look_at_partition(one: Partition, findings: list[Finding], notes: list[str]) -> None:
    prefix = f"partition {one.number}"
    if not one.is_esp:
        _look_at(one.window, prefix, findings, notes)
        return
    try:
        findings += _boots(Fat(one.window).loaders(), prefix)
    except ImageError as error:
        notes.append(f"{prefix}: {error}")


def _boots(loaders: list[Loader], prefix: str) -> Iterator[Finding]:
    """Give what the loaders say; a medium that boots several machines proves none."""
    found = [(one, find_pe(window_of(one.head))) for one in loaders]
    machines = {pe.architecture for _, pe in found if pe is not None}
    for loader, pe in found:
        if pe is None:
            yield Finding("esp", f"{prefix}, {loader.name}", "no PE header")
            continue
        hint = _LOADERS.get(loader.name, pe.architecture)
        alone = len(machines) == 1
        yield Finding(
            "esp", f"{prefix}, {loader.name}", pe.value, pe.architecture if alone else None
        )
        if alone and hint != pe.architecture:
            yield Finding("esp", f"{prefix}, its name", loader.name, hint)


def _look_at(window: Window, prefix: str, findings: list[Finding], notes: list[str]) -> None:
    """Look at one file system; one that is not read is named."""
    where = f"{prefix}, " if prefix else ""
    if window.peek(ext.MAGIC_AT, 2) == ext.MAGIC:
        try:
            findings += _programs(Ext(window), where)
        except ImageError as error:
            notes.append(f"{where}ext: {error}")
        return
    for at, magic, name in _FILE_SYSTEMS:
        if window.peek(at, len(magic)) == magic:
            notes.append(f"{where}{name}: its programs are not read")
            return


def _programs(root: Ext, where: str) -> Iterator[Finding]:
    for path in PROGRAMS:
        head = root.head_of(path, HEAD_BYTES)
        found = find_elf(head, f"{where}0x12 of {path}") if head else None
        if found is not None:
            yield found
