"""The files that hold what guests write: made whole or not at all, kept over incarnations."""

from pathlib import Path

from schedune.api.quantity import parse_bytes
from schedune.api.vmworkload import DiskAccess, DiskFormat
from schedune_agent.system.sparse_copies import copy_whole
from schedune_agent.system.whole_files import write_whole
from schedune_agent.vmm.port import DiskFiles
from schedune_agent.vmm.qemu.overlay import empty_image, whole_sectors


class DiskError(Exception):
    """A disk's file cannot be made; names the disk and why."""


def make_overlay(files: DiskFiles) -> None:
    """Make the file for a disk's writes, unless an earlier incarnation left it.

    Raises:
        DiskError: it cannot be made, or what lies below it cannot be read.
    """
    if files.disk.access is DiskAccess.READ_ONLY or files.overlay.exists():
        return
    try:
        content = empty_image(_size(files))
        files.overlay.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_whole(files.overlay, content)
    except (OSError, ValueError) as error:
        raise DiskError(f"{files.disk.name}: {error}") from error


def make_copy(files: DiskFiles) -> None:
    """Make the copy in which a guest writes whose VMM has no overlays, unless it is there.

    Raises:
        DiskError: it cannot be made, or what is copied cannot be read.
    """
    if files.disk.access is DiskAccess.READ_ONLY or files.overlay.exists():
        return
    try:
        size = _copied_size(files)
        files.overlay.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        copy_whole(files.source, files.overlay, size)
    except (OSError, ValueError) as error:
        raise DiskError(f"{files.disk.name}: {error}") from error


def _size(files: DiskFiles) -> int:
    """Return the bytes that the guest sees."""
    if files.source is None:
        return whole_sectors(parse_bytes(files.disk.empty_size or "0"))
    if files.disk.format is DiskFormat.QCOW2:
        return _qcow2_size(files.source)
    return whole_sectors(files.source.stat().st_size)


def _copied_size(files: DiskFiles) -> int:
    """Return the bytes of the copy: a qcow2 image is copied as the file that it is."""
    if files.source is not None and files.disk.format is DiskFormat.QCOW2:
        return files.source.stat().st_size
    return _size(files)


def _qcow2_size(path: Path) -> int:
    with path.open("rb") as file:
        header = file.read(32)
    if len(header) < 32 or header[:4] != b"QFI\xfb":
        raise ValueError(f"{path} is no qcow2 image")
    return int.from_bytes(header[24:32], "big")
