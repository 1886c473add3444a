"""A file that grows at its end and is bounded all the same: two halves, the older one goes."""

import contextlib
import os
from pathlib import Path
from typing import Final

_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW


class RotatedFile:
    """The last bytes that were appended: between one and two halves of them."""

    def __init__(self, path: Path, half_bytes: int) -> None:
        self.path = path
        self.older = path.with_name(f"{path.name}.1")
        self._half = half_bytes

    def append(self, content: bytes) -> None:
        """Put bytes at the end; of more than fits, the last.

        Raises:
            OSError: they, or some of them, are not there.
        """
        content = content[-self._half :]
        if not content:
            return
        descriptor = self._open()
        if os.fstat(descriptor).st_size + len(content) > self._half:
            os.close(descriptor)
            self.path.replace(self.older)
            descriptor = self._open()
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)

    def _open(self) -> int:
        return os.open(self.path, _FLAGS, 0o600)

    def whole(self) -> bytes:
        """Return all that is kept; nothing was ever appended: nothing.

        Raises:
            PermissionError: it may not be read.
        """
        kept = []
        for path in (self.older, self.path):
            with contextlib.suppress(FileNotFoundError):
                kept.append(path.read_bytes())
        return b"".join(kept)
