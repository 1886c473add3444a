"""Limits of a control group, in v1 and in v2: set, read back, and told when they do not hold.

The trees are folders: what a kernel makes of them is tried with real VMs (tests/vm).
"""

from pathlib import Path

import pytest

from schedune_agent.system.cgroup import make_groups
from schedune_agent.system.cgroup_limits import Limits, memory_kills, missing_limits, set_limits

LIMITS = Limits(memory_bytes=232 * 2**20, vcpus=2)
V1 = {
    "memory": {
        "memory.limit_in_bytes": "9223372036854771712",
        "memory.memsw.limit_in_bytes": "9223372036854771712",
        "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 0",
    },
    "pids": {"pids.max": "max"},
    "cpu": {"cpu.shares": "1024"},
    "unified": {},
}
V2 = {
    "": {
        "memory.max": "max",
        "memory.swap.max": "max",
        "memory.events": "low 0\nhigh 0\nmax 12\noom 3\noom_kill 0\noom_group_kill 0",
        "pids.max": "max",
        "cpu.weight": "100",
    }
}


def tree(root: Path, kind: dict[str, dict[str, str]]) -> Path:
    """Lay out hierarchies with one group, ``vm``, as a kernel would."""
    for name, files in kind.items():
        (root / name).mkdir(exist_ok=True)
        (root / name / "cgroup.procs").touch()
        group = root / name / "schedune" / "vm"
        group.mkdir(parents=True)
        for file, content in files.items():
            (group / file).write_text(content)
    return root


def test_v1_is_limited_in_memory_with_swap_in_processes_and_by_its_share(tmp_path: Path) -> None:
    root = tree(tmp_path, V1)
    set_limits("vm", LIMITS, root)
    group = root / "memory" / "schedune" / "vm"
    assert (group / "memory.limit_in_bytes").read_text() == str(232 * 2**20)
    assert (group / "memory.memsw.limit_in_bytes").read_text() == str(232 * 2**20)
    assert (root / "pids" / "schedune" / "vm" / "pids.max").read_text() == "272"
    assert (root / "cpu" / "schedune" / "vm" / "cpu.shares").read_text() == "2048"
    assert missing_limits("vm", LIMITS, root) == []


def test_v2_is_limited_likewise_and_swaps_nothing(tmp_path: Path) -> None:
    root = tree(tmp_path, V2)
    set_limits("vm", LIMITS, root)
    group = root / "schedune" / "vm"
    found = {one: (group / one).read_text() for one in V2[""] if one != "memory.events"}
    assert found == {
        "memory.max": str(232 * 2**20),
        "memory.swap.max": "0",
        "pids.max": "272",
        "cpu.weight": "200",
    }
    assert missing_limits("vm", LIMITS, root) == []


def test_a_machine_with_very_many_vcpus_stays_within_what_the_kernel_takes(tmp_path: Path) -> None:
    limits = Limits(2**30, 4096)
    root = tree(tmp_path, V2)
    set_limits("vm", limits, root)
    assert (root / "schedune" / "vm" / "cpu.weight").read_text() == "10000"
    assert missing_limits("vm", limits, root) == []


def test_a_controller_that_is_not_there_is_told(tmp_path: Path) -> None:
    root = tree(tmp_path, {"unified": {}, "pids": V1["pids"]})
    set_limits("vm", LIMITS, root)
    told = missing_limits("vm", LIMITS, root)
    assert told == ["memory (no such controller)", "cpu (no such controller)"]


def test_a_limit_that_the_kernel_did_not_take_is_told_with_what_it_says(tmp_path: Path) -> None:
    root = tree(tmp_path, V2)
    told = missing_limits("vm", LIMITS, root)
    assert told == [
        f"memory (memory.max is max, not {232 * 2**20})",
        "pids (pids.max is max, not 272)",
        "cpu (cpu.weight is 100, not 200)",
    ]


@pytest.mark.parametrize("kind", [V1, V2])
def test_processes_that_were_killed_for_memory_are_counted(
    tmp_path: Path, kind: dict[str, dict[str, str]]
) -> None:
    root = tree(tmp_path, kind)
    assert memory_kills("vm", root) == 0
    for name in ("memory.events", "memory.oom_control"):
        for file in root.rglob(name):
            file.write_text(file.read_text().replace("oom_kill 0", "oom_kill 1"))
    assert memory_kills("vm", root) == 1
    assert memory_kills("another", root) == 0


def test_controllers_of_v2_are_let_down_to_the_groups_once(tmp_path: Path) -> None:
    (tmp_path / "cgroup.procs").touch()
    (tmp_path / "schedune").mkdir()
    for group in (tmp_path, tmp_path / "schedune"):
        (group / "cgroup.controllers").write_text("cpuset cpu memory")
        (group / "cgroup.subtree_control").write_text("cpu")
    make_groups("vm", tmp_path)
    for group in (tmp_path, tmp_path / "schedune"):
        assert (group / "cgroup.subtree_control").read_text() == "+memory"
