"""Where what was built or fetched is kept, by version, so that it is done once."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schedune_lab.progress import say


def cache_directory() -> Path:
    """Return the user's cache directory of Schedune."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "schedune"


@contextmanager
def only_one(name: str) -> Iterator[None]:
    """Let one process at a time do something; others wait and say so."""
    folder = cache_directory()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting: another process is busy with {name}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
