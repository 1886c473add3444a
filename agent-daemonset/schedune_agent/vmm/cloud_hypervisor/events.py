"""What Cloud Hypervisor tells of a VM's life, read bit by bit and folded into a few facts.

It writes JSON objects with a blank line behind each, and keeps none back: the file is
there for an agent that comes later, too.
"""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from schedune_agent.vmm.reboots import Reboots

_PIECE: Final = 65536
_LONGEST: Final = 65536
_END: Final = b"\n\n"
_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""The VMM may put anything in the file's place; it is not followed, nor waited for."""


class EventDecoder:
    """Makes events of whatever pieces the bytes come in; what is no event is passed over."""

    def __init__(self) -> None:
        self._rest = b""
        self._skips = False

    def feed(self, piece: bytes) -> list[dict[str, object]]:
        """Return the events that are complete now."""
        *whole, self._rest = (self._rest + piece).split(_END)
        if whole and self._skips:
            whole, self._skips = whole[1:], False
        if len(self._rest) > _LONGEST:
            self._rest, self._skips = b"", True
        found = (_parse(one) for one in whole)
        return [one for one in found if one is not None]


def _parse(text: bytes) -> dict[str, object] | None:
    if len(text) > _LONGEST:
        return None
    try:
        event = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None


@dataclass
class History:
    """What the events say of one process, from its first one on."""

    is_whole: bool = False
    """Whether they begin with its start: else nobody knows what came before."""
    has_booted: bool = False
    is_over: bool = False
    """The VM was shut down and not booted since."""
    by_guest: bool = False
    """The guest let go of its devices before that: so it was its own doing."""
    has_panicked: bool = False
    reboots: Reboots = field(default_factory=Reboots)
    _is_empty: bool = True

    def add(self, event: dict[str, object]) -> None:
        """Take in the next event; one that is not known changes nothing."""
        match event.get("source"), event.get("event"):
            case "vmm", "starting" if self._is_empty:
                self.is_whole = True
            case "vm", "booted":
                self.has_booted, self.is_over, self.by_guest = True, False, False
            case "vm", "rebooted":
                self.reboots.add(_seconds(event))
                self.by_guest = False
            case "vm", "shutdown":
                self.is_over = True
            case "guest", "panic":
                self.has_panicked = True
            case "virtio-device", "activated":
                self.by_guest = False
            case "virtio-device", "reset" if not self.is_over:
                self.by_guest = True
        self._is_empty = False


def _seconds(event: dict[str, object]) -> object:
    stamp = event.get("timestamp")
    return stamp.get("secs") if isinstance(stamp, dict) else None


class EventFile:
    """The file of one process, read on from where the last look ended."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._decoder = EventDecoder()
        self._history = History()
        self._at = 0

    @property
    def has_news(self) -> bool:
        """Whether there is more than was looked at."""
        try:
            return self._path.lstat().st_size > self._at
        except OSError:
            return False

    def look(self) -> History:
        """Return what is told up to now; a file that is gone tells no more."""
        try:
            with os.fdopen(os.open(self._path, _FLAGS), "rb") as file:
                if os.fstat(file.fileno()).st_size < self._at:
                    return self._history
                file.seek(self._at)
                while piece := file.read(_PIECE):
                    self._at += len(piece)
                    for event in self._decoder.feed(piece):
                        self._history.add(event)
        except OSError:
            pass
        return self._history
