"""Room and access of the agent's paths: one that is missing or hangs costs only itself."""

import asyncio
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from schedune.api.nodetruth import CapabilityState, FilesystemFact
from schedune_agent.probes import storage
from schedune_agent.probes.asking import Reply, ask
from schedune_agent.probes.family import Answer, Part
from schedune_agent.probes.storage import RUN, STATE, DiskFamily

GIB = 2**30


def answer(part: Part, name: str) -> Answer:
    return next(one for one in part.answers if one.name == name)


def disks(part: Part) -> list[FilesystemFact]:
    found = part.facts["disks"]
    assert isinstance(found, list)
    return found


def levels(part: Part) -> dict[str, float]:
    return {one.name: one.value for one in part.levels}


async def test_a_directory_in_order_is_told_with_its_room_and_can_be_used(tmp_path: Path) -> None:
    part = await DiskFamily([("State", tmp_path)])()
    (disk,) = disks(part)
    found = os.statvfs(tmp_path)
    assert disk.total_bytes == found.f_blocks * found.f_frsize
    assert disk.available_bytes % GIB == 0
    assert disk.access == "ReadWrite"
    assert answer(part, STATE).state is CapabilityState.SUPPORTED
    assert answer(part, STATE).source == str(tmp_path)
    assert levels(part)["directory_unusable"] == 0


async def test_of_paths_for_one_purpose_the_worst_is_told_and_the_others_keep_their_facts(
    tmp_path: Path,
) -> None:
    missing = tmp_path / "missing"
    part = await DiskFamily([("State", tmp_path), ("State", missing)])()
    assert [one.path for one in disks(part)] == [str(tmp_path)]
    told = answer(part, STATE)
    assert (told.state, told.row.code) == (CapabilityState.UNSUPPORTED, "CAP_DIRECTORY_MISSING")
    assert told.at(datetime(2026, 11, 25, tzinfo=UTC)).message == f"there is no directory {missing}"
    assert told.row.remedy


async def test_the_run_directory_may_be_made_later_the_state_directory_must_be_there(
    tmp_path: Path,
) -> None:
    part = await DiskFamily([("Run", tmp_path / "a" / "b"), ("State", tmp_path / "a" / "b")])()
    assert answer(part, RUN).state is CapabilityState.UNSUPPORTED, "asked once for both"
    part = await DiskFamily([("Run", tmp_path / "a" / "b"), ("State", tmp_path / "c")])()
    assert answer(part, RUN).state is CapabilityState.SUPPORTED
    assert answer(part, STATE).row.code == "CAP_DIRECTORY_MISSING"
    assert [one.purpose for one in disks(part)] == ["Run"]


async def test_a_fifo_or_a_file_is_no_directory(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").touch()
    for name in ("fifo", "file"):
        part = await DiskFamily([("State", tmp_path / name)])()
        assert answer(part, STATE).row.code == "CAP_DIRECTORY_MISSING"


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount real file systems in memory, with options, as root or by sudo."""
    folders: list[Path] = []
    sudo = [] if os.geteuid() == 0 else ["/usr/bin/sudo", "-n"]

    def mount(options: str) -> Path:
        folder = tmp_path / f"mounted-{len(folders)}"
        folder.mkdir()
        subprocess.run(
            [*sudo, "/bin/mount", "-t", "tmpfs", "-o", options, "none", folder], check=True
        )
        folders.append(folder)
        return folder

    yield mount
    for folder in folders:
        subprocess.run([*sudo, "/bin/umount", folder], check=True)


async def test_a_read_only_state_directory_is_told_and_raises_the_level_of_an_error(
    mounted: Callable[[str], Path],
) -> None:
    read_only = mounted("ro,size=1M")
    part = await DiskFamily([("State", read_only)])()
    told = answer(part, STATE)
    assert (told.state, told.row.code) == (CapabilityState.UNSUPPORTED, "CAP_DIRECTORY_READ_ONLY")
    assert {one.access for one in disks(part)} == {"ReadOnly"}

    assert levels(part)["directory_unusable"] == 1


async def test_a_full_file_system_tells_that_nothing_is_left(
    mounted: Callable[[str], Path],
) -> None:
    full = mounted("size=1M")
    with pytest.raises(OSError, match="No space"):
        (full / "file").write_bytes(bytes(2**21))
    part = await DiskFamily([("State", full)])()
    assert levels(part)["state_room_percent"] == 0
    assert disks(part)[0].available_bytes == 0


class Replies:
    """Real questions, with the answers about some paths changed."""

    def __init__(self, **changed: Reply) -> None:
        self.changed = changed
        self.asked: list[list[str]] = []

    async def __call__(
        self, questions: Sequence[Mapping[str, Any]], *, deadline_s: float
    ) -> list[Reply]:
        self.asked.append([Path(one["path"]).name for one in questions])
        replies = await ask(questions, deadline_s=deadline_s)
        return [
            self.changed.get(Path(question["path"]).name, reply)
            for question, reply in zip(questions, replies, strict=True)
        ]


async def test_a_path_that_hangs_costs_only_itself_and_is_asked_apart_from_then_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replies = Replies(gone=Reply(error="no answer within 1 s", timed_out=True))
    monkeypatch.setattr(storage, "ask", replies)
    family = DiskFamily([("State", tmp_path / "gone"), ("Run", tmp_path)])
    for _ in range(2):
        part = await family()
        told = answer(part, STATE)
        assert (told.state, told.row.code) == (CapabilityState.UNKNOWN, "CAP_DIRECTORY_SILENT")
        assert "no answer within 1 s" in told.observed
        assert [one.purpose for one in disks(part)] == ["Run"]
        assert answer(part, RUN).state is CapabilityState.SUPPORTED
    assert sorted(map(sorted, replies.asked)) == sorted(
        [sorted(["gone", tmp_path.name]), [tmp_path.name], ["gone"]]
    )


async def test_a_directory_that_the_agent_may_not_use_is_denied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "ask", Replies(shut=Reply(errno=13, error="Permission denied")))
    part = await DiskFamily([("State", tmp_path / "shut")])()
    told = answer(part, STATE)
    assert (told.state, told.row.code) == (CapabilityState.UNAVAILABLE, "CAP_DIRECTORY_DENIED")


def measured(room: int, inodes: int = 500) -> Reply:
    return Reply(
        value={
            "total": 100 * GIB, "available": room, "inodes": 1000, "inodesAvailable": inodes,
            "isReadOnly": False, "isDirectory": True, "isReadable": True, "isWritable": True,
        }
    )  # fmt: skip


async def test_noise_at_the_edge_of_a_step_changes_no_fact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = DiskFamily([("State", tmp_path)])
    told = []
    for room, inodes in ((10.1, 500), (9.9, 499), (10.9, 505), (9.1, 410), (8.4, 395)):
        replies = Replies(**{tmp_path.name: measured(int(room * GIB), inodes)})
        monkeypatch.setattr(storage, "ask", replies)
        (disk,) = disks(await family())
        told.append((disk.available_bytes // GIB, disk.inodes_available_percent))
    assert told == [(10, 50), (10, 50), (10, 50), (10, 50), (8, 30)]


async def test_a_file_system_without_a_number_of_inodes_tells_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reply = measured(GIB)
    reply.value["inodes"] = 0
    monkeypatch.setattr(storage, "ask", Replies(**{tmp_path.name: reply}))
    part = await DiskFamily([("State", tmp_path)])()
    assert disks(part)[0].inodes_available_percent is None
    assert "inodes_percent" not in levels(part)


async def test_paths_are_those_below_the_root(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    part = await DiskFamily([("State", Path("/var"))], tmp_path)()
    assert answer(part, STATE).state is CapabilityState.SUPPORTED
    (tmp_path / "var").rmdir()
    part = await DiskFamily([("State", Path("/var"))], tmp_path)()
    assert answer(part, STATE).row.code == "CAP_DIRECTORY_MISSING"


async def test_eight_silent_paths_are_through_before_the_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(questions: Sequence[object], *, deadline_s: float) -> list[Reply]:
        await asyncio.sleep(deadline_s * len(questions) / 100)
        return [Reply(error="silent", timed_out=True)] * len(questions)

    monkeypatch.setattr(storage, "ask", silent)
    paths = [("Images", tmp_path / str(number)) for number in range(8)]
    family = DiskFamily([*paths, ("Run", tmp_path), ("State", tmp_path / "s")])
    assert len(paths) + 2 < family.deadline_s, "one second each, in the first round"
    part = await family()
    assert {one.row.code for one in part.answers} == {"CAP_DIRECTORY_SILENT"}
