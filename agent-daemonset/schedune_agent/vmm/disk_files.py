"""The files that hold what guests write: made whole or not at all, kept over incarnations."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from schedune.api.quantity import parse_bytes
from schedune.api.vmworkload import Backend, DiskAccess, DiskFormat
from schedune.codes import disks as codes
from schedune.codes.row import Row
from schedune.evidence.qcow2 import inspect_qcow2
from schedune.evidence.window import window_of
from schedune.launch.traits import TRAITS
from schedune_agent.system.sparse_copies import copy_whole
from schedune_agent.system.whole_files import write_whole
from schedune_agent.vmm.port import DiskFiles, Firmware
from schedune_agent.vmm.qemu.overlay import empty_image, whole_sectors

_HEADER: Final = 65536
"""Bytes in which a header says everything that it may say: one cluster."""

_MOST_FLASH: Final = 64 * 2**20
"""Bytes of the largest flash that a machine has: that of virt."""


class DiskError(Exception):
    """A disk's file cannot be made or used; names the disk and why."""

    def __init__(self, message: str, row: Row = codes.DISK_NOT_MADE) -> None:
        super().__init__(message)
        self.row = row


def check_sources(disks: Sequence[DiskFiles], roots: Sequence[Path]) -> None:
    """Look once more at what disks are made of: nothing leads out of the image roots.

    Raises:
        DiskError: one is no regular file of an image root, or not the one that the node listed.
    """
    for disk in disks:
        check_source(disk, roots)


def check_source(files: DiskFiles, roots: Sequence[Path]) -> None:
    """Look once more at what a disk is made of: nothing leads out of the image roots.

    Raises:
        DiskError: it is no regular file of an image root, or not the one that the node listed.
    """
    path, name = files.source, files.disk.name
    if path is None or path == files.overlay:
        return  # it begins empty, or is one that we make ourselves
    first = next((one for one in roots if os.path.lexists(one / path.name)), None)
    if first is None or first != path.parent:
        why = f"is hidden by {first}" if first else "is not there"
        raise DiskError(f"{name}: {path} {why}", codes.DISK_SOURCE_UNUSABLE)
    if not stat.S_ISREG(path.lstat().st_mode):
        raise DiskError(f"{name}: {path} is no regular file", codes.DISK_SOURCE_UNUSABLE)


def make_disks(disks: Sequence[DiskFiles], firmware: Firmware | None, backend: Backend) -> None:
    """Make what is missing of what a VM writes; its seed and Persistent disks are made apart.

    Raises:
        DiskError: something cannot be made, or what it is made of cannot be read.
    """
    make = make_overlay if TRAITS[backend].has_overlays else make_copy
    for disk in disks:
        make(disk)
    make_variables(firmware)


def make_overlay(files: DiskFiles) -> None:
    """Make the file for a disk's writes, unless an earlier incarnation left it.

    Raises:
        DiskError: it cannot be made, or what lies below it cannot be read.
    """
    if files.disk.access is not DiskAccess.EPHEMERAL or files.overlay.exists():
        return
    try:
        content = empty_image(size_seen(files))
        files.overlay.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_whole(files.overlay, content)
    except (OSError, ValueError) as error:
        raise DiskError(f"{files.disk.name}: {error}") from error


def make_copy(files: DiskFiles) -> None:
    """Make the copy in which a guest writes whose VMM has no overlays, unless it is there.

    Raises:
        DiskError: it cannot be made, or what is copied cannot be read.
    """
    if files.disk.access is not DiskAccess.EPHEMERAL or files.overlay.exists():
        return
    try:
        size = _copied_size(files)
        files.overlay.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        copy_whole(files.source, files.overlay, size)
    except (OSError, ValueError) as error:
        raise DiskError(f"{files.disk.name}: {error}") from error


def make_variables(firmware: Firmware | None) -> None:
    """Give a VM a store of its firmware's variables, unless an earlier incarnation left it.

    Raises:
        DiskError: it cannot be made.
    """
    if firmware is None or firmware.variables is None or firmware.template is None:
        return
    try:
        if not firmware.variables.exists():
            firmware.variables.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(firmware.variables, _read_store(firmware.template))
    except (OSError, ValueError) as error:
        raise DiskError(f"variables of {firmware.code.name}: {error}") from error


def _read_store(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(_MOST_FLASH + 1)
    if len(content) > _MOST_FLASH:
        raise ValueError(f"{path} is larger than {_MOST_FLASH} bytes")
    return content


def size_seen(files: DiskFiles) -> int:
    """Return the bytes that the guest sees of a disk that is to be made.

    Raises:
        OSError: its artefact cannot be read.
        ValueError: its artefact is none of the format that was said.
    """
    if files.source is None:
        return whole_sectors(parse_bytes(files.disk.empty_size or "0"))
    if files.disk.format is DiskFormat.QCOW2:
        return read_qcow2_size(files.source)
    return whole_sectors(files.source.stat().st_size)


def _copied_size(files: DiskFiles) -> int:
    """Return the bytes of the copy: a qcow2 image is copied as the file that it is."""
    if files.source is not None and files.disk.format is DiskFormat.QCOW2:
        return files.source.stat().st_size
    return size_seen(files)


def read_qcow2_size(path: Path) -> int:
    """Return the bytes that the guest sees of a qcow2 that stands alone.

    Raises:
        OSError: it cannot be read.
        ValueError: it is none, or it needs other files.
    """
    with path.open("rb") as file:
        found = inspect_qcow2(window_of(file.read(_HEADER)))
    if found is None:
        raise ValueError(f"{path} is no qcow2 image")
    if found.refusal or found.virtual_size is None:
        raise ValueError(f"{path} has {found.refusal}")
    return found.virtual_size
