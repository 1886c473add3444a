"""The inventory of Persistent disks: whole, or it says that it is not."""

import json
import os
from pathlib import Path

import pytest

from schedune.api.nodetruth import CapabilityState, PersistentDiskFact
from schedune_agent.probes import persistent_disks
from schedune_agent.probes.family import Answer, observe
from schedune_agent.probes.persistent_disks import FOLDER, MOST, PersistentDiskFamily
from schedune_agent.probes.persistent_disks_child import OWNER

NAMESPACE_UID = "0a1b2c3d-0000-4000-8000-000000000001"


def make(state: Path, path: str, content: bytes = b"", owner: str | None = "team-a") -> Path:
    """Make a file where disks are, and the owner's name beside its workload."""
    file = state / FOLDER / NAMESPACE_UID / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    if owner is not None:
        name = state / FOLDER / NAMESPACE_UID / OWNER
        name.write_text(json.dumps({"namespace": owner}))
    return file


def qcow2(size: int) -> bytes:
    return b"QFI\xfb" + bytes(20) + size.to_bytes(8, "big") + bytes(80)


async def look(state: Path) -> tuple[list[PersistentDiskFact], Answer]:
    part = await PersistentDiskFamily(state)()
    found = part.facts["persistent_disks"]
    assert isinstance(found, list)
    (answer,) = part.answers
    return found, answer


async def test_a_node_that_never_held_one_holds_none(tmp_path: Path) -> None:
    found, answer = await look(tmp_path)
    assert not found
    assert answer.state is CapabilityState.SUPPORTED


async def test_disks_are_told_with_the_size_that_the_guest_sees(tmp_path: Path) -> None:
    make(tmp_path, "db/data.raw", bytes(4096))
    make(tmp_path, "db/logs.qcow2", qcow2(2**40))
    found, answer = await look(tmp_path)
    assert [(one.workload, one.disk, one.size_bytes) for one in found] == [
        ("db", "data", 4096),
        ("db", "logs", 2**40),
    ]
    assert {(one.namespace, one.namespace_uid) for one in found} == {("team-a", NAMESPACE_UID)}
    assert answer.row.code == "CAP_DISKS_LISTED"


async def test_what_is_no_disk_is_told_and_the_disks_beside_it_too(tmp_path: Path) -> None:
    make(tmp_path, "db/data.raw", bytes(512))
    make(tmp_path, "db/torn.qcow2", b"QFI\xfb")
    make(tmp_path, "db/notes.txt")
    make(tmp_path, "db/fifo.raw").unlink()
    os.mkfifo(tmp_path / FOLDER / NAMESPACE_UID / "db" / "fifo.raw")
    (tmp_path / FOLDER / NAMESPACE_UID / "db" / "link.raw").symlink_to("/etc/passwd")
    found, answer = await look(tmp_path)
    assert [one.disk for one in found] == ["data"]
    assert (answer.state, answer.row.code) == (CapabilityState.UNKNOWN, "CAP_DISKS_NOT_LISTED")
    for name in ("fifo.raw", "link.raw", "notes.txt", "torn.qcow2"):
        assert name in answer.observed


async def test_a_namespace_whose_folder_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "db").mkdir(parents=True)
    (tmp_path / "elsewhere" / "db" / "data.raw").touch()
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / NAMESPACE_UID).symlink_to(tmp_path / "elsewhere")
    found, answer = await look(tmp_path)
    assert not found
    assert answer.state is CapabilityState.UNKNOWN


async def test_names_that_the_api_has_no_room_for_are_told_as_strange(tmp_path: Path) -> None:
    make(tmp_path, f"db/{'d' * 21}.raw")
    make(tmp_path, "db/data.raw")
    found, answer = await look(tmp_path)
    assert [one.disk for one in found] == ["data"]
    assert "d" * 21 in answer.observed


async def test_a_disk_whose_owner_is_not_named_is_still_told_by_its_namespaces_uid(
    tmp_path: Path,
) -> None:
    make(tmp_path, "db/data.raw", owner=None)
    (tmp_path / FOLDER / NAMESPACE_UID / OWNER).write_bytes(b"\xff{")
    ((one,), _) = await look(tmp_path)
    assert (one.namespace, one.namespace_uid) == ("", NAMESPACE_UID)


async def test_more_disks_than_fit_are_not_passed_over_in_silence(tmp_path: Path) -> None:
    for number in range(MOST + 1):
        make(tmp_path, f"db/d{number:03}.raw")
    found, answer = await look(tmp_path)
    assert len(found) == MOST
    assert (answer.state, answer.observed) == (
        CapabilityState.UNKNOWN,
        f"there are more than {MOST}",
    )


async def test_a_folder_that_cannot_be_listed_fails_the_probe_and_is_not_empty(
    tmp_path: Path,
) -> None:
    (tmp_path / FOLDER).touch()
    outcome = await observe(PersistentDiskFamily(tmp_path))
    assert outcome.run.reason_code == "PROBE_FAILED"
    assert "persistent_disks" not in outcome.part.facts
    assert [one.state for one in outcome.part.answers] == [CapabilityState.UNKNOWN]


async def test_a_folder_that_hangs_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleeper = tmp_path / "sleeper.py"
    sleeper.write_text("import time; time.sleep(60)")
    monkeypatch.setattr(persistent_disks, "_CHILD", sleeper)
    monkeypatch.setattr(persistent_disks, "_DEADLINE_S", 0.2)
    outcome = await observe(PersistentDiskFamily(tmp_path))
    assert "gave no answer within 0.2 s" in outcome.part.answers[0].observed
