"""Tell people what is going on, on a terminal and without one."""

import sys
import time
from typing import Final

_STARTED: Final = time.monotonic()


def say(message: str) -> None:
    """Print one line with the seconds since the start."""
    sys.stderr.write(f"[{time.monotonic() - _STARTED:6.1f} s] {message}\n")
    sys.stderr.flush()


class LabError(Exception):
    """Something a person must see: what happened, to what, and what to do."""
