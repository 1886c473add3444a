"""Whole copies of disks: equal, sparse, and never half there."""

import itertools
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schedune_agent.system import sparse_copy_child
from schedune_testing.full_disk import FullDisk

MEBI = 2**20


def copy_whole(source: Path, target: Path, size: int) -> None:
    """Copy as the child does, in this process."""
    target.unlink(missing_ok=True)
    with source.open("rb") as file:
        sparse_copy_child.copy(file.fileno(), f"{target}.new", str(target), size)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9000)), max_size=6))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_copy_is_equal_wherever_there_are_holes(
    tmp_path: Path, parts: list[tuple[int, int]]
) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    with source.open("wb") as file:
        for start, length in parts:
            file.seek(start * 65536)
            file.write(b"x" * length)
    size = source.stat().st_size
    copy_whole(source, target, size)
    assert target.read_bytes() == source.read_bytes()


def test_holes_take_no_room_in_the_copy(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    with source.open("wb") as file:
        file.write(b"begin")
        file.seek(64 * MEBI)
        file.write(b"end")
    copy_whole(source, target, 65 * MEBI)
    assert target.stat().st_size == 65 * MEBI
    assert target.stat().st_blocks * 512 < MEBI
    assert target.read_bytes()[64 * MEBI :].startswith(b"end\0")


def test_a_copy_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "source").write_bytes(b"x" * 100)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sparse_copy_child.os, "sendfile", full)
    monkeypatch.setattr(sparse_copy_child.fcntl, "ioctl", full)
    with pytest.raises(OSError, match="No space left"):
        copy_whole(tmp_path / "source", tmp_path / "target", 512)
    assert [one.name for one in tmp_path.iterdir()] == ["source"]


def test_a_copy_is_whole_or_not_there_wherever_space_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "source", tmp_path / "on-disk/target"
    source.write_bytes(b"x" * 100)
    target.parent.mkdir()
    disk = FullDisk(monkeypatch, [target.parent])
    for moment in itertools.count(1):
        disk.fill(moment, 1)
        with suppress(OSError):
            copy_whole(source, target, 512)
        if not disk.failed:
            break
        assert list(target.parent.iterdir()) == [], disk.failed
    assert moment > len(("open", "ftruncate", "fsync", "link"))
    assert target.read_bytes() == b"x" * 100 + bytes(412)
