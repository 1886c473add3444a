"""VMM binaries: found, trusted and digested in a child, and asked for their version.

What is known of a binary holds as long as device, inode, size and mtime stay; one that
gave no proper answer is asked again after some minutes, for the machine may have been busy.
"""

import asyncio
import json
import os
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from schedune.api.nodetruth import BackendFact
from schedune_agent.system.child import run_child
from schedune_agent.system.place import HERE, Place

VERSION_DEADLINE_S: Final = 5.0
ASK_AGAIN_S: Final = 300.0
_FIND_DEADLINE_S: Final = 2.0
_DIGEST_DEADLINE_S: Final = 10.0
_ASK_DEADLINE_S: Final = 20.0
_OUTPUT_LIMIT: Final = 65536
_LONGEST_LINE: Final = 256
_CHILD: Final = Path(__file__).with_name("binary_child.py")
Fault = Literal["untrusted", "no-program"]


class UnansweredError(Exception):
    """A binary did not say of itself what its releases say; the message tells what it did."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """What has the name of a binary: one that can be trusted, or why it is refused."""

    path: str = ""
    key: tuple[int, ...] = ()
    fault: Fault | None = None
    seen: str = ""


class BinarySearch:
    """Looks for all binaries at once; those who ask at the same time share the look."""

    def __init__(self, names: Sequence[str], folders: Sequence[Path], place: Place = HERE) -> None:
        self.place = place
        """Where binaries are looked for, and asked."""
        self._question = {
            "do": "find",
            "folders": [str(one) for one in folders],
            "names": list(names),
            "uid": os.geteuid(),
            "gid": os.getegid(),
        }
        self._running: asyncio.Task[dict[str, Sighting]] | None = None

    async def look(self) -> Mapping[str, Sighting]:
        """Return what has each of the names, where something has.

        Raises:
            UnansweredError: the folders cannot be looked at, or not in time.
        """
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._find())
        return await asyncio.shield(self._running)

    async def _find(self) -> dict[str, Sighting]:
        said = await _ask(self._question, _FIND_DEADLINE_S, self.place)
        return {
            name: Sighting(
                path=one.get("path", ""),
                key=tuple(one.get("key", ())),
                fault=one.get("fault"),
                seen=one.get("seen", ""),
            )
            for name, one in said.items()
        }


def first_of(found: Mapping[str, Sighting], names: Sequence[str]) -> Sighting | None:
    """Return the first of these names that can be run, else the first that has a fault."""
    held = [found[name] for name in names if name in found]
    return next((one for one in held if one.fault is None), held[0] if held else None)


async def digest(sighting: Sighting, place: Place = HERE) -> str:
    """Return the SHA-256 of a binary.

    Raises:
        UnansweredError: it cannot be read, or not in time, or it was replaced meanwhile.
    """
    question = {"do": "digest", "path": sighting.path, "key": list(sighting.key)}
    return str((await _ask(question, _DIGEST_DEADLINE_S, place))["sha256"])


async def _ask(question: Mapping[str, Any], deadline_s: float, place: Place) -> dict[str, Any]:
    argv = place.script(_CHILD, json.dumps(question))
    result = await run_child(argv, deadline_s=deadline_s, limit=2**20)
    if result.timed_out:
        raise UnansweredError(f"looking at the binaries took more than {deadline_s:g} s")
    try:
        said = json.loads(result.stdout)
    except ValueError:
        words = result.stderr[-200:].decode(errors="replace").strip()
        raise UnansweredError(f"looking at the binaries failed: {words}") from None
    if not isinstance(said, dict) or "error" in said:
        raise UnansweredError(f"looking at the binaries failed: {said}")
    return said


async def ask_version(
    path: str, form: re.Pattern[str], place: Place = HERE
) -> tuple[str, re.Match[str]]:
    """Return line 1 of ``--version`` and what its form found in it.

    Raises:
        UnansweredError: it hung, failed, flooded, or said something else.
    """
    said = await ask_text(path, "--version", place)
    line = said.partition("\n")[0].rstrip("\r")[:_LONGEST_LINE]
    found = form.match(line)
    if found is None:
        raise UnansweredError(f"{path} --version says {line[:64]!r}")
    return line.strip(), found


async def ask_text(path: str, option: str, place: Place = HERE) -> str:
    """Return what a binary prints for an option, in a clean environment.

    Raises:
        UnansweredError: it hung, failed, or flooded.
    """
    asked = f"{path} {option}"
    try:
        result = await run_child(
            place.program([path, option]),
            deadline_s=VERSION_DEADLINE_S,
            limit=_OUTPUT_LIMIT,
            may_flood=False,
        )
    except OSError as error:
        raise UnansweredError(f"{asked} cannot be started: {error.strerror}") from error
    if result.flooded:
        raise UnansweredError(f"{asked} printed more than {_OUTPUT_LIMIT} bytes")
    if result.timed_out:
        raise UnansweredError(f"{asked} did not end within {VERSION_DEADLINE_S:g} s")
    if result.exit_code != 0:
        raise UnansweredError(f"{asked} ended with status {result.exit_code}")
    return result.stdout.decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Known:
    """What a binary said of itself, or how it did not."""

    fact: BackendFact | None = None
    fault: str = ""


class Memory:
    """What was asked of the binary that is there now; another one is asked anew."""

    def __init__(self, ask: Callable[..., Awaitable[BackendFact]]) -> None:
        self._ask = ask
        self._held: tuple[object, float, Known] | None = None

    async def recall(self, sighting: Sighting, *others: Sighting | None) -> Known:
        """Return what is known of a binary; others that it depends on count as part of it."""
        now = asyncio.get_running_loop().time()
        key = (sighting, *others)
        held = self._held
        if held is not None and held[0] == key and (held[2].fact or now - held[1] < ASK_AGAIN_S):
            return held[2]
        try:
            async with asyncio.timeout(_ASK_DEADLINE_S):
                known = Known(fact=await self._ask(sighting, *others))
        except UnansweredError as error:
            known = Known(fault=str(error))
        except TimeoutError:
            known = Known(fault=f"{sighting.path} was asked for {_ASK_DEADLINE_S:g} s")
        self._held = (key, now, known)
        return known
