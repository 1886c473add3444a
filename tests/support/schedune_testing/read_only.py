"""A folder that takes no writes any more, as of a disk that the kernel made read-only."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Let a folder be read-only, for whoever opens something in it from now on.

    It is laid over itself: what a VMM has open to write stays open, as it does when a disk
    becomes read-only after an error; ``mount -o remount,ro`` refuses such a disk.
    """
    _run("mount", "--bind", folder, folder)
    try:
        _run("mount", "-o", "remount,bind,ro", folder)
        yield
    finally:
        _run("umount", "--lazy", folder)


def _run(program: str, *arguments: str | Path) -> None:
    sudo = [] if os.geteuid() == 0 else ["/usr/bin/sudo", "-n"]
    subprocess.run([*sudo, f"/bin/{program}", *arguments], check=True)
