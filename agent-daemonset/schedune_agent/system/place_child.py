"""Run a program, or a script of ours, where VMs run.

Usage: ``place_child.py WAY program ARGV...`` or ``place_child.py WAY script SCRIPT...``, where
WAY is a JSON object: ``doors`` (``cgroup.procs`` of control groups) and ``namespaces``
(files), to be entered in this order. A program is one of the files there; a script is read
before, and so is all of the standard library that scripts of ours use: once the files are
another root's, ours are out of reach. It stays one process, which a deadline kills.
"""

import ctypes
import json
import os
import sys
from collections.abc import Sequence

# What scripts need, loaded while it can be: see above.
import collections.abc  # isort: skip  # noqa: F401
import errno  # noqa: F401
import fcntl  # noqa: F401
import hashlib  # noqa: F401
import mmap  # noqa: F401
import pathlib
import platform  # noqa: F401
import re  # noqa: F401
import stat  # noqa: F401
import struct  # noqa: F401
import time  # noqa: F401
import typing  # noqa: F401

_LIBC = ctypes.CDLL(None, use_errno=True)


def enter(doors: "Sequence[str]", namespaces: "Sequence[str]") -> None:
    """Move this process into control groups and namespaces."""
    for door in doors:
        # Written whole and unbuffered: a refusal must be seen.
        descriptor = os.open(door, os.O_WRONLY | os.O_CLOEXEC)
        os.write(descriptor, b"0")
        os.close(descriptor)
    opened = [os.open(one, os.O_RDONLY | os.O_CLOEXEC) for one in namespaces]
    for path, one in zip(namespaces, opened, strict=True):
        if _LIBC.setns(one, 0):
            number = ctypes.get_errno()
            raise OSError(number, f"cannot enter {path}: {os.strerror(number)}")
        os.close(one)


def main() -> None:
    """Go there, and be what was asked for."""
    way, what, argv = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3:]
    if what == "program":
        enter(way["doors"], way["namespaces"])
        os.execv(argv[0], argv)  # noqa: S606
    source = compile(pathlib.Path(argv[0]).read_bytes(), argv[0], "exec")
    enter(way["doors"], way["namespaces"])
    sys.argv = argv
    exec(source, {"__name__": "__main__", "__file__": argv[0]})  # noqa: S102 - our own file


if __name__ == "__main__":
    main()
