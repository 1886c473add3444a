"""What the tests of the command line share."""

from pathlib import Path

import pytest

from schedune_testing.recordings import Files


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    """Stand in an empty folder, and write files there."""
    monkeypatch.chdir(tmp_path)
    return Files(Path())
