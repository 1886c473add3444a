"""The command line under both of its names."""

import sys

import pytest

from schedune_cli import main


@pytest.mark.parametrize(
    ("called", "usage"),
    [("schedune", "Usage: schedune"), ("kubectl-schedune", "Usage: kubectl schedune")],
)
def test_the_usage_names_the_command_as_it_was_called(
    called: str,
    usage: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(main, "entry_points", lambda **_: [])
    monkeypatch.setattr(sys, "argv", [f"/usr/bin/{called}", "--help"])
    with pytest.raises(SystemExit) as raised:
        main.main()
    assert raised.value.code == 0
    assert usage in capsys.readouterr().out


def test_an_unknown_command_is_an_error_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(main, "entry_points", lambda **_: [])
    monkeypatch.setattr(sys, "argv", ["schedune", "nonsense"])
    with pytest.raises(SystemExit) as raised:
        main.main()
    assert raised.value.code == 2
    assert "No such command 'nonsense'" in capsys.readouterr().err
