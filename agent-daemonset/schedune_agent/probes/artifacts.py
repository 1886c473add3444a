"""The inventory: which files under the image roots could a VM boot from?"""

import asyncio
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from schedune.api.nodetruth import Artifact
from schedune.evidence.images import HEADER_BYTES, inspect_image

MOST: Final = 64
_MOST_LOOKED_AT: Final = 4096
_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")
"""Other names can not be referred to by a workload."""
_Key = tuple[int, int, int, int]


class ArtifactProbe:
    """Looks at files once and again only when they changed."""

    def __init__(self, roots: list[Path]) -> None:
        self._roots = roots
        self._known: dict[_Key, Artifact] = {}

    async def __call__(self) -> tuple[list[Artifact], int]:
        """Return the artefacts by name, at most 64, and how many more there are."""
        return await asyncio.to_thread(self._look)

    def _look(self) -> tuple[list[Artifact], int]:
        found: dict[str, Artifact] = {}
        seen: dict[_Key, Artifact] = {}
        for path in self._files():
            if path.name in found:
                continue
            read = self._read(path)
            if read is not None:
                key, artifact = read
                found[path.name] = seen[key] = artifact
        self._known = seen
        ordered = [found[name] for name in sorted(found)]
        return ordered[:MOST], max(0, len(ordered) - MOST)

    def _files(self) -> Iterator[Path]:
        looked_at = 0
        for root in self._roots:
            if not root.is_dir():
                continue
            for entry in sorted(os.scandir(root), key=lambda one: one.name):
                looked_at += 1
                if looked_at > _MOST_LOOKED_AT:
                    return
                if entry.is_file(follow_symlinks=False) and _NAME.fullmatch(entry.name):
                    yield Path(entry.path)

    def _read(self, path: Path) -> tuple[_Key, Artifact] | None:
        """Open once, without following links or waiting for a FIFO, and look at that file."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return None
            key = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
            known = self._known.get(key)
            if known is not None and known.name == path.name:
                return key, known
            return key, _artifact(path.name, status.st_size, os.pread(descriptor, HEADER_BYTES, 0))
        finally:
            os.close(descriptor)


def _artifact(name: str, size: int, header: bytes) -> Artifact:
    found = inspect_image(header)
    return Artifact(
        name=name[:128],
        kind=found.kind,
        format=found.format,
        size_bytes=size,
        virtual_size_bytes=found.virtual_size,
        architecture=found.architecture,
        evidence=found.evidence,
    )
