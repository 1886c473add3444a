"""The inventory: which files under the image roots could a VM boot from?

Listing is cheap and done each round. Looking into a file is done once for each content, by
a child; a round waits for it a moment only and publishes what is known by then.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pydantic import Field

from schedune.api.nodetruth import Artifact, CapabilityState
from schedune.api.text import shorten
from schedune.codes import probes as codes
from schedune.codes.row import Row
from schedune_agent.probes.digests import Digests
from schedune_agent.probes.image_roots import ImageFile, Listing, Sight
from schedune_agent.probes.image_work import Answer, work_on
from schedune_agent.probes.root_listings import RootListings

MOST: Final = 64
LISTED: Final = "image_roots_listed"
_PATIENCE_S: Final = 1.5
"""How long a round waits for what is under way."""
_LISTING_S: Final = 1.0
_LOOK_S: Final = 5
"""Wall time of one child."""
_RETRY_ROUNDS: Final = 20
"""After how many rounds a file is tried again that ended its child: each time twice as many."""
_MOST_DOUBLINGS: Final = 8


class SeenArtifact(Artifact):
    """An artefact of which it is known which file it was: for this agent only, never told."""

    sight: Sight = Field(exclude=True)
    path: Path = Field(exclude=True)


class ArtifactProbe:
    """Looks at files once and again only when they changed."""

    def __init__(self, roots: list[Path], *, patience_s: float = _PATIENCE_S) -> None:
        self._roots = roots
        self._patience_s = patience_s
        self._listings = RootListings(roots, min(patience_s, _LISTING_S))
        self._looking: dict[Path, asyncio.Task[None]] = {}
        self._looks: dict[Sight, Artifact] = {}
        self._rounds_left: dict[Sight, int] = {}
        self._failures: dict[Sight, int] = {}
        self._digests = {root: Digests() for root in roots}
        self._listed = Listing(())

    async def __call__(self) -> tuple[list[Artifact], int]:
        """Return the artefacts by name, at most 64, and how many more there are or may be.

        Of a root that does not answer, what is known of it goes on being told for some minutes.

        Raises:
            OSError: no child can be started.
        """
        self._listed = await self._listings.take()
        regular = [one for one in self._listed.files if not one.obstacle]
        shown, hidden = regular[:MOST], regular[MOST:]
        await self._look_at(shown)
        for root, digests in self._digests.items():
            digests.go_on([one for one in shown if one.path.parent == root])
        others = [one for one in self._listed.files if one.obstacle][: MOST - len(shown)]
        told = [one for one in (*shown, *others) if self._listings.is_believed(one)]
        artifacts = [self._artifact(one) for one in told]
        artifacts.sort(key=lambda one: one.name)
        return artifacts, len(hidden) + len(self._listed.unreadable)

    def judge_roots(self) -> tuple[CapabilityState, Row, str]:
        """Say whether the last round saw into every root, why, and what it saw."""
        listed = self._listed
        if listed.unreadable:
            row, seen = codes.CAP_IMAGE_ROOT_UNREADABLE, ", ".join(listed.unreadable)
            return CapabilityState.UNKNOWN, row, seen
        if listed.missing:
            row, seen = codes.CAP_IMAGE_ROOT_MISSING, ", ".join(listed.missing)
            return CapabilityState.UNSUPPORTED, row, seen
        seen = f"{len(listed.files)} names in {len(self._roots)} folders"
        return CapabilityState.SUPPORTED, codes.CAP_IMAGES_LISTED, seen

    async def _look_at(self, files: Sequence[ImageFile]) -> None:
        """Start looking at what is not known, each root by itself, and wait a moment for it."""
        keys = {one.sight for one in files}
        self._looks = {key: look for key, look in self._looks.items() if key in keys}
        self._count_down(keys)
        for root in self._roots:
            unknown = [
                one for one in files if one.path.parent == root and one.sight not in self._looks
            ]
            if unknown and root not in self._looking:
                looking = work_on("look", unknown, _LOOK_S, self._remember)
                self._looking[root] = asyncio.create_task(looking)
        if self._looking:
            await asyncio.wait(self._looking.values(), timeout=self._patience_s)
        for root in [root for root, one in self._looking.items() if one.done()]:
            self._looking.pop(root).result()

    def _count_down(self, keys: set[Sight]) -> None:
        """Forget a failure after a while: its cause may be gone."""
        self._failures = {key: count for key, count in self._failures.items() if key in keys}
        self._rounds_left = {
            key: left - 1 for key, left in self._rounds_left.items() if key in keys
        }
        for key in [key for key, left in self._rounds_left.items() if left <= 0]:
            del self._rounds_left[key]
            self._looks.pop(key, None)

    def _remember(self, file: ImageFile, answer: Answer) -> None:
        if "problem" in answer:
            self._rounds_left[file.sight] = (
                1 if answer.get("cheap") else self._retry_rounds(file.sight)
            )
        self._looks[file.sight] = read_answer(file, answer)

    def _retry_rounds(self, key: Sight) -> int:
        """Return when to try again: many files that exhaust their child must cost little."""
        before = self._failures.get(key, 0)
        self._failures[key] = before + 1
        return _RETRY_ROUNDS << min(before, _MOST_DOUBLINGS)

    def _artifact(self, file: ImageFile) -> Artifact:
        if file.obstacle:
            return unrecognised(file, file.obstacle)
        look = self._looks.get(file.sight)
        if look is None:
            return unrecognised(file, "not looked at yet")
        digest = self._digests[file.path.parent].of(file)
        changes = {
            "name": file.path.name,
            "sha256": digest.sha256,
            "sha256_missing": digest.missing,
            "sight": file.sight,
            "path": file.path,
        }
        return SeenArtifact.model_validate({**dict(look), **changes})


def read_answer(file: ImageFile, answer: Answer) -> Artifact:
    """Read what the child said: the bytes that it read may have taken it over."""
    if "problem" in answer:
        return unrecognised(file, str(answer["problem"]))
    try:
        return Artifact(
            name=file.path.name,
            kind=answer["kind"],
            format=answer["format"],
            size_bytes=file.size,
            virtual_size_bytes=answer["virtualSize"],
            memory_bytes=answer["memory"],
            architecture=answer["architecture"],
            evidence=answer["evidence"],
            refusal=answer["refusal"] or None,
        )
    except (KeyError, ValueError):
        return unrecognised(file, "the child that looked at it answered nonsense")


def unrecognised(file: ImageFile, why: str) -> Artifact:
    """Return what is left to say of a file of which nobody can tell what it is."""
    return Artifact(
        name=file.path.name,
        kind="Unknown",
        format="Unknown",
        size_bytes=0 if file.obstacle else file.size,
        refusal=shorten(why, 200),
    )
