"""The listings of all image roots, each made in a thread that may hang with its root.

A root that gives no answer costs one thread, and like one that gives nothing but an error it
keeps its last known files; the others are listed all the same.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from schedune_agent.probes.image_roots import ImageFile, Listing, join_listings, list_root
from schedune_agent.system.patience import to_its_end

_SLOW_ROUNDS: Final = 2
"""So many rounds a listing may take, as that of a far server, before it counts as no answer."""
_BELIEVED_S: Final = 300.0
"""So long the files of a root are told of that nobody sees: others may have them as well."""


@dataclass(slots=True)
class _UnderWay:
    task: asyncio.Task[Listing]
    rounds: int = 0


@dataclass(frozen=True, slots=True)
class _Known:
    files: tuple[ImageFile, ...]
    seen_at: float


class RootListings:
    """Lists roots again and again, none of them in two threads at once."""

    def __init__(self, roots: Sequence[Path], patience_s: float) -> None:
        self._roots = tuple(dict.fromkeys(roots))
        self._patience_s = patience_s
        self._under_way: dict[Path, _UnderWay] = {}
        self._known: dict[Path, _Known] = {}

    async def take(self) -> Listing:
        """List every root again, and wait a moment for it."""
        for root in self._roots:
            if root not in self._under_way:
                listing = to_its_end(partial(list_root, root))
                self._under_way[root] = _UnderWay(asyncio.create_task(listing))
            self._under_way[root].rounds += 1
        if self._under_way:
            tasks = [one.task for one in self._under_way.values()]
            await asyncio.wait(tasks, timeout=self._patience_s)
        return join_listings([self._listing_of(root) for root in self._roots])

    def is_believed(self, file: ImageFile) -> bool:
        """Say whether a file was seen lately enough to be told of."""
        known = self._known.get(file.path.parent)
        return known is None or time.monotonic() - known.seen_at <= _BELIEVED_S

    def _listing_of(self, root: Path) -> Listing:
        known = self._known.get(root)
        files = known.files if known else ()
        look = self._under_way[root]
        if not look.task.done():
            is_late = known is None or look.rounds > _SLOW_ROUNDS
            return Listing(files, unreadable=(f"{root}: no answer",) if is_late else ())
        listing = self._under_way.pop(root).task.result()
        if listing.unreadable and not listing.files:
            return Listing(files, unreadable=listing.unreadable)
        self._known[root] = _Known(listing.files, time.monotonic())
        return listing
