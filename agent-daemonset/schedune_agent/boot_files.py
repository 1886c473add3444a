"""What a launch boots, looked at once more right before it starts.

The inventory is as old as the last round of probes. A file that was exchanged, removed or
made a folder since then is to be refused like one that was so from the beginning.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from schedune.api.nodetruth import Artifact, NodeTruthStatus
from schedune.api.vmplacement import Launch
from schedune_agent.probes.artifacts import read_answer, unrecognised
from schedune_agent.probes.image_roots import ImageFile, Key, list_roots
from schedune_agent.probes.image_work import Answer, work_on

_LOOK_S: Final = 10
"""Wall time of the child that looks at a kernel."""
_MOST: Final = 64
"""Kernels whose looks are remembered."""


class BootFiles:
    """Looks at kernels once for each content: only a stranger costs a child."""

    def __init__(self) -> None:
        self._looks: dict[tuple[Key, int], Artifact] = {}

    async def freshen(
        self, facts: NodeTruthStatus, launch: Launch, roots: Sequence[Path]
    ) -> NodeTruthStatus:
        """Return the facts with what the files that are booted are by now.

        Of a file that nobody can look at now, the facts go on saying what they said.
        """
        listing = await asyncio.to_thread(list_roots, roots)
        files = {one.path.name: one for one in listing.files}
        known = {one.name: one for one in facts.artifacts}
        kernel = launch.kernel.artifact if launch.kernel else ""
        for one in (launch.kernel, launch.initrd, launch.firmware):
            if one is None or (one.artifact not in files and listing.unreadable):
                continue
            file, told = files.get(one.artifact), known.pop(one.artifact, None)
            if file is not None and one.artifact == kernel:
                told = await self._look(file, told)
            elif file is not None:
                told = _measured(file, told)
            if file is not None and told is not None:
                known[one.artifact] = told
        return facts.model_copy(update={"artifacts": [known[name] for name in sorted(known)]})

    async def _look(self, file: ImageFile, told: Artifact | None) -> Artifact | None:
        """Return what a kernel is; a child has a look at one that is not known yet."""
        if file.obstacle:
            return unrecognised(file, file.obstacle)
        try:
            key = file.key, file.path.lstat().st_ctime_ns
            found = self._looks.get(key) or await self._ask(file)
        except OSError:
            return told
        if found.refusal is None:
            self._remember(key, found)
        return told if told is not None and _is_same(found, told) else found

    async def _ask(self, file: ImageFile) -> Artifact:
        """Have a child look.

        Raises:
            OSError: none can be started, or it could not tell: it had too little time or
                memory, or the file was written meanwhile.
        """
        answers: list[Answer] = []
        await work_on("look", [file], _LOOK_S, lambda _, said: answers.append(said))
        if "problem" in answers[0]:
            raise OSError(str(answers[0]["problem"]))
        return read_answer(file, answers[0])

    def _remember(self, key: tuple[Key, int], found: Artifact) -> None:
        if len(self._looks) >= _MOST:
            del self._looks[next(iter(self._looks))]
        self._looks[key] = found


def _measured(file: ImageFile, told: Artifact | None) -> Artifact | None:
    """Return what is known of a file, unless it is none any more or of another size."""
    if file.obstacle:
        return unrecognised(file, file.obstacle)
    if told is None or told.size_bytes == file.size:
        return told
    return told.model_copy(update={"size_bytes": file.size, "sha256": None})


def _is_same(one: Artifact, other: Artifact) -> bool:
    """Say whether they tell the same of a file; a look tells no digest."""
    without = {"sha256": None, "sha256_missing": None}
    return one.model_copy(update=without) == other.model_copy(update=without)
