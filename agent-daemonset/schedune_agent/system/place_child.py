"""Run a program, or a script of ours, where VMs run.

Usage: ``place_child.py WAY program ARGV...`` or ``place_child.py WAY script SCRIPT...``, where
WAY is a JSON object: ``doors`` (``cgroup.procs`` of control groups) and ``namespaces``
(files), to be entered in this order. A program is one of the files there; a script is read
before, and so is all of the standard library that scripts of ours use: once the files are
another root's, ours are out of reach. It stays one process, which a deadline kills.
"""

import json
import os
import sys


def enter_groups(doors: "list[str]") -> None:
    """Move this process into control groups; a refusal is an error."""
    for door in doors:
        # Unbuffered: a refusal must be seen.
        descriptor = os.open(door, os.O_WRONLY | os.O_CLOEXEC)
        os.write(descriptor, b"0")
        os.close(descriptor)


WAY, WHAT, ARGV = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3:]
# Before all else: what follows is work, of which a pod's group may allow little.
enter_groups(WAY["doors"])

# What scripts need, loaded while it can be: see above.
import collections.abc  # noqa: E402, F401
import ctypes  # noqa: E402
import errno  # noqa: E402, F401
import fcntl  # noqa: E402, F401
import hashlib  # noqa: E402, F401
import mmap  # noqa: E402, F401
import pathlib  # noqa: E402
import platform  # noqa: E402, F401
import re  # noqa: E402, F401
import socket  # noqa: E402, F401
import stat  # noqa: E402, F401
import struct  # noqa: E402, F401
import time  # noqa: E402, F401
import typing  # noqa: E402, F401


def enter_namespaces(namespaces: "list[str]") -> None:
    """Move this process into namespaces."""
    library = ctypes.CDLL(None, use_errno=True)
    opened = [os.open(one, os.O_RDONLY | os.O_CLOEXEC) for one in namespaces]
    for path, one in zip(namespaces, opened, strict=True):
        if library.setns(one, 0):
            number = ctypes.get_errno()
            raise OSError(number, f"cannot enter {path}: {os.strerror(number)}")
        os.close(one)


def main() -> None:
    """Go there, and be what was asked for."""
    if WHAT == "program":
        enter_namespaces(WAY["namespaces"])
        os.execv(ARGV[0], ARGV)  # noqa: S606
    source = compile(pathlib.Path(ARGV[0]).read_bytes(), ARGV[0], "exec")
    enter_namespaces(WAY["namespaces"])
    sys.argv = ARGV
    exec(source, {"__name__": "__main__", "__file__": ARGV[0]})  # noqa: S102 - our own file


if __name__ == "__main__":
    main()
