"""Pressure and load: levels for alarms, and nothing else."""

from pathlib import Path

import pytest

from schedune_agent.probes.pressure import PressureFamily
from schedune_agent.system.host_files import HOST, HostFiles
from schedune_testing.recorded import recorded, write

_PSI = (
    "some avg10=0.00 avg60={some} avg300=0.00 total=1\n"
    "full avg10=0.00 avg60={full} avg300=0.00 total=1\n"
)


async def look(files: HostFiles) -> dict[str, float]:
    part = await PressureFamily(files)()
    assert not part.facts
    return {one.name: one.value for one in part.levels}


async def test_the_last_minute_counts_some_waiting_for_cpus_all_for_memory_and_disks(
    tmp_path: Path,
) -> None:
    files = write(
        tmp_path,
        proc__pressure__cpu=_PSI.format(some="12.34", full="0.00"),
        proc__pressure__memory=_PSI.format(some="50.00", full="3.00"),
        proc__pressure__io=_PSI.format(some="99.99", full="7.50"),
    )
    assert await look(files) == {
        "cpu_waiting_percent": 12.34,
        "memory_stalled_percent": 3.0,
        "io_stalled_percent": 7.5,
    }


async def test_a_kernel_without_psi_tells_its_load_for_each_cpu(tmp_path: Path) -> None:
    files = write(
        tmp_path,
        proc__loadavg="9.00 6.00 3.00 1/100 4711",
        sys__devices__system__cpu__online="0-3",
    )
    assert await look(files) == {"load_per_cpu": 1.5}


@pytest.mark.parametrize("name", ["amd-epyc", "arm64-server"])
async def test_the_recorded_machines_have_no_psi_or_have_it_whole(name: str) -> None:
    found = set(await look(recorded(name)))
    assert found in (
        {"load_per_cpu"},
        {"cpu_waiting_percent", "memory_stalled_percent", "io_stalled_percent"},
    )


async def test_this_machine_is_under_some_pressure() -> None:
    found = await look(HOST)
    assert found
    assert all(value >= 0 for value in found.values())
