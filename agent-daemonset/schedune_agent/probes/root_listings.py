"""The listings of all image roots, each made in a thread that may hang with its root.

A root that gives no answer costs one thread, and like one that gives nothing but an error it
keeps its last known files; the others are listed all the same.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from schedune_agent.probes.image_roots import ImageFile, Listing, join_listings, list_root
from schedune_agent.system.patience import to_its_end


class RootListings:
    """Lists roots again and again, none of them in two threads at once."""

    def __init__(self, roots: Sequence[Path], patience_s: float) -> None:
        self._roots = tuple(dict.fromkeys(roots))
        self._patience_s = patience_s
        self._under_way: dict[Path, asyncio.Task[Listing]] = {}
        self._known: dict[Path, tuple[ImageFile, ...]] = {}

    async def take(self) -> Listing:
        """List every root again, and wait a moment for it."""
        for root in self._roots:
            if root not in self._under_way:
                listing = to_its_end(partial(list_root, root))
                self._under_way[root] = asyncio.create_task(listing)
        if self._under_way:
            await asyncio.wait(self._under_way.values(), timeout=self._patience_s)
        return join_listings([self._listing_of(root) for root in self._roots])

    def _listing_of(self, root: Path) -> Listing:
        known = self._known.get(root, ())
        if not self._under_way[root].done():
            return Listing(known, unreadable=(f"{root}: no answer",))
        listing = self._under_way.pop(root).result()
        if listing.unreadable and not listing.files:
            return Listing(known, unreadable=listing.unreadable)
        self._known[root] = listing.files
        return listing
