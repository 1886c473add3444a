"""Sick disks: what the kernel knows of them."""

from pathlib import Path

from schedune_agent.probes.disk_health import DiskHealthFamily
from schedune_agent.probes.family import Part
from schedune_agent.system.host_files import HOST
from schedune_testing.recorded import recorded, write


def levels(part: Part) -> set[tuple[str, str, float]]:
    assert not part.facts
    return {(one.name, one.subject, one.value) for one in part.levels}


async def test_errors_arrays_and_disks_that_are_gone_are_levels(tmp_path: Path) -> None:
    files = write(
        tmp_path,
        sys__fs__ext4__sda1__errors_count="3\n",
        sys__fs__ext4__features__lazy_itable_init="supported\n",
        sys__block__md0__md__degraded="1\n",
        sys__block__sda__device__state="running\n",
        sys__block__sdb__device__state="offline\n",
        sys__block__nvme0n1__device__state="dead\n",
        sys__block__loop0__ro="0\n",
    )
    assert levels(await DiskHealthFamily(files)()) == {
        ("filesystem_errors", "sda1", 3),
        ("array_missing_disks", "md0", 1),
        ("disk_offline", "sda", 0),
        ("disk_offline", "sdb", 1),
        ("disk_offline", "nvme0n1", 1),
    }


async def test_a_count_that_is_garbage_is_told_and_raises_nothing(tmp_path: Path) -> None:
    files = write(tmp_path, sys__block__md0__md__degraded="\0many")
    part = await DiskHealthFamily(files)()
    assert not part.levels
    assert "sys/block/md0/md/degraded: says '?many', which is no number" in part.unread


async def test_the_recorded_container_sees_the_hosts_file_system_in_order() -> None:
    found = levels(await DiskHealthFamily(recorded("container"))())
    assert ("filesystem_errors", "vda", 0) in found


async def test_on_this_machine_everything_can_be_read() -> None:
    assert not (await DiskHealthFamily(HOST)()).unread
