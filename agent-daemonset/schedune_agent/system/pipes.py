"""Named pipes for what a program writes without end: the kernel bounds them, not a reader.

Whoever writes opens the pipe for reading too, so that it lives, and holds what was
written, while nobody reads. When it is full, more is lost: the first of it is kept.
"""

import contextlib
import fcntl
import os
import stat
from pathlib import Path
from typing import Final

HELD_BYTES: Final = 256 * 1024
"""What the kernel holds until it is read, where it lets us have so much; else 64 KiB."""
_AT_ONCE: Final = 65536


class NamedPipe:
    """The reader's end of a named pipe."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def make(self) -> None:
        """Make the pipe for whoever owns its folder, unless it is there, and open it.

        Raises:
            OSError: it cannot be made, or what has its name is no pipe.
        """
        with contextlib.suppress(FileExistsError):
            os.mkfifo(self._path, 0o600)
            owner = self._path.parent.stat()
            os.chown(self._path, owner.st_uid, owner.st_gid, follow_symlinks=False)
        self.open()

    def open(self) -> None:
        """Open the pipe; an open one stays as it is.

        Raises:
            OSError: it is not there, or what has its name is no pipe.
        """
        if self._descriptor is not None:
            return
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self._path, flags)
        if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(f"{self._path} is no named pipe")
        with contextlib.suppress(OSError):
            # Beyond what an unprivileged user may have: 64 KiB will do.
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, HELD_BYTES)
        self._descriptor = descriptor

    def drain(self, most: int = HELD_BYTES) -> bytes:
        """Return what is in it, at most so much: a writer that never rests is left at that."""
        found = bytearray()
        if self._descriptor is None:
            return b""
        with contextlib.suppress(BlockingIOError):
            while len(found) < most:
                part = os.read(self._descriptor, min(_AT_ONCE, most - len(found)))
                if not part:
                    break
                found += part
        return bytes(found)

    def close(self) -> None:
        """Let go; the pipe goes on holding what is written."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
