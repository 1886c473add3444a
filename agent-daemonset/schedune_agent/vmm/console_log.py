"""What a guest wrote on its console, kept on disk: bounded, whatever the guest writes.

It outlives the VMM and the agent, so that why a guest died can be read after it died. All
of it is the guest's own text: it proves nothing, and is shown escaped only.
"""

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from schedune_agent.system.rotated import Reader, RotatedFile

HALF_BYTES: Final = 256 * 1024
"""The last 256 KiB are there at least, 512 KiB at most."""
LONGEST_LINE: Final = 200
_NAME: Final = "console.log"
_BEGIN: Final = b"[schedune] incarnation "
_PANIC: Final = b"Kernel panic - not syncing"
_LEFT_OUT: Final = "..."
_COLOUR: Final = re.compile(rb"\x1b\[[0-9;]{0,16}m")
_NO_UTF8: Final = ("\udc80", "\udcff")
"""How Python holds bytes that are no UTF-8."""
_LOG: Final = logging.getLogger(__name__)


class ConsoleLog:
    """The kept console of one placement, of all its incarnations."""

    def __init__(self, folder: Path, half_bytes: int = HALF_BYTES) -> None:
        self._file = RotatedFile(folder / _NAME, half_bytes)
        self._is_told = False

    @property
    def path(self) -> Path:
        """Where its newer half is."""
        return self._file.path

    def append(self, content: bytes) -> None:
        """Keep more of it; a disk that takes no more loses console, and nothing else."""
        try:
            self._file.append(content)
        except OSError as error:
            if not self._is_told:
                _LOG.warning(
                    "console.not-kept", extra={"path": str(self.path), "error": str(error)}
                )
            self._is_told = True
        else:
            self._is_told = False

    def begin(self, incarnation: int) -> None:
        """Mark where another incarnation begins: what one before it wrote is not its own."""
        self.append(b"\n" + _BEGIN + b"%d\n" % incarnation)

    def whole(self) -> bytes:
        """Return all that is kept, as the guest wrote it.

        Raises:
            OSError: it cannot be read; that nothing was kept is no error.
        """
        return self._file.whole()

    def reader(self) -> Reader:
        """Read what is kept, and then what is added."""
        return self._file.reader()

    def tail(self, lines: int) -> tuple[str, ...]:
        """Return the last lines of this incarnation that hold something, escaped.

        What cannot be read is nothing.
        """
        return last_lines(self.own(), lines)

    def own(self) -> bytes:
        """Return what is kept of this incarnation; what cannot be read is nothing."""
        try:
            _, mark, own = self.whole().rpartition(b"\n" + _BEGIN)
        except OSError:
            return b""
        return own.partition(b"\n")[2] if mark else own


def last_lines(content: bytes, lines: int) -> tuple[str, ...]:
    """Return the last lines that hold something, each escaped and bounded.

    Behind the line in which a kernel says why it panics come more lines than these, of
    its registers: then a half of them begins with that line.
    """
    if lines <= 0:
        return ()
    found = [line for line in map(bytes.strip, content.splitlines()) if line]
    last = [_shown(line) for line in found[-lines:]]
    panics = (at for at, line in enumerate(found) if _PANIC in line)
    why = next(panics, len(found))
    if why >= len(found) - lines:
        return tuple(last)
    half = lines // 2
    first = [_shown(line) for line in found[why : why + half]]
    rest = lines - half - 1
    return (*first, _LEFT_OUT, *last[len(last) - rest :]) if half else tuple(last)


def _shown(line: bytes) -> str:
    return escape(line[:LONGEST_LINE])[:LONGEST_LINE]


def escape(line: bytes) -> str:
    """Return a line in printable ASCII: no terminal and no reader is led astray by it.

    Colours, which are common and say nothing, are left out.
    """
    return "".join(_characters(_COLOUR.sub(b"", line)))


def show(content: bytes) -> str:
    """Return a piece of console for a terminal: lines stay lines, all else is escaped."""
    return "\n".join(escape(line.rstrip(b"\r")) for line in content.split(b"\n"))


def _characters(line: bytes) -> Iterator[str]:
    for character in line.decode("utf-8", "surrogateescape"):
        if _NO_UTF8[0] <= character <= _NO_UTF8[1]:
            yield f"\\x{ord(character) & 0xFF:02x}"
        else:
            yield character.encode("unicode_escape").decode()
