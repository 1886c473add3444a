"""The limits of the agent's own cgroup, up to the root that it sees."""

from pathlib import Path

import pytest

from schedune.api.nodetruth import AgentLimits
from schedune_agent.probes.own_cgroup import LimitsFamily
from schedune_agent.system.host_files import HOST, HostFiles
from schedune_testing.recorded import recorded, write


async def look(files: HostFiles) -> AgentLimits:
    limits = (await LimitsFamily(files)()).facts["agent_limits"]
    assert isinstance(limits, AgentLimits)
    return limits


@pytest.mark.parametrize("name", ["amd-epyc", "arm64-server", "intel-skylake-server", "nested"])
async def test_a_limit_of_a_group_above_counts(name: str) -> None:
    """The recorded agent's own group limits its processes only; the pods' group the rest."""
    limits = await look(recorded(name))
    assert limits.cgroups == "V2"
    assert (limits.memory_bytes, limits.cpu_millis, limits.processes) == (2**27, 500, 100)


async def test_a_container_of_cgroups_v1_is_limited_by_groups_that_it_does_not_see() -> None:
    limits = await look(recorded("container"))
    assert limits.cgroups == "Hybrid"
    assert (limits.memory_bytes, limits.processes) == (2**29, 200)


async def test_a_quota_of_cgroups_v1_is_told_in_thousandths(tmp_path: Path) -> None:
    files = write(
        tmp_path,
        proc__self__cgroup="3:cpu,cpuacct:/a/b\n",
        proc__self__mountinfo="1 0 0:1 / /c rw - cgroup cgroup rw,cpu,cpuacct\n",
        **{"c__a__cpu.cfs_quota_us": "150000", "c__a__cpu.cfs_period_us": "100000"},
        **{"c__a__b__cpu.cfs_quota_us": "-1", "c__a__b__cpu.cfs_period_us": "100000"},
    )
    limits = await look(files)
    assert (limits.cgroups, limits.cpu_millis) == ("V1", 1500)


async def test_a_mount_with_a_space_in_its_name_is_found(tmp_path: Path) -> None:
    files = write(
        tmp_path,
        proc__self__cgroup="0::/a\n",
        proc__self__mountinfo="1 0 0:1 / /c\\040d rw - cgroup2 cgroup2 rw\n",
        **{"c d__a__memory.max": "4096"},
    )
    assert (await look(files)).memory_bytes == 4096


async def test_of_two_mounts_at_one_place_the_later_is_seen(tmp_path: Path) -> None:
    files = write(
        tmp_path,
        proc__self__cgroup="0::/a\n",
        proc__self__mountinfo=(
            "1 0 0:1 /b /c rw - cgroup2 cgroup2 rw\n2 1 0:1 / /c rw - cgroup2 cgroup2 rw\n"
        ),
        **{"c__a__memory.max": "4096"},
    )
    assert (await look(files)).memory_bytes == 4096


async def test_without_control_groups_nothing_limits(tmp_path: Path) -> None:
    assert await look(HostFiles(tmp_path)) == AgentLimits(cgroups="None")


@pytest.mark.parametrize(
    ("shared", "levels"),
    [
        (2**28, [("memory_limited", 1.0)]),
        (2**27, [("memory_limited", 0.0)]),
        (None, []),
    ],
    ids=["more is offered", "as much is offered", "VMs have groups of their own"],
)
async def test_vms_in_our_group_that_are_offered_more_than_its_limit_are_an_alarm(
    shared: int | None, levels: list[tuple[str, float]]
) -> None:
    part = await LimitsFamily(recorded("amd-epyc"), shared)()
    assert [(one.name, one.value) for one in part.levels] == levels


async def test_on_this_machine_the_limits_can_be_read() -> None:
    part = await LimitsFamily(HOST)()
    assert not part.unread
