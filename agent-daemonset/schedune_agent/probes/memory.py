"""The memory: size, swap, NUMA nodes, huge pages."""

import re
from collections.abc import Mapping
from typing import Final

from schedune.api.nodetruth import HugepageFact, MemoryFacts, NumaNodeFact
from schedune.api.quantity import MAX_BYTES, render_exact
from schedune.evidence.health import Level
from schedune_agent.probes.family import Part
from schedune_agent.probes.partial import PartialReader, parse_number, parse_pairs
from schedune_agent.system.host_files import HostFiles

_MEMINFO: Final = "proc/meminfo"
_NODES: Final = "sys/devices/system/node"
_POOLS: Final = "sys/kernel/mm/hugepages"
_POOL: Final = re.compile(r"hugepages-([0-9]{1,12})kB")
_NODE: Final = re.compile(r"node([0-9]{1,6})")
_MOST_NODES: Final = 64
_MOST_POOLS: Final = 8
_KSM: Final = {"0": "Stopped", "1": "Running", "2": "Unmerging"}
_THP: Final = {"always": "Always", "madvise": "OnRequest", "never": "Never"}


class MemoryFamily:
    """The memory."""

    name = "memory"
    deadline_s = 1.0
    answers_for = ()

    def __init__(self, files: HostFiles) -> None:
        self._files = files

    async def __call__(self) -> Part:
        """Read the memory.

        Raises:
            ValueError: the kernel does not tell how much there is.
        """
        reader = PartialReader(self._files)
        sizes = _sizes(reader.text(_MEMINFO) or "")
        total = sizes.get("MemTotal")
        if total is None:
            raise ValueError(f"{_MEMINFO} tells no MemTotal")
        nodes = _nodes(reader)
        facts = MemoryFacts.model_validate({
            "total_bytes": total,
            "swap_bytes": sizes.get("SwapTotal"),
            "hugepages": _pools(reader, nodes),
            "numa_nodes": [_node(reader, number) for number in nodes],
            "ksm": reader.choice("sys/kernel/mm/ksm/run", _KSM),
            "transparent_hugepages": _chosen(reader, "sys/kernel/mm/transparent_hugepage/enabled"),
        })  # fmt: skip
        available = sizes.get("MemAvailable")
        levels = []
        if available is not None and total:
            levels.append(Level("memory_available_percent", 100 * available / total))
        return Part(facts={"memory": facts}, levels=levels, unread=reader.unread)


def free_pages(memory: MemoryFacts | None) -> list[str]:
    """Return the free huge pages as NodeCapacity tells them: SIZE=COUNT."""
    return [f"{one.size}={one.free}" for one in memory.hugepages] if memory else []


def _sizes(text: str) -> Mapping[str, int]:
    """Return the sizes of a meminfo in bytes; a NUMA node's says "Node 0 MemTotal: ..."."""
    found = {}
    for key, value in parse_pairs(text):
        number = parse_number(value.removesuffix("kB"))
        if number is not None and 0 <= number < 2**50:
            found[key.split(" ")[-1]] = number * 1024
    return found


def _nodes(reader: PartialReader) -> list[int]:
    matches = (_NODE.fullmatch(name) for name in reader.names(_NODES))
    return sorted(int(one[1]) for one in matches if one)[:_MOST_NODES]


def _node(reader: PartialReader, number: int) -> NumaNodeFact:
    folder = f"{_NODES}/node{number}"
    return NumaNodeFact(
        id=number,
        cpus=reader.line(f"{folder}/cpulist") or "",
        memory_bytes=_sizes(reader.text(f"{folder}/meminfo") or "").get("MemTotal"),
    )


def _pools(reader: PartialReader, nodes: list[int]) -> list[HugepageFact]:
    found = []
    for name in reader.names(_POOLS, _MOST_POOLS):
        match = _POOL.fullmatch(name)
        total = _count(reader, f"{_POOLS}/{name}/nr_hugepages")
        free = _count(reader, f"{_POOLS}/{name}/free_hugepages")
        if match is None or not total or free is None:
            continue
        size = int(match[1]) * 1024
        if max(total, free) * size > MAX_BYTES:
            reader.note(f"{_POOLS}/{name}", "says that it has more memory than there is")
            continue
        reserved = _count(reader, f"{_POOLS}/{name}/resv_hugepages") or 0
        by_node = (
            (node, _count(reader, f"{_NODES}/node{node}/hugepages/{name}/free_hugepages"))
            for node in nodes
        )
        found.append(
            HugepageFact(
                size=render_exact(size),
                total=total,
                free=max(free - reserved, 0),
                free_by_numa_node=[f"{node}={count}" for node, count in by_node if count],
            )
        )
    return sorted(found, key=lambda one: (len(one.size), one.size))


def _count(reader: PartialReader, path: str) -> int | None:
    found = reader.number(path)
    return found if found is None or found >= 0 else None


def _chosen(reader: PartialReader, path: str) -> str | None:
    """Return the word in brackets: always [madvise] never."""
    found = reader.text(path)
    if found is None:
        return None
    for word, meaning in _THP.items():
        if f"[{word}]" in found:
            return meaning
    reader.note(path, "chooses nothing that is known here")
    return None
