"""Ask this machine questions on which it may hang; one line of JSON for each answer.

Runs as a child (standard library only) that a deadline kills: opening a device may wait
for its driver, and a file system whose server is gone answers never. Usage:
``asking_child.py QUESTIONS``, a JSON list of objects:

    {"do": "statvfs", "path": PATH, "orAbove": BOOLEAN}
    {"do": "read", "path": PATH}
    {"do": "open", "path": PATH}
    {"do": "ioctl", "path": PATH, "request": NUMBER, "argument": NUMBER}
    {"do": "ioctl", "path": PATH, "request": NUMBER, "bytes": LENGTH}
    {"do": "syscall", "number": NUMBER, "arguments": [NUMBER, ...]}

Each answer is ``{"value": ...}`` or ``{"errno": NUMBER, "error": TEXT}``.
"""

import ctypes
import errno
import fcntl
import json
import os
import stat
import sys
from collections.abc import Callable
from typing import Any, Final


def statvfs(question: dict[str, Any]) -> Any:
    """Return room, inodes, flags and rights of a path, or of the nearest folder above it."""
    path = question["path"]
    while question.get("orAbove") and not os.path.lexists(path) and "/" in path.rstrip("/"):
        path = path.rstrip("/").rpartition("/")[0] or "/"
    found = os.statvfs(path)
    mode = os.stat(path).st_mode  # noqa: PTH116 - to load pathlib takes longer than to ask
    return {
        "total": found.f_blocks * found.f_frsize,
        "available": found.f_bavail * found.f_frsize,
        "inodes": found.f_files,
        "inodesAvailable": found.f_favail,
        "isReadOnly": bool(found.f_flag & os.ST_RDONLY),
        "isDirectory": stat.S_ISDIR(mode),
        "isReadable": os.access(path, os.R_OK | os.X_OK),
        "isWritable": os.access(path, os.W_OK | os.X_OK),
    }


def read(question: dict[str, Any]) -> Any:
    """Return the first 4 KiB of a file as text."""
    descriptor = os.open(question["path"], os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "is no regular file")
        return os.read(descriptor, 4096).decode(errors="replace")
    finally:
        os.close(descriptor)


def open_path(question: dict[str, Any]) -> Any:
    """Return nothing: it can be opened for reading and writing."""
    os.close(_open(question["path"]))


def control(question: dict[str, Any]) -> Any:
    """Return what a device's ioctl returns: a number, or the bytes it filled, in hex."""
    descriptor = _open(question["path"])
    try:
        if "bytes" not in question:
            return fcntl.ioctl(descriptor, question["request"], question.get("argument", 0))
        return fcntl.ioctl(descriptor, question["request"], bytes(question["bytes"])).hex()
    finally:
        os.close(descriptor)


def call(question: dict[str, Any]) -> Any:
    """Return what a system call returns."""
    library = ctypes.CDLL(None, use_errno=True)
    arguments = [ctypes.c_long(one) for one in question["arguments"]]
    result = library.syscall(ctypes.c_long(question["number"]), *arguments)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _open(path: str) -> int:
    # A device may wait for a carrier or a peer on open: then there is nothing to wait for.
    return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)


ASKED: Final[dict[str, Callable[[dict[str, Any]], Any]]] = {
    "statvfs": statvfs,
    "read": read,
    "open": open_path,
    "ioctl": control,
    "syscall": call,
}


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """Ask one question."""
    try:
        return {"value": ASKED[question["do"]](question)}
    except OSError as error:
        return {"errno": error.errno or errno.EIO, "error": error.strerror or str(error)}


def main() -> None:
    """Answer one question after the other, each as soon as it is known."""
    for question in json.loads(sys.argv[1]):
        sys.stdout.write(json.dumps(answer(question)) + "\n")
        sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
