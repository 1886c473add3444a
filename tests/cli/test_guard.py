"""The last line before a user: no traceback reaches one, and no defect is hidden."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from schedune_cli import main
from schedune_testing.recordings import ROOT, Files, run, truth

SCHEDUNE = ROOT / ".venv/bin/schedune"


def broken(*_: object, **__: object) -> None:
    raise RuntimeError("a defect")


@pytest.fixture
def defect(monkeypatch: pytest.MonkeyPatch, files: Files) -> None:
    monkeypatch.setattr("schedune_cli.commands.explain.read_inputs", broken)


@pytest.mark.usefixtures("defect")
def test_a_defect_of_ours_is_told_as_one_and_shows_no_traceback() -> None:
    told = run("explain", "-f", "vm.yaml")
    assert told.exit_code == 2
    assert "internal error: RuntimeError: a defect" in told.stderr
    assert "schedune --debug" in told.stderr
    assert "Traceback" not in told.output


@pytest.mark.usefixtures("defect")
def test_a_defect_of_ours_shows_where_it_is_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    told = run("--debug", "explain", "-f", "vm.yaml")
    assert told.exit_code == 2
    assert "test_guard.py" in told.stderr


def test_a_command_that_cannot_be_loaded_is_a_defect_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken:
        name = "broken"
        load = staticmethod(broken)

    monkeypatch.setattr(main, "entry_points", lambda **_: [Broken()])
    monkeypatch.setattr(sys, "argv", ["schedune", "broken"])
    with pytest.raises(SystemExit) as raised:
        main.main()
    assert raised.value.code == 2
    assert "internal error: RuntimeError: a defect" in capsys.readouterr().err


# --- output that cannot be written -------------------------------------------------------


@pytest.mark.parametrize("unbuffered", ["1", ""])
@pytest.mark.parametrize(
    "arguments", [("nodes", "--truth", "fleet.yaml"), ("--help",), ("nodes", "--help")]
)
def test_a_full_disk_is_told_as_one(
    files: Files, arguments: tuple[str, ...], unbuffered: str
) -> None:
    files.write("fleet.yaml", truth("a"))
    with Path("/dev/full").open("w") as full:
        told = subprocess.run(
            [SCHEDUNE, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False,
            cwd=files.folder, env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        )  # fmt: skip
    wanted = "error: standard output: cannot be written: No space left on device\n"
    assert (told.returncode, told.stderr) == (2, wanted)


def test_nothing_is_made_of_it_that_even_this_cannot_be_told(files: Files) -> None:
    with Path("/dev/full").open("w") as full:
        told = subprocess.run(
            [SCHEDUNE, "nodes", "--truth", "none"], stdout=subprocess.PIPE, stderr=full, text=True,
            check=False, cwd=files.folder,
        )  # fmt: skip
    assert (told.returncode, told.stdout) == (2, "")


def test_any_other_error_of_the_system_is_still_a_defect(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("schedune_cli.commands.explain.read_inputs", fail)
    told = run("explain", "-f", "vm.yaml")
    assert told.exit_code == 2
    assert "internal error: OSError" in told.stderr
