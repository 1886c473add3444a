"""The file that ``schedune snapshot`` writes: whole or not at all, and for its owner alone."""

import errno
import os
from pathlib import Path

import pytest

from schedune_cli.recording.recording import Recording
from schedune_testing.recordings import Files, run

EARLIER = "the earlier one"


@pytest.fixture(autouse=True)
def cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read an empty fleet: what is written is no matter here."""
    module = "schedune_cli.commands.snapshot.read_cluster"
    monkeypatch.setattr(module, lambda *_: Recording())


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_snapshot_takes_the_place_of_the_earlier_one_and_none_but_its_owner_reads_it(
    files: Files,
) -> None:
    path = files.text("fleet.yaml", EARLIER)
    path.chmod(0o644)
    Path("link.yaml").symlink_to(path)
    for name in ("fleet.yaml", "new.yaml", "link.yaml"):
        assert run("snapshot", "-o", name).exit_code == 0
        assert "kind: Snapshot" in Path(name).read_text()
        assert mode_of(Path(name)) == 0o600
    assert Path("link.yaml").is_symlink()
    assert sorted(one.name for one in Path().iterdir()) == ["fleet.yaml", "link.yaml", "new.yaml"]


def test_a_full_disk_leaves_the_earlier_snapshot_and_nothing_else(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = files.text("fleet.yaml", EARLIER)
    monkeypatch.setattr(os, "fsync", full)
    told = run("snapshot", "-o", "fleet.yaml")
    assert told.exit_code == 2
    assert "fleet.yaml: cannot be written: No space left on device" in told.stderr
    assert path.read_text() == EARLIER
    assert [one.name for one in Path().iterdir()] == ["fleet.yaml"]


def test_a_device_is_written_into_and_not_replaced(files: Files) -> None:
    assert run("snapshot", "-o", "/dev/null").exit_code == 0
    assert Path("/dev/null").is_char_device()
    told = run("snapshot", "-o", str(files.folder))
    assert (told.exit_code, "Is a directory" in told.stderr) == (2, True)
