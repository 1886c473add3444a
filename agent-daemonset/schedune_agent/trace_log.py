"""Every move of a placement on disk, one line of JSON each: only the last are in its record."""

import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from schedune.api.vmplacement import TraceEntry
from schedune_agent.system.rotated import RotatedFile

HALF_BYTES: Final = 256 * 1024
_NAME: Final = "trace.log"
_LOG: Final = logging.getLogger(__name__)


class TraceLog:
    """The moves of one placement, oldest first; lines are only added.

    The record is the truth and is written first: what a crash kept from this file is
    added with the next move.
    """

    def __init__(self, folder: Path, half_bytes: int = HALF_BYTES) -> None:
        self._file = RotatedFile(folder / _NAME, half_bytes)
        self._is_whole = False
        """Whether the file is known to hold all of the record's trace."""

    def add(self, entries: Sequence[TraceEntry], trace: Sequence[TraceEntry]) -> None:
        """Add the newest moves of a record's trace, and those before them that are missing.

        A disk that takes no more loses them here, and the next move brings them again.
        """
        lines = [_line(entry) for entry in (entries if self._is_whole else trace)]
        try:
            if not self._is_whole:
                last = self._last_line()
                known = lines[::-1].index(last) if last in lines else len(lines)
                lines = lines[len(lines) - known :]
            self._file.append("".join(f"{line}\n" for line in lines).encode())
        except OSError as error:
            _LOG.warning(
                "trace.not-kept", extra={"path": str(self._file.path), "error": str(error)}
            )
            self._is_whole = False
        else:
            self._is_whole = True

    def entries(self) -> Iterator[TraceEntry]:
        """Give what is kept; a line that a crash cut is skipped.

        Raises:
            OSError: it cannot be read.
        """
        for line in self._file.whole().splitlines():
            try:
                yield TraceEntry.model_validate_json(line)
            except ValidationError:
                continue

    def _last_line(self) -> str:
        """Return the last whole line; one that a crash cut is closed, and is none."""
        whole, _, cut = self._file.whole().rpartition(b"\n")
        if cut:
            self._file.append(b"\n")
        return whole.rpartition(b"\n")[2].decode(errors="replace")


def _line(entry: TraceEntry) -> str:
    return json.dumps(entry.render(), separators=(",", ":"))
