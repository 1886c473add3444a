"""Persistent disks: whose they are and what may be used, found again by every placement.

Where they are, ``probes.persistent_disks`` says. A file that is there is never made anew,
whatever the launch says of it: what does not fit is refused.
"""

import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from schedune.api.vmplacement import VMPlacement
from schedune.api.vmworkload import Backend, DiskAccess, DiskFormat
from schedune.codes import disks as codes
from schedune.launch.traits import TRAITS
from schedune_agent.probes.persistent_disks import FOLDER
from schedune_agent.system.locks import is_locked
from schedune_agent.system.whole_files import sync_folder, write_whole
from schedune_agent.vmm.disk_files import DiskError, read_qcow2_size
from schedune_agent.vmm.port import DiskFiles, PlanError

OWNER: Final = "owner.json"
_SUFFIXES: Final = {DiskFormat.RAW: ".raw", DiskFormat.QCOW2: ".qcow2"}
SCRATCH: Final = ".new"
_DISK: Final = re.compile(r"[a-z]([-a-z0-9]{0,18}[a-z0-9])?", re.ASCII)
_WORKLOAD: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?", re.ASCII)


def persistent_file(state_directory: Path, placement: VMPlacement, disk: str, form: str) -> Path:
    """Return where a workload's disk is, or will be.

    Raises:
        PlanError: the placement does not say whose it is, or by a name that is no file's.
    """
    namespace_uid, workload = placement.spec.workload.namespace_uid, placement.metadata.name
    if namespace_uid is None:
        raise PlanError("the placement does not say its namespace's UID (workload.namespaceUID)")
    if not _DISK.fullmatch(disk) or not _WORKLOAD.fullmatch(workload):
        raise PlanError(f"{workload!r} and {disk!r} name no file")
    folder = state_directory / FOLDER / namespace_uid / workload
    return folder / f"{disk}{_SUFFIXES[DiskFormat(form)]}"


def remove_scratch(folder: Path) -> None:
    """Remove what an agent left that was killed over a disk: it may be the disk's second name.

    A file with two names is given to nobody.
    """
    for left in folder.glob(f"*{SCRATCH}"):
        left.unlink(missing_ok=True)


def remove_disks(state_directory: Path, placement: VMPlacement, names: Sequence[str]) -> bool:
    """Remove disks whose workload is gone; say whether they are. One in use is left alone."""
    try:
        for disk, form in ((name, form) for name in names for form in DiskFormat):
            path = persistent_file(state_directory, placement, disk, form)
            if os.path.lexists(path):
                if not path.is_symlink() and is_locked(path):
                    return False
                path.unlink()
                sync_folder(path.parent)
    except PlanError:
        return True  # it never had any
    except OSError:
        return False
    return True


def locked_for(backend: Backend, disks: Iterable[DiskFiles]) -> tuple[Path, ...]:
    """Return the Persistent disks that a VMM does not lock itself against a second writer."""
    if TRAITS[backend].locks_disks:
        return ()
    return tuple(one.overlay for one in disks if one.disk.access is DiskAccess.PERSISTENT)


def is_there(files: DiskFiles, namespace: str) -> bool:
    """Say whether a disk is there, and is ours to write.

    Raises:
        DiskError: it is there and must not be used.
    """
    path, name = files.overlay, files.disk.name
    for other in _SUFFIXES.values():
        if path.suffix != other and os.path.lexists(path.with_suffix(other)):
            told = f"{name}: {path.with_suffix(other)} is there, format: {files.disk.format.value}"
            raise DiskError(told, codes.DISK_FORMAT_CHANGED)
    if not os.path.lexists(path):
        return False
    _check_owner(path.parent.parent / OWNER, namespace, name)
    if path.is_symlink() or not path.is_file():
        raise DiskError(f"{name}: {path} is no regular file", codes.DISK_UNUSABLE)
    try:
        if files.disk.format is DiskFormat.QCOW2:
            read_qcow2_size(path)
        locked = is_locked(path)
    except (OSError, ValueError) as error:
        raise DiskError(f"{name}: {error}", codes.DISK_UNUSABLE) from error
    if locked:
        raise DiskError(f"{name}: another process has locked {path}", codes.DISK_IN_USE)
    return True


def _check_owner(path: Path, namespace: str, disk: str) -> None:
    try:
        said = json.loads(path.read_bytes()[:4096])["namespace"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DiskError(f"{disk}: {path} cannot be read", codes.DISK_OF_ANOTHER) from error
    if said != namespace:
        told = f"{disk}: {path} says namespace {str(said)[:64]!r}, the workload is in {namespace!r}"
        raise DiskError(told, codes.DISK_OF_ANOTHER)


def make_folders(folder: Path, namespace: str, disk: str) -> None:
    """Make the folders down to a workload's disks, and say whose they are, before any disk."""
    top = folder.parent.parent
    for one in (top, folder.parent):
        one.mkdir(parents=True, exist_ok=True, mode=0o700)
        sync_folder(one.parent)
    owner = folder.parent / OWNER
    if owner.exists():
        _check_owner(owner, namespace, disk)
    else:
        write_whole(owner, json.dumps({"namespace": namespace}).encode())
    folder.mkdir(exist_ok=True, mode=0o700)
    sync_folder(folder.parent)
