"""The memory, as recorded machines and this one tell it."""

from pathlib import Path

import psutil
import pytest

from schedune.api.nodetruth import MemoryFacts
from schedune_agent.probes.family import observe
from schedune_agent.probes.memory import MemoryFamily, free_pages
from schedune_agent.system.host_files import HOST, HostFiles
from schedune_testing.recorded import recorded, write


async def look(files: HostFiles) -> MemoryFacts:
    memory = (await MemoryFamily(files)()).facts["memory"]
    assert isinstance(memory, MemoryFacts)
    return memory


@pytest.mark.parametrize("name", ["intel-skylake-server", "arm64-server"])
async def test_numa_nodes_are_told_with_their_cpus_and_memory(name: str) -> None:
    first, second = (await look(recorded(name))).numa_nodes
    assert (first.id, first.cpus, second.id, second.cpus) == (0, "0-1", 1, "2-3")
    assert (first.memory_bytes or 0) > (second.memory_bytes or 0) > 2**27


async def test_huge_pages_are_told_by_size_and_node_and_make_the_capacity() -> None:
    memory = await look(recorded("intel-skylake-server"))
    (pool,) = memory.hugepages
    assert (pool.size, pool.total, pool.free) == ("2Mi", 16, 16)
    assert pool.free_by_numa_node == ["0=8", "1=8"]
    assert free_pages(memory) == ["2Mi=16"]


async def test_an_empty_pool_of_huge_pages_is_none() -> None:
    assert not (await look(recorded("amd-epyc"))).hugepages


async def test_reserved_huge_pages_are_not_free(tmp_path: Path) -> None:
    pool = "sys__kernel__mm__hugepages__hugepages-1048576kB__"
    files = write(
        tmp_path,
        proc__meminfo="MemTotal: 8388608 kB\n",
        **{f"{pool}nr_hugepages": "4", f"{pool}free_hugepages": "3", f"{pool}resv_hugepages": "2"},
    )
    assert free_pages(await look(files)) == ["1Gi=1"]


async def test_a_pool_larger_than_any_memory_is_not_believed(tmp_path: Path) -> None:
    pool = "sys__kernel__mm__hugepages__hugepages-1048576kB__"
    many = {f"{pool}nr_hugepages": str(2**40), f"{pool}free_hugepages": "1"}
    part = await MemoryFamily(write(tmp_path, proc__meminfo="MemTotal: 8 kB", **many))()
    assert isinstance(part.facts["memory"], MemoryFacts)
    assert not part.facts["memory"].hugepages
    assert "more memory than there is" in part.unread[0]


@pytest.mark.parametrize(
    ("name", "ksm", "transparent"),
    [
        ("amd-epyc", "Stopped", "Never"),
        ("arm64-server", "Stopped", "Always"),
        ("container", "Stopped", "OnRequest"),
    ],
)
async def test_merging_and_transparent_huge_pages_are_told(
    name: str, ksm: str, transparent: str
) -> None:
    memory = await look(recorded(name))
    assert (memory.ksm, memory.transparent_hugepages) == (ksm, transparent)


async def test_a_kernel_without_merging_leaves_it_unknown(tmp_path: Path) -> None:
    memory = await look(write(tmp_path, proc__meminfo="MemTotal: 4 kB\nSwapTotal: 2 kB"))
    assert (memory.total_bytes, memory.swap_bytes) == (4096, 2048)
    assert (memory.ksm, memory.transparent_hugepages) == (None, None)


async def test_low_memory_is_a_level_in_percent(tmp_path: Path) -> None:
    part = await MemoryFamily(write(tmp_path, proc__meminfo="MemTotal: 400\nMemAvailable: 8"))()
    (level,) = part.levels
    assert (level.name, level.value) == ("memory_available_percent", 2.0)


@pytest.mark.parametrize("text", ["", "MemTotal: much kB", "MemTotal: -5 kB", "\0\0\0"])
async def test_without_a_total_the_probe_fails(text: str, tmp_path: Path) -> None:
    outcome = await observe(MemoryFamily(write(tmp_path, proc__meminfo=text)))
    assert outcome.run.reason_code == "PROBE_FAILED"


async def test_this_machine_tells_what_it_tells_others() -> None:
    memory = await look(HOST)
    assert memory.total_bytes == psutil.virtual_memory().total
    assert memory.swap_bytes == psutil.swap_memory().total
