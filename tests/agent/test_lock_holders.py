"""Who holds a lock, without trying one: by name, and only of the whole file."""

import fcntl
from pathlib import Path

from schedune_agent.system.lock_holders import held_files
from schedune_agent.system.locks import locked


def test_only_a_held_lock_of_the_whole_file_under_that_name_counts(tmp_path: Path) -> None:
    for name in ("held.lock", "other.lock", "part.lock"):
        (tmp_path / name).touch()
    names = ("held.lock", "part.lock", "missing.lock")
    with (tmp_path / "held.lock").open() as held, (tmp_path / "other.lock").open() as other:
        for file in (held, other):
            fcntl.flock(file, fcntl.LOCK_SH)
        with locked([tmp_path / "part.lock"]):
            found = {one for name in names for one in held_files(name)}
    assert {one for one in found if one.parent == tmp_path} == {tmp_path / "held.lock"}


def test_an_open_file_without_a_lock_and_one_that_was_removed_are_not_held(tmp_path: Path) -> None:
    removed, unlocked = tmp_path / "removed.lock", tmp_path / "unlocked.lock"
    with removed.open("w") as file, unlocked.open("w"):
        fcntl.flock(file, fcntl.LOCK_EX)
        removed.unlink()
        assert held_files(removed.name) | held_files(unlocked.name) == frozenset()
