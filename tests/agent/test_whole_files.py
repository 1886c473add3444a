"""No space at any call of a write: the old file or the new one, and nothing beside it."""

import itertools
from contextlib import suppress
from pathlib import Path

import pytest

from schedune_agent.record import LaunchRecord, RecordError, RecordStore
from schedune_agent.system.whole_files import write_whole
from schedune_testing.full_disk import FullDisk

OLD, NEW = b"old", b"new content"


def test_a_file_is_the_old_one_or_the_new_one_wherever_space_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "on-disk"
    folder.mkdir()
    file, disk = folder / "file", FullDisk(monkeypatch, [folder])
    for moment in itertools.count(1):
        file.write_bytes(OLD)
        disk.fill(moment, 1)
        with suppress(OSError):
            write_whole(file, NEW)
        if not disk.failed:
            break
        assert file.read_bytes() in (OLD, NEW)
        assert list(folder.iterdir()) == [file], disk.failed
    assert moment > len(("open", "sync", "replace", "sync of the folder"))
    assert file.read_bytes() == NEW


def test_a_records_folder_that_could_not_be_synced_is_synced_before_its_record_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, disk = RecordStore(tmp_path), FullDisk(monkeypatch, [tmp_path])
    record = LaunchRecord(placement_uid="uid", workload_uid="w", namespace="n", name="vm")
    disk.fill(3, 1)
    with pytest.raises(RecordError, match="No space"):
        store.save(record)
    assert disk.failed == ["fsync placements"]
    store.save(record)
    assert disk.written.count("fsync placements") == 2
    assert store.load_all() == {"uid": record}
