"""A disk on which the n-th write of this process finds no space, at whatever call that is.

Calls of ``os`` are replaced, so that code under test meets the fault exactly where a real
disk gives it: a name that cannot be made, half of a content, a sync that fails.
"""

import errno
import io
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

_BY_PATH = ("mkdir", "truncate")
_BY_TARGET = ("replace", "rename", "link")
_BY_DESCRIPTOR = ("fsync", "ftruncate", "sendfile")


class FullDisk:
    """The folders that are on one disk: their writes are counted, and fail when it is full."""

    def __init__(self, patch: pytest.MonkeyPatch, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._lock = threading.Lock()
        self._full = range(0)
        self._only = ""
        self.written: list[str] = []
        """The writes since the disk was said to fill, each as ``call name``."""
        self.failed: list[str] = []
        """Those of them that failed."""
        for names, at in ((_BY_PATH, 0), (_BY_TARGET, 1), (_BY_DESCRIPTOR, 0)):
            for name in names:
                patch.setattr(os, name, self._counted(name, getattr(os, name), at))
        patch.setattr(os, "open", self._open(os.open))
        patch.setattr(os, "fdopen", self._fdopen(os.fdopen))

    def fill(self, at: int, writes: int, only: str = "") -> None:
        """Count from one again, and let so many writes fail from this one on.

        ``only`` is how the names begin whose writes are counted; "": of all.
        """
        with self._lock:
            self.written, self.failed, self._full = [], [], range(at, at + writes)
            self._only = only

    def has_no_room(self, call: str, where: str | int) -> bool:
        """Count one write below the folders, and say whether it is to fail."""
        try:
            is_open = isinstance(where, int)
            path = Path(f"/proc/self/fd/{where}").readlink() if is_open else Path(where)
        except OSError:
            return False
        if not any(path.is_relative_to(folder) for folder in self._folders):
            return False
        with self._lock:
            if not path.name.startswith(self._only):
                return False
            self.written.append(f"{call} {path.name}")
            is_full = len(self.written) in self._full
            self.failed += self.written[-1:] if is_full else []
            return is_full

    def _counted(self, name: str, inner: Callable[..., Any], at: int) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self._refuse(name, arguments[at])
            return inner(*arguments, **options)

        return call

    def _open(self, inner: Callable[..., int]) -> Callable[..., int]:
        def call(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
            if flags & os.O_CREAT:
                self._refuse("open", path)
            return inner(path, flags, *arguments, **options)

        return call

    def _fdopen(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        def call(descriptor: int, mode: str = "r", *arguments: Any, **options: Any) -> Any:
            if mode != "wb":
                return inner(descriptor, mode, *arguments, **options)
            return io.BufferedWriter(_File(self, descriptor))

        return call

    def _refuse(self, call: str, where: Any) -> None:
        if self.has_no_room(call, where if isinstance(where, int) else os.fspath(where)):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class _File(io.FileIO):
    """A file of which the disk takes one half, and then no more."""

    def __init__(self, disk: FullDisk, descriptor: int) -> None:
        super().__init__(descriptor, "wb")
        self._disk = disk
        self._is_full = False

    def write(self, content: Any) -> int:
        if self._is_full:
            self._is_full = False
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        view = memoryview(content)
        self._is_full = self._disk.has_no_room("write", self.fileno())
        if self._is_full and len(view) > 1:
            return super().write(view[: len(view) // 2])
        return super().write(view)
