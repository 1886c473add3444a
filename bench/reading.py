"""The baseline of a probe round: a bare loop that reads the same files once."""

import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

_MOST: Final = 65536
"""Bytes read of each file: more is the content of images, of which a round reads the heads."""


async def files_read_by(act: Callable[[], Awaitable[object]]) -> list[Path]:
    """Return the files that this process opens for reading while it acts."""
    opened: dict[str, None] = {}
    listens = True

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if not listens or event != "open" or not isinstance(arguments[0], (str, bytes)):
            return
        if not arguments[2] & (os.O_WRONLY | os.O_RDWR):
            opened[os.fsdecode(arguments[0])] = None

    sys.addaudithook(hear)  # can not be removed, hence the switch
    await act()
    listens = False
    return [path for one in opened if (path := Path(one)).is_file() and path.is_absolute()]


def read_once(files: list[Path]) -> int:
    """Read the beginning of each file; return how many bytes that were."""
    size = 0
    for path in files:
        try:
            with path.open("rb", buffering=0) as stream:
                size += len(stream.read(_MOST) or b"")
        except OSError:
            continue
    return size
