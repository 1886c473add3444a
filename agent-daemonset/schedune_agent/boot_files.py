"""What a launch boots, looked at once more right before it starts.

The inventory is as old as the last round of probes. A file that was exchanged, removed or
made a folder since then is to be refused like one that was so from the beginning. Which file
it was, the inventory remembers: one that is still the same is known by that.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from schedune.api.nodetruth import Artifact, ArtifactKind, NodeTruthStatus
from schedune.api.vmplacement import Launch
from schedune_agent.probes.artifacts import SeenArtifact, read_answer, unrecognised
from schedune_agent.probes.image_roots import ImageFile, Listing, Sight, image_root, look_for
from schedune_agent.probes.image_work import Answer, work_on
from schedune_agent.system.patience import LaterError, Patience

_LOOK_S: Final = 10
"""Wall time of the child that looks at a file."""
_MOST: Final = 64
"""Files whose looks are remembered."""


class BootFiles:
    """Looks at files once for each content: only a stranger costs a child."""

    def __init__(self) -> None:
        self._looks: dict[Sight, Artifact] = {}

    async def freshen(
        self, facts: NodeTruthStatus, launch: Launch, roots: Sequence[Path], patience: Patience
    ) -> NodeTruthStatus:
        """Return the facts with what the files that are booted are by now.

        Of a file that nobody can look at now, the facts go on saying what they said.

        Raises:
            LaterError: an image root does not answer that a file is in, or one before that.
        """
        booted = (launch.kernel, launch.initrd, launch.firmware)
        names = [one.artifact for one in booted if one is not None]
        sight = await _look_into(roots, names, patience)
        known = {one.name: one for one in facts.artifacts}
        for name in names:
            file = sight.find(name)
            if file is None and sight.is_partial:
                continue
            told = known.pop(name, None)
            if file is not None and (found := await self._see(file, told, patience)) is not None:
                known[name] = found
        return facts.model_copy(update={"artifacts": [known[name] for name in sorted(known)]})

    async def _see(
        self, file: ImageFile, told: Artifact | None, patience: Patience
    ) -> Artifact | None:
        """Return what a file is; a child has a look at one that is not known yet.

        Raises:
            LaterError: its root does not answer.
        """
        if file.obstacle:
            return unrecognised(file, file.obstacle)
        known = told if isinstance(told, SeenArtifact) and told.sight[0] == file.key else None
        if known and known.sight == file.sight and known.kind is not ArtifactKind.UNKNOWN:
            return known
        found = await self._look(file, patience) or told
        if known is None or found is None:
            return found and _without_digest(found, file)
        digest = {"sha256": known.sha256, "sha256_missing": known.sha256_missing}
        return found.model_copy(update=digest)

    async def _look(self, file: ImageFile, patience: Patience) -> Artifact | None:
        """Return what a file is without its digest; None: nobody can tell now.

        Raises:
            LaterError: its root does not answer.
        """
        try:
            found = self._looks.get(file.sight) or await self._ask(file, patience)
        except OSError:
            return None
        if found.refusal is None:
            self._remember(file.sight, found)
        return found.model_copy(update={"name": file.path.name})

    async def _ask(self, file: ImageFile, patience: Patience) -> Artifact:
        """Have a child look.

        Raises:
            LaterError: the file cannot be opened in time.
            OSError: none can be started, or it could not tell: it had too little time or
                memory, or the file was written meanwhile.
        """
        answers: list[Answer] = []
        opening = partial(patience.look, image_root(file.path.parent))
        await work_on("look", [file], _LOOK_S, lambda _, said: answers.append(said), opening)
        if "problem" in answers[0]:
            raise OSError(str(answers[0]["problem"]))
        return read_answer(file, answers[0])

    def _remember(self, sight: Sight, found: Artifact) -> None:
        if len(self._looks) >= _MOST:
            del self._looks[next(iter(self._looks))]
        self._looks[sight] = found


@dataclass(frozen=True, slots=True)
class _Sight:
    """What is seen of the image roots, in their order."""

    listings: Sequence[Listing | LaterError]
    """Of each root what is in it, or that it does not answer."""

    @property
    def is_partial(self) -> bool:
        """Say whether there may be files that nobody saw."""
        return any(isinstance(one, Listing) and one.unreadable for one in self.listings)

    def find(self, name: str) -> ImageFile | None:
        """Return the file of a name: that of the first root which has one.

        Raises:
            LaterError: a root does not answer in which it may be.
        """
        for one in self.listings:
            if isinstance(one, LaterError):
                raise one
            for file in one.files:
                if file.path.name == name:
                    return file
        return None


async def _look_into(roots: Sequence[Path], names: Sequence[str], patience: Patience) -> _Sight:
    """Look into all roots, each for itself: one that hangs hides only what it may hold."""
    looks = (patience.look(image_root(root), partial(look_for, root, names)) for root in roots)
    found = await asyncio.gather(*looks, return_exceptions=True)
    for one in found:
        if isinstance(one, BaseException) and not isinstance(one, LaterError):
            raise one
    return _Sight([one for one in found if isinstance(one, Listing | LaterError)])


def _without_digest(artifact: Artifact, file: ImageFile) -> Artifact:
    """Return what is known of a file whose bytes may be others than those that were digested."""
    changes = {"sha256": None, "sha256_missing": "NotComputedYet", "size_bytes": file.size}
    return artifact.model_copy(update=changes)
