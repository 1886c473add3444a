"""The small files of /proc, /sys, /dev and /etc: of this machine, or of a recorded tree."""

import os
import stat
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

LIMIT: Final = 65536
"""Bytes that are read of a file: the kernel's are smaller, and garbage must not flood us."""


class Cause(StrEnum):
    """Why a file could not be read."""

    ABSENT = "absent"
    DENIED = "denied"
    ERROR = "error"


class UnreadableError(Exception):
    """A file that says nothing; a missing one is told apart from a denied one."""

    def __init__(self, path: str, cause: Cause, detail: str) -> None:
        super().__init__(f"{path}: {detail}")
        self.path = path
        self.cause = cause


@dataclass(frozen=True, slots=True)
class HostFiles:
    """Reads below a root, bounded, and never waits: a FIFO or a device is no file."""

    root: Path = Path("/")

    @property
    def is_live(self) -> bool:
        """Say whether this is the machine that we run on, so that it can be asked by calls too."""
        return self.root == Path("/")

    def read(self, path: str) -> str:
        """Return a file's text, at most 64 KiB of it, whatever bytes it holds.

        Raises:
            UnreadableError: it is missing, denied, no regular file, or reading it failed.
        """
        try:
            descriptor = os.open(self.at(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise _unreadable(path, error) from error
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise UnreadableError(path, Cause.ERROR, "is no regular file")
            return _read_all(descriptor).decode(errors="replace")
        except OSError as error:
            raise _unreadable(path, error) from error
        finally:
            os.close(descriptor)

    def read_or(self, path: str, default: str = "") -> str:
        """Return a file's text without the space around it; ``default`` where it is missing.

        Raises:
            UnreadableError: it is there and cannot be read.
        """
        try:
            return self.read(path).strip()
        except UnreadableError as error:
            if error.cause is Cause.ABSENT:
                return default
            raise

    def names(self, path: str) -> list[str]:
        """Return what a folder holds, sorted; nothing where it is missing.

        Raises:
            UnreadableError: it is there and cannot be read.
        """
        try:
            return sorted(os.listdir(self.at(path)))  # noqa: PTH208 - names, not paths
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _unreadable(path, error) from error

    def exists(self, path: str) -> bool:
        """Say whether there is something of that name."""
        return self.at(path).exists()

    def identity(self, path: str) -> tuple[int, int] | None:
        """Return device and inode, which a thing that is made anew has not; None: nothing there."""
        try:
            found = self.at(path).stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def at(self, path: str) -> Path:
        """Return where it is on this machine."""
        return self.root / path.lstrip("/")


HOST: Final = HostFiles()
"""This machine."""


def _read_all(descriptor: int) -> bytes:
    found = bytearray()
    while len(found) < LIMIT and (chunk := os.read(descriptor, LIMIT - len(found))):
        found.extend(chunk)
    return bytes(found)


def _unreadable(path: str, error: OSError) -> UnreadableError:
    cause = Cause.ERROR
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        cause = Cause.ABSENT
    elif isinstance(error, PermissionError):
        cause = Cause.DENIED
    return UnreadableError(path, cause, error.strerror or str(error))
