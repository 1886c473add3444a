"""The last line before a user: no traceback reaches one, and no defect is hidden."""

import sys

import pytest

from schedune_cli import main
from schedune_testing.recordings import Files, run


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
