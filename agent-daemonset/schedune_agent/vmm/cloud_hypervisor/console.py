"""The guest's serial console, read at the socket where Cloud Hypervisor holds it for us.

While nobody reads, the last 1 MiB stays in the VMM; a reader that is slow is not waited
for. So the console is bounded whatever the guest writes and whether or not an agent runs.
"""

import asyncio
from pathlib import Path
from typing import Final

from schedune_agent.system import sockets

_PIECE: Final = 65536
_QUIET_SECONDS: Final = 0.05
_MOST_PIECES: Final = 64
"""For one look: a guest that never stops writing does not hold it up."""


class ConsoleSocket:
    """One reader of one console."""

    def __init__(self, path: Path, pid: int) -> None:
        self._path = path
        self._pid = pid
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def look(self) -> bytes:
        """Return what was written since the last look, as far as it is still there."""
        pieces = []
        try:
            for _ in range(_MOST_PIECES):
                piece = await self._read()
                if not piece:
                    break
                pieces.append(piece)
        except (OSError, TimeoutError):
            self.close()
        return b"".join(pieces)

    async def _read(self) -> bytes:
        """Return the next piece; nothing: there is none now, or the VMM has hung up."""
        reader = await self._connected()
        if reader is None:
            return b""
        try:
            async with asyncio.timeout(_QUIET_SECONDS):
                piece = await reader.read(_PIECE)
        except TimeoutError:
            return b""
        if not piece:
            self.close()
        return piece

    async def _connected(self) -> asyncio.StreamReader | None:
        if self._streams is None:
            reader, writer, pid = await sockets.connect(
                self._path, timeout_s=_QUIET_SECONDS, limit=_PIECE
            )
            if pid != self._pid:
                writer.close()
                return None
            self._streams = reader, writer
        return self._streams[0]

    def close(self) -> None:
        """Let go; the VMM holds what comes from now on."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
