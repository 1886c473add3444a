"""What the files of disks and firmware are made of, looked at before they are made."""

import os
import stat
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from schedune.api.quantity import parse_bytes
from schedune.api.vmworkload import DiskAccess, DiskFormat
from schedune.codes import disks as codes
from schedune.codes.row import Row
from schedune.evidence.qcow2 import inspect_qcow2
from schedune.evidence.window import window_of
from schedune_agent.probes.image_roots import image_root
from schedune_agent.system.patience import LaterError, Patience
from schedune_agent.vmm.port import DiskFiles
from schedune_agent.vmm.qemu.overlay import whole_sectors

_HEADER: Final = 65536
"""Bytes in which a header says everything that it may say: one cluster."""

_MOST_FLASH: Final = 64 * 2**20
"""Bytes of the largest flash that a machine has: that of virt."""


class DiskError(Exception):
    """A disk's file cannot be made or used; names the disk and why."""

    def __init__(self, message: str, row: Row = codes.DISK_NOT_MADE) -> None:
        super().__init__(message)
        self.row = row


class DiskGoneError(LaterError):
    """A disk that a VM had is not there: it may come back, and is not made anew; its path."""


async def check_sources(
    disks: Sequence[DiskFiles], roots: Sequence[Path], patience: Patience
) -> None:
    """Look once more at what disks are made of: nothing leads out of the image roots.

    What is there already needs nothing that it was made of.

    Raises:
        DiskError: one is no regular file of an image root, or not the one that the node listed.
        LaterError: an image root does not answer that it is in, or one that goes before that.
    """
    for files in disks:
        is_made = files.disk.access is DiskAccess.PERSISTENT and os.path.lexists(files.overlay)
        if files.source is not None and files.source != files.overlay and not is_made:
            await _check_source(files.disk.name, files.source, roots, patience)


async def _check_source(disk: str, path: Path, roots: Sequence[Path], patience: Patience) -> None:
    for root in roots:
        try:
            mode = await patience.look(image_root(root), partial(_mode_of, root / path.name))
        except OSError as error:
            if root == path.parent:
                raise LaterError(f"{image_root(root)}: {error.strerror}") from error
            continue  # as where its boot files are looked for: what gives an error hides nothing
        if mode is None:
            continue
        if root != path.parent:
            raise DiskError(f"{disk}: {path} is hidden by {root}", codes.DISK_SOURCE_UNUSABLE)
        if not stat.S_ISREG(mode):
            raise DiskError(f"{disk}: {path} is no regular file", codes.DISK_SOURCE_UNUSABLE)
        return
    raise DiskError(f"{disk}: {path} is not there", codes.DISK_SOURCE_UNUSABLE)


def _mode_of(path: Path) -> int | None:
    """Return what stands under a name, no link followed; None: nothing."""
    try:
        return path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


def read_store(path: Path) -> bytes:
    """Return an empty store of a firmware's variables.

    Raises:
        OSError: it cannot be read.
        ValueError: it is larger than any flash.
    """
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
