"""The sha256 of each file: once for each content, small files first, never in a hurry."""

import asyncio
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from schedune_agent.probes.image_roots import ImageFile, Key
from schedune_agent.probes.image_work import BATCH, Answer, work_on

MOST_BYTES: Final = 64 * 2**30
"""A larger file gets no digest: it would keep a disk busy for a quarter of an hour."""
SMALL_BYTES: Final = 64 * 2**20
"""Up to this, a kernel's size, a file is digested at once; a larger one once it rests."""
_SLOWEST: Final = 8 * 2**20
"""Bytes a second that a disk must give."""
_LEAST_S: Final = 60
_SHA256: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_LOG: Final = logging.getLogger(__name__)

Missing = Literal["NotComputedYet", "TooLarge", "Unreadable"]


@dataclass(frozen=True, slots=True)
class Digest:
    """A digest, or why there is none."""

    sha256: str | None = None
    missing: Missing | None = None


class Digests:
    """Digests files in the background, one child at a time."""

    def __init__(self) -> None:
        self._known: dict[Key, Digest] = {}
        self._seen: set[Key] = set()
        self._task: asyncio.Task[None] | None = None

    def of(self, file: ImageFile) -> Digest:
        """Return what is known of the file's digest."""
        if file.size > MOST_BYTES:
            return Digest(missing="TooLarge")
        return self._known.get(file.key, Digest(missing="NotComputedYet"))

    def go_on(self, files: Sequence[ImageFile]) -> None:
        """Start on what is next, unless something is under way; called once a round."""
        keys = {one.key for one in files}
        self._known = {key: one for key, one in self._known.items() if key in keys}
        rested, self._seen = self._seen, keys
        if self._task is not None and not self._task.done():
            return
        if self._task is not None and (error := self._task.exception()):
            _LOG.warning("artifacts.not-digested", extra={"error": str(error)})
        self._task = None
        batch = self._next(files, rested)
        if batch:
            wall_s = _LEAST_S + sum(one.size for one in batch) // _SLOWEST
            self._task = asyncio.create_task(work_on("digest", batch, wall_s, self._remember))

    def _next(self, files: Sequence[ImageFile], rested: set[Key]) -> list[ImageFile]:
        """Return small files, as many as one child takes, or else one large one."""
        todo = sorted(
            (one for one in files if one.key not in self._known and one.size <= MOST_BYTES),
            key=lambda one: one.size,
        )
        small = [one for one in todo if one.size <= SMALL_BYTES]
        return small[:BATCH] or [one for one in todo if one.key in rested][:1]

    def _remember(self, file: ImageFile, answer: Answer) -> None:
        found = str(answer.get("sha256"))
        is_digest = _SHA256.fullmatch(found) is not None
        self._known[file.key] = Digest(found) if is_digest else Digest(missing="Unreadable")
