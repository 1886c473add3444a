"""Which binary may be run at all: a program, under its name, that nobody else can replace."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from schedune.api.nodetruth import CapabilityState
from schedune.codes import vmm_probes as rows
from schedune_agent.probes import binary_child
from schedune_testing.programs import Machine, look, says

FIRECRACKER = "firecracker"


def _folder(path: Path) -> None:
    path.mkdir()


def _not_executable(path: Path) -> None:
    path.write_text(says("Firecracker v1.16.1"))
    path.chmod(0o644)


def _dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def _loop(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("make", "seen"),
    [
        (_folder, "is a folder"),
        (os.mkfifo, "is a FIFO"),
        (_not_executable, "has mode 0644"),
        (_dangling, "firecracker: "),
        (_loop, "firecracker: "),
    ],
)
async def test_what_has_the_name_and_is_no_program_is_told(
    machine: Machine, tmp_path: Path, make: Callable[[Path], None], seen: str
) -> None:
    make(machine.folder / FIRECRACKER)
    answer, facts = await look(machine.family(FIRECRACKER))
    assert (answer.state, answer.row) == (CapabilityState.UNKNOWN, rows.CAP_VMM_NO_PROGRAM)
    assert seen in answer.observed
    assert not facts
    second = Machine(tmp_path / "second")
    second.folder.mkdir()
    second.install(FIRECRACKER, says("Firecracker v1.16.1"))
    answer, _ = await look(machine.family(FIRECRACKER, second.folder))
    assert answer.state is CapabilityState.SUPPORTED


def _by_others(machine: Machine, path: Path) -> None:
    path.chmod(0o757)


def _folder_of_others(machine: Machine, path: Path) -> None:
    machine.folder.chmod(0o777)


def _link_among_others(machine: Machine, path: Path) -> None:
    elsewhere = machine.folder.parent / "safe"
    elsewhere.mkdir(mode=0o755)
    path.rename(elsewhere / "program")
    path.symlink_to(elsewhere / "program")
    machine.folder.chmod(0o777)


@pytest.mark.parametrize("spoil", [_by_others, _folder_of_others, _link_among_others])
async def test_a_binary_that_others_could_replace_is_refused(
    machine: Machine, spoil: Callable[[Machine, Path], None]
) -> None:
    path = machine.install(FIRECRACKER, f"touch {machine.folder.parent}/ran")
    spoil(machine, path)
    answer, facts = await look(machine.family(FIRECRACKER))
    assert (answer.state, answer.row) == (CapabilityState.UNAVAILABLE, rows.CAP_VMM_UNTRUSTED)
    assert "has mode 07" in answer.observed
    assert not facts
    assert not (machine.folder.parent / "ran").exists()


def _find(machine: Machine, uid: int, gid: int) -> dict[str, object]:
    found = binary_child.find(
        {"folders": [str(machine.folder)], "names": [FIRECRACKER], "uid": uid, "gid": gid}
    )
    return found[FIRECRACKER]


def test_a_binary_of_another_user_is_refused_and_ones_own_is_not(machine: Machine) -> None:
    path = machine.install(FIRECRACKER, says("Firecracker v1.16.1"))
    owner = os.getuid()
    if owner == 0:
        owner = 4242
        os.chown(path, owner, owner)
    stranger = _find(machine, owner + 1, owner + 1)
    assert (stranger["fault"], stranger["seen"]) == (
        "untrusted",
        f"{path} belongs to user {owner}",
    )
    assert "path" in _find(machine, owner, path.stat().st_gid)


def test_the_own_group_may_write_only_where_the_agent_is_not_root(machine: Machine) -> None:
    path = machine.install(FIRECRACKER, says("Firecracker v1.16.1"))
    if os.geteuid() == 0:
        os.chown(path, 4242, 4242)
    path.chmod(0o775)
    uid, gid = path.stat().st_uid, path.stat().st_gid
    assert "path" in _find(machine, uid, gid)
    assert _find(machine, uid, gid + 1)["fault"] == "untrusted"
    if os.geteuid() == 0:
        os.chown(path, 0, 4242)
        assert _find(machine, 0, 4242)["fault"] == "untrusted"
