"""Notice changes in folders when they happen, by inotify; without it the period has to do.

A folder that is not there yet is waited for in the nearest one above it. Links are not
followed out of a folder: what changes behind them is seen by the next round of probes.
"""

import asyncio
import ctypes
import errno
import logging
import os
import re
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schedune_agent.system.patience import to_its_end

_LOG: Final = logging.getLogger(__name__)
_HEADER: Final = struct.Struct("iIII")
_BUFFER: Final = 65536
_ATTRIB, _CLOSE_WRITE, _MOVED, _CREATE, _DELETE = 0x4, 0x8, 0xC0, 0x100, 0x200
_DELETE_SELF, _MOVE_SELF, _OVERFLOW, _IGNORED = 0x400, 0x800, 0x4000, 0x8000
_ONLYDIR: Final = 0x01000000
_MASK_ADD: Final = 0x20000000
"""Several of ours may want one folder: their masks add up."""
_NOT_THERE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EACCES})
_NAMES_CHANGE: Final = _ATTRIB | _MOVED | _CREATE | _DELETE | _DELETE_SELF | _MOVE_SELF
_CONTENT_CHANGES: Final = _NAMES_CHANGE | _CLOSE_WRITE
QUIET_S: Final = 0.5
"""After a change, so long nothing more must happen: a copy is many writes."""
LONGEST_S: Final = 3.0
"""Whoever never stops is looked at in between."""
SPACING_S: Final = 2.0
"""Between two looks: nobody shall keep the agent busy by touching a file."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A folder, and what matters in it."""

    folder: Path
    names: re.Pattern[str] | None = None
    """Only names that match whole; None: everything."""
    contents: bool = True
    """Whether a file that was written counts too; in /dev everybody writes all the time."""


class Watcher:
    """One inotify instance."""

    def __init__(self, watched: Sequence[Watched]) -> None:
        """Make the instance; it watches once it is armed.

        Raises:
            OSError: there is no inotify, or no more of it.
        """
        self._library = ctypes.CDLL(None, use_errno=True)
        self._watched = list(watched)
        self._by_number: dict[int, list[Watched]] = {}
        self.descriptor = self._library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.descriptor < 0:
            number = ctypes.get_errno()
            raise OSError(number, f"inotify: {os.strerror(number)}")

    def close(self) -> None:
        """End it."""
        os.close(self.descriptor)

    def arm(self) -> None:
        """Watch each folder, or where it is missing, the way to it in the nearest above it."""
        known: dict[int, list[Watched]] = {}
        for one in self._watched:
            folder, wanted = one.folder, one
            number = self._add(wanted)
            while number is None and folder != folder.parent:
                way = re.compile(re.escape(folder.name))
                folder = folder.parent
                wanted = Watched(folder, way, contents=False)
                number = self._add(wanted)
            if number is not None:
                known.setdefault(number, []).append(wanted)
        self._by_number = known

    def _add(self, one: Watched) -> int | None:
        mask = (_CONTENT_CHANGES if one.contents else _NAMES_CHANGE) | _ONLYDIR | _MASK_ADD
        number = int(
            self._library.inotify_add_watch(self.descriptor, os.fsencode(one.folder), mask)
        )
        if number >= 0:
            return number
        why = ctypes.get_errno()
        if why not in _NOT_THERE:
            extra = {"folder": str(one.folder), "error": os.strerror(why)}
            _LOG.warning("watch.refused", extra=extra)
        return None

    def take(self) -> bool:
        """Read what happened; say whether any of it matters."""
        matters = False
        while True:
            try:
                data = os.read(self.descriptor, _BUFFER)
            except BlockingIOError:
                return matters
            at = 0
            while at < len(data):
                number, mask, _, length = _HEADER.unpack_from(data, at)
                at += _HEADER.size
                name = os.fsdecode(data[at : at + length].rstrip(b"\0"))
                at += length
                matters |= self._matters(number, mask, name)

    def _matters(self, number: int, mask: int, name: str) -> bool:
        if mask & _OVERFLOW:
            return True
        if mask & _IGNORED:
            return False
        if mask & (_DELETE_SELF | _MOVE_SELF):
            return True
        return any(
            (one.names is None or one.names.fullmatch(name) is not None)
            and bool(one.contents or mask & _NAMES_CHANGE)
            for one in self._by_number.get(number, ())
        )


async def changes(watched: Sequence[Watched]) -> AsyncIterator[None]:
    """Give a turn when everything is watched, and after each burst of changes.

    Ends at once where nothing can be watched.
    """
    try:
        watcher = Watcher(watched)
    except OSError as error:
        _LOG.warning("watch.not-possible", extra={"error": str(error)})
        return
    loop, happened = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(watcher.descriptor, lambda: happened.set() if watcher.take() else None)
    try:
        while True:
            # In a thread: the way to a folder may lead over a server that does not answer.
            await to_its_end(watcher.arm)
            yield
            await asyncio.sleep(SPACING_S)
            await happened.wait()
            await _until_quiet(happened)
    finally:
        loop.remove_reader(watcher.descriptor)
        watcher.close()


async def _until_quiet(happened: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(LONGEST_S):
            while happened.is_set():
                happened.clear()
                await asyncio.sleep(QUIET_S)
    except TimeoutError:
        happened.clear()


async def watch(watched: Sequence[Watched], on_change: Callable[[], None]) -> None:
    """Call after each burst of changes, for ever; return where nothing can be watched."""
    async for _ in changes(watched):
        on_change()
