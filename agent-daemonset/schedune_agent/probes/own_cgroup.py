"""What limits the agent's own cgroup: VMs that run in none of their own share it."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from schedune.api.nodetruth import AgentLimits
from schedune.evidence.health import Level
from schedune_agent.probes.family import Part
from schedune_agent.probes.partial import PartialReader, parse_number
from schedune_agent.system.host_files import HostFiles

_NO_LIMIT: Final = 2**60
"""Cgroups v1 say "no limit" with a number of about 2^63."""
_MOST_LEVELS: Final = 64
_ESCAPED: Final = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class _Mount:
    kind: str
    """cgroup or cgroup2."""
    point: str
    root: str
    """Which group of the hierarchy is seen at the mount point."""
    options: frozenset[str]


class LimitsFamily:
    """The limits of our own cgroup."""

    name = "limits"
    deadline_s = 1.0
    answers_for = ()

    def __init__(self, files: HostFiles, shared_by_bytes: int | None = None) -> None:
        """Remember the memory offered to VMs that share our limits; None: they share them not."""
        self._files = files
        self._shared_by = shared_by_bytes

    async def __call__(self) -> Part:
        """Read the limits from our own group up to the root that we see."""
        reader = PartialReader(self._files)
        groups = _own_groups(reader.text("proc/self/cgroup") or "")
        mounts = _mounts(reader.text("proc/self/mountinfo") or "")
        unified = [one for one in mounts if one.kind == "cgroup2"]
        legacy = [one for one in mounts if one.kind == "cgroup"]
        facts = AgentLimits(
            cgroups=_version(unified, legacy),
            memory_bytes=_least(reader, mounts, groups, "memory", _MEMORY),
            cpu_millis=_least(reader, mounts, groups, "cpu", {"cpu.max": _cpu})
            or _legacy_cpu(reader, legacy, groups),
            processes=_least(reader, mounts, groups, "pids", {"pids.max": _number}),
        )
        return Part(facts={"agent_limits": facts}, levels=self._levels(facts), unread=reader.unread)

    def _levels(self, facts: AgentLimits) -> list[Level]:
        if self._shared_by is None:
            return []
        limited = facts.memory_bytes is not None and facts.memory_bytes < self._shared_by
        return [Level("memory_limited", float(limited))]


def _own_groups(text: str) -> dict[str, str]:
    """Return our group in each hierarchy by controller; "" names the unified one."""
    groups: dict[str, str] = {}
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        controllers, colon, path = rest.partition(":")
        if colon and path.startswith("/"):
            groups |= dict.fromkeys(controllers.split(","), path)
    return groups


def _mounts(text: str) -> list[_Mount]:
    """Return what is seen of control groups: of two mounts at one point the later."""
    found = {}
    for line in text.splitlines():
        left, _, right = line.partition(" - ")
        ours, theirs = left.split(" "), right.split(" ")
        if len(ours) > 4 and len(theirs) > 2 and theirs[0] in ("cgroup", "cgroup2"):
            mount = _Mount(
                theirs[0], _unescape(ours[4]), _unescape(ours[3]), frozenset(theirs[2].split(","))
            )
            found[mount.point] = mount
    return list(found.values())


def _unescape(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 8)), text)


def _version(unified: list[_Mount], legacy: list[_Mount]) -> Literal["V1", "V2", "Hybrid", "None"]:
    if unified:
        return "Hybrid" if legacy else "V2"
    return "V1" if legacy else "None"


def _folders(mounts: list[_Mount], groups: dict[str, str], controller: str) -> Iterator[str]:
    """Yield our group and those above it, as far as the mount shows them."""
    for mount in mounts:
        is_unified = mount.kind == "cgroup2"
        path = groups.get("" if is_unified else controller)
        if path is None or not (is_unified or controller in mount.options):
            continue
        root = mount.root.rstrip("/")
        inside = path[len(root) :] if path == root or path.startswith(f"{root}/") else ""
        names = [name for name in inside.split("/") if name not in ("", ".", "..")]
        for depth in range(len(names[:_MOST_LEVELS]), -1, -1):
            yield "/".join([mount.point.lstrip("/"), *names[:depth]])


def _least(
    reader: PartialReader,
    mounts: list[_Mount],
    groups: dict[str, str],
    controller: str,
    files: Mapping[str, Callable[[str], int | None]],
) -> int | None:
    """Return the least limit that the files of our group, or of one above it, tell."""
    found = [
        parse(text)
        for folder in _folders(mounts, groups, controller)
        for name, parse in files.items()
        if (text := reader.text(f"{folder}/{name}")) is not None
    ]
    return min((one for one in found if one is not None), default=None)


def _number(text: str) -> int | None:
    number = parse_number(text)
    return number if number is not None and 0 <= number < _NO_LIMIT else None


def _hierarchical(text: str) -> int | None:
    """Return the limit with those of the groups above, also where these are not to be seen."""
    found = _HIERARCHICAL.search(text)
    return _number(found[1]) if found else None


def _cpu(text: str) -> int | None:
    quota, _, period = text.partition(" ")
    return _millis(parse_number(quota), parse_number(period))


def _legacy_cpu(reader: PartialReader, mounts: list[_Mount], groups: dict[str, str]) -> int | None:
    found = [
        _millis(
            reader.number(f"{folder}/cpu.cfs_quota_us"),
            reader.number(f"{folder}/cpu.cfs_period_us"),
        )
        for folder in _folders(mounts, groups, "cpu")
    ]
    return min((one for one in found if one is not None), default=None)


def _millis(quota: int | None, period: int | None) -> int | None:
    if quota is None or period is None or quota <= 0 or period <= 0:
        return None
    return quota * 1000 // period


_HIERARCHICAL: Final = re.compile(r"^hierarchical_memory_limit ([0-9]{1,19})$", re.MULTILINE)
_MEMORY: Final = {
    "memory.max": _number,
    "memory.limit_in_bytes": _number,
    "memory.stat": _hierarchical,
}
"""The names of v2 and of v1."""
