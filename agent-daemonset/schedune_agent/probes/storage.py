"""Room, inodes and access of the paths that the agent uses, asked in a child: they may hang."""

import asyncio
import errno
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from schedune.api.nodetruth import CapabilityState, FilesystemFact
from schedune.codes import host_probes as codes
from schedune.codes.row import Row
from schedune.evidence.health import Level
from schedune_agent.probes.asking import Reply, ask
from schedune_agent.probes.family import Answer, Part

Purpose = Literal["Images", "Run", "State"]
RUN: Final = "run_directory_writable"
STATE: Final = "state_directory_writable"
_ANSWERS: Final[Mapping[Purpose, str]] = {"Run": RUN, "State": STATE}
"""Whether the image roots can be read is told by those who list them."""
_STEP: Final = 2**30
"""Room is told in steps: noise must not change the digest."""
_INODE_STEP: Final = 10
_DEADLINE_S: Final = 1.0

_State = tuple[CapabilityState, Row]
_USABLE: Final = (CapabilityState.SUPPORTED, codes.CAP_DIRECTORY_USABLE)
_MISSING: Final = (CapabilityState.UNSUPPORTED, codes.CAP_DIRECTORY_MISSING)
_READ_ONLY: Final = (CapabilityState.UNSUPPORTED, codes.CAP_DIRECTORY_READ_ONLY)
_DENIED: Final = (CapabilityState.UNAVAILABLE, codes.CAP_DIRECTORY_DENIED)
_SILENT: Final = (CapabilityState.UNKNOWN, codes.CAP_DIRECTORY_SILENT)
_WORST_FIRST: Final = (_READ_ONLY, _DENIED, _SILENT, _MISSING, _USABLE)


class DiskFamily:
    """Measures the room under our paths; a change within one step is noise, also at its edge."""

    name = "disks"
    deadline_s = 12.0
    answers_for = (RUN, STATE)

    def __init__(self, paths: Sequence[tuple[Purpose, Path]], root: Path = Path("/")) -> None:
        self._paths = paths
        self._root = root
        self._room_told: dict[Path, int] = {}
        self._inodes_told: dict[Path, int] = {}
        self._suspects: set[Path] = set()

    async def __call__(self) -> Part:
        """Ask each path; one that is missing or hangs costs only itself."""
        replies = await self._ask()
        found, levels = [], []
        states: dict[Purpose, list[tuple[_State, str, str]]] = {}
        for purpose, path in self._paths:
            reply = replies[path]
            state = _state(purpose, reply)
            detail = f"{path}: {reply.error}" if state is _SILENT else str(path)
            states.setdefault(purpose, []).append((state, str(path), detail))
            levels += _levels(purpose, path, reply, state)
            if reply.is_answer and state is not _MISSING:
                found.append(self._fact(purpose, path, reply.value))
        answers = [
            _answer(purpose, told) for purpose, told in states.items() if purpose in _ANSWERS
        ]
        return Part(facts={"disks": found}, answers=answers, levels=levels)

    async def _ask(self) -> dict[Path, Reply]:
        """Ask all in one child, but each path that hung before in one of its own."""
        paths = list(dict.fromkeys(path for _, path in self._paths))
        trusted = [path for path in paths if path not in self._suspects]
        groups = [trusted, *([path] for path in paths if path in self._suspects)]
        run = {path for purpose, path in self._paths if purpose == "Run"}
        may_come = run - {path for purpose, path in self._paths if purpose != "Run"}
        answered = await asyncio.gather(
            *(
                ask([self._question(one, may_come) for one in group], deadline_s=_DEADLINE_S)
                for group in groups
            )
        )
        replies = {
            path: reply
            for group, found in zip(groups, answered, strict=True)
            for path, reply in zip(group, found, strict=True)
        }
        self._suspects = {path for path, reply in replies.items() if reply.timed_out}
        return replies

    def _question(self, path: Path, may_come: set[Path]) -> Mapping[str, Any]:
        """Ask of the run directory also before the first launch makes it."""
        at = self._root / path.relative_to(path.anchor)
        return {"do": "statvfs", "path": str(at), "orAbove": path in may_come}

    def _fact(self, purpose: Purpose, path: Path, value: Mapping[str, Any]) -> FilesystemFact:
        writable = value["isWritable"] and not value["isReadOnly"]
        return FilesystemFact(
            path=str(path),
            purpose=purpose,
            total_bytes=value["total"],
            available_bytes=_told(self._room_told, path, value["available"], _STEP),
            inodes_available_percent=self._inodes(path, value),
            access="ReadWrite" if writable else "ReadOnly",
        )

    def _inodes(self, path: Path, value: Mapping[str, Any]) -> int | None:
        percent = _inodes_percent(value)
        if percent is None:
            return None
        return _told(self._inodes_told, path, int(percent), _INODE_STEP)


def _told(known: dict[Path, int], path: Path, now: int, step: int) -> int:
    """Return what was told before unless the value left its step by more than one."""
    told = known.get(path)
    if told is None or abs(now - told) > step:
        known[path] = told = now // step * step
    return told


def _inodes_percent(value: Mapping[str, Any]) -> float | None:
    total = value["inodes"]
    return min(100 * value["inodesAvailable"] / total, 100) if total else None


def _state(purpose: Purpose, reply: Reply) -> _State:
    if not reply.is_answer:
        return {
            errno.ENOENT: _MISSING,
            errno.ENOTDIR: _MISSING,
            errno.EACCES: _DENIED,
            errno.EPERM: _DENIED,
        }.get(reply.errno or 0, _SILENT)
    value = reply.value
    if not value["isDirectory"]:
        return _MISSING
    if purpose == "Images":
        return _USABLE if value["isReadable"] else _DENIED
    if value["isReadOnly"]:
        return _READ_ONLY
    return _USABLE if value["isWritable"] else _DENIED


def _answer(purpose: Purpose, told: list[tuple[_State, str, str]]) -> Answer:
    """Return the worst of a purpose's paths."""
    (state, row), path, detail = min(told, key=lambda one: _WORST_FIRST.index(one[0]))
    return Answer(_ANSWERS[purpose], state, row, detail, source=path, method="statvfs")


def _levels(purpose: Purpose, path: Path, reply: Reply, state: _State) -> list[Level]:
    subject = f"{purpose.lower()} path {path}"
    levels = []
    if purpose != "Images":
        levels.append(Level("directory_unusable", float(state is not _USABLE), subject))
    if reply.is_answer:
        total, inodes = reply.value["total"], _inodes_percent(reply.value)
        if total:
            room = 100 * reply.value["available"] / total
            levels.append(Level(f"{purpose.lower()}_room_percent", room, subject))
        if inodes is not None:
            levels.append(Level("inodes_percent", inodes, subject))
    return levels
