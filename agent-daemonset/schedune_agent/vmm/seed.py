"""The NoCloud seed: a read-only disk labelled CIDATA that tells the guest who it is."""

import io
from collections.abc import Mapping
from typing import Final

import pycdlib

from schedune.api.vmplacement import LaunchDisk
from schedune.api.vmworkload import DiskAccess, DiskFormat
from schedune.launch.seed import SEED_DISK
from schedune_agent.system.whole_files import write_whole
from schedune_agent.vmm.disk_files import DiskError
from schedune_agent.vmm.port import DiskFiles, VmPaths

_LABEL: Final = "CIDATA"


def seed_disk(paths: VmPaths) -> DiskFiles:
    """Return the seed as one more disk of the launch."""
    disk = LaunchDisk(name=SEED_DISK, format=DiskFormat.RAW, access=DiskAccess.READ_ONLY)
    file = paths.disks / f"{SEED_DISK}.iso"
    return DiskFiles(disk, file, file)


def make_seed(paths: VmPaths, files: Mapping[str, bytes]) -> None:
    """Put the seed on disk, whole, for its owner only; an earlier incarnation's is replaced.

    Raises:
        DiskError: it cannot be made.
    """
    try:
        paths.disks.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_whole(paths.disks / f"{SEED_DISK}.iso", seed_image(files))
    except OSError as error:
        raise DiskError(f"{SEED_DISK}: {error}") from error


def seed_image(files: Mapping[str, bytes]) -> bytes:
    """Return an ISO 9660 image of these files, under their names for Linux and Windows alike."""
    image, out = pycdlib.PyCdlib(), io.BytesIO()
    image.new(interchange_level=3, vol_ident=_LABEL, joliet=3, rock_ridge="1.09")
    for name, content in files.items():
        iso_name = name.upper().replace("-", "_")
        image.add_fp(
            io.BytesIO(content), len(content), f"/{iso_name}.;1",
            rr_name=name, joliet_path=f"/{name}",
        )  # fmt: skip
    image.write_fp(out)
    image.close()
    return out.getvalue()
