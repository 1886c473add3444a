"""List the persistent disks below a folder, as ``persistent_disks`` lays them out.

Runs as a child (standard library only) that a deadline kills. Usage:
``persistent_disks_child.py FOLDER MOST``; prints one JSON object: ``disks`` (each with path,
namespace, namespaceUID, workload, disk, size), ``strange`` (paths of what is no disk) and
``more`` (there are more than MOST). Nothing is followed that is a link, and nothing waited for.
"""

import errno
import json
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

OWNER: Final = "owner.json"
MAGIC: Final = b"QFI\xfb"


def find(top: Path, most: int) -> dict[str, Any]:
    """Return what is there; a missing folder holds nothing."""
    disks: list[dict[str, Any]] = []
    strange: list[str] = []
    for path, namespace in files_below(top, strange):
        if len(disks) + len(strange) >= most:
            return {"disks": disks, "strange": strange, "more": True}
        size = size_of(path)
        if size is None:
            strange.append(str(path))
            continue
        disks.append({
            "path": str(path), "namespace": namespace, "namespaceUID": path.parts[-3],
            "workload": path.parts[-2], "disk": path.stem, "size": size,
        })  # fmt: skip
    return {"disks": disks, "strange": strange, "more": False}


def files_below(top: Path, strange: list[str]) -> Iterator[tuple[Path, str]]:
    """Yield what is where disks are, with the name of its namespace."""
    for folder in folders_in(top, strange) if os.path.lexists(top) else ():
        namespace = namespace_of(folder)
        for workload in folders_in(folder, strange):
            for path in sorted(workload.iterdir()):
                yield path, namespace


def folders_in(folder: Path, strange: list[str]) -> Iterator[Path]:
    """Yield the folders in a folder; what is none is strange."""
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink():
            yield path
        elif path.name != OWNER:
            strange.append(str(path))


def namespace_of(folder: Path) -> str:
    """Return the name that is beside a namespace's disks; "" where it is missing or garbage."""
    try:
        return str(json.loads(beginning(folder / OWNER, 4096))["namespace"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def size_of(path: Path) -> int | None:
    """Return the size that the guest sees; None: it is no disk."""
    try:
        header = beginning(path, 32)
        if path.suffix == ".raw":
            return path.stat().st_size
    except OSError:
        return None
    is_qcow2 = path.suffix == ".qcow2" and header[:4] == MAGIC and len(header) == 32
    return int.from_bytes(header[24:32], "big") if is_qcow2 else None


def beginning(path: Path, most: int) -> bytes:
    """Return the first bytes of a regular file, which is no link.

    Raises:
        OSError: it is none.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY | os.O_NOFOLLOW
    descriptor = os.open(path, flags)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "is no regular file")
        return os.read(descriptor, most)
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(find(Path(sys.argv[1]), int(sys.argv[2]))))
