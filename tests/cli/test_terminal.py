"""What a terminal sees: colours and wrapped lines, unless NO_COLOR says otherwise."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

import pytest

from schedune_testing.recordings import ROOT, Files, truth, workload

SCHEDUNE = ROOT / ".venv/bin/schedune"
COLUMNS = 72


def on_a_terminal(files: Files, **environment: str) -> str:
    """Run explain on a real terminal of some width, and return what it wrote there."""
    files.write("vm.yaml", workload(architecture="arm64"))
    files.write("fleet.yaml", truth("a"))
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    code = "from schedune_cli.main import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "explain", "-f", "vm.yaml", "--truth", "fleet.yaml"],
        stdout=theirs, env={**os.environ, **environment}, cwd=files.folder,
    )  # fmt: skip
    os.close(theirs)
    told = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # Linux's way to say that the other end is closed
            break
        if not piece:
            break
        told += piece
    process.wait(timeout=60)
    os.close(ours)
    return told.decode().replace("\r\n", "\n")


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.mark.usefixtures("plain")
def test_a_terminal_sees_colours_and_lines_of_its_width(files: Files) -> None:
    told = on_a_terminal(files)
    assert "\x1b[31mrejected" in told
    assert "\x1b[1m" in told


@pytest.mark.usefixtures("plain")
def test_no_colour_is_shown_where_none_is_wanted(files: Files) -> None:
    told = on_a_terminal(files, NO_COLOR="1")
    assert "\x1b" not in told
    assert max(map(len, told.splitlines())) <= COLUMNS
