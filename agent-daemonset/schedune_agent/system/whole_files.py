"""Files that are on disk whole or not at all, also after the machine lost power."""

import os
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, for its owner only, so that a crash leaves the old one or the new one.

    Raises:
        OSError: it is not on disk for sure; nothing half-written is left.
    """
    fresh = path.with_name(f"{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to disk.

    Raises:
        OSError: they are not there for sure.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
