"""Waiting for what comes by itself, and looking at what runs."""

import time
from collections.abc import Callable
from pathlib import Path


def until(question: Callable[[], object], limit_s: float = 60.0) -> None:
    """Ask again until the answer is yes; fail after the limit, in seconds."""
    deadline = time.monotonic() + limit_s
    while not question():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.3)


def processes_of(folder: Path) -> list[str]:
    """Return the command lines that name a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in command:
            found.append(command.replace(b"\0", b" ").decode())
    return found
