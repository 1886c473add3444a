"""Look for binaries in folders, say whether they can be trusted, and digest them.

Runs as a child (standard library only) that a deadline kills: a folder may lie on a file
system whose server is gone. Usage: ``binary_child.py JSON`` with

    {"do": "find", "folders": [FOLDER, ...], "names": [NAME, ...], "uid": UID, "gid": GID}
    {"do": "digest", "path": PATH, "key": [DEVICE, INODE, SIZE, MTIME_NS]}

``find`` prints one object: for each name that something has, either ``{"path", "key"}`` of
the first binary that can be trusted, or ``{"fault", "seen"}`` with fault ``untrusted`` or
``no-program``. ``digest`` prints ``{"sha256": ...}``.

Trusted is what nobody but root can replace: the file, the folders above it and above the
link that led to it belong to root, and neither group nor others may write them (a folder
with the sticky bit lets others add, not replace). Where the agent is not root, its own user
and group count like root: they could replace the agent as well.
"""

import hashlib
import json
import os
import re
import stat
import sys
from pathlib import Path
from typing import Any, Final

_MOST_STORES: Final = 64
_DIGEST: Final = re.compile(r"[0-9a-f]{8,64}")


def find(question: dict[str, Any]) -> dict[str, Any]:
    """Return for each name the first binary that will do, or why none does."""
    found: dict[str, Any] = {}
    for folder in _folders([Path(one) for one in question["folders"]]):
        for name in question["names"]:
            if "path" in found.get(name, {}):
                continue
            seen = _look(folder / name, question["uid"], question["gid"])
            if seen is not None and ("path" in seen or name not in found):
                found[name] = seen
    return found


def _folders(folders: list[Path]) -> list[Path]:
    """Return each folder, and after it the folders in it whose names are digests, newest first."""
    found = []
    for folder in folders:
        found.append(folder)
        try:
            with os.scandir(folder) as entries:
                stores = [
                    (-one.stat().st_mtime_ns, one.path)
                    for one in entries
                    if _DIGEST.fullmatch(one.name) and one.is_dir()
                ]
        except OSError:
            continue
        found += [Path(path) for _, path in sorted(stores)[:_MOST_STORES]]
    return found


def _look(path: Path, uid: int, gid: int) -> "dict[str, Any] | None":
    """Judge what has this path; None: nothing has."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return {"fault": "no-program", "seen": f"{path}: {error.strerror}"}
    try:
        real = path.resolve(strict=True)
        status = real.stat()
        reason = _distrust(path, real, uid, gid)
    except (OSError, RuntimeError) as error:
        return {"fault": "no-program", "seen": f"{path}: {getattr(error, 'strerror', error)}"}
    if not stat.S_ISREG(status.st_mode):
        return {"fault": "no-program", "seen": f"{path} is {_kind(status.st_mode)}"}
    if not status.st_mode & 0o111 or not os.access(real, os.X_OK):
        return {"fault": "no-program", "seen": f"{path} has mode {status.st_mode & 0o7777:04o}"}
    if reason:
        return {"fault": "untrusted", "seen": reason}
    return {"path": str(real), "key": _key(status)}


def _key(status: os.stat_result) -> list[int]:
    return [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns]


def _kind(mode: int) -> str:
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a FIFO"), (stat.S_ISSOCK, "a socket"))
    return next((word for asks, word in kinds if asks(mode)), "a device")


def _distrust(path: Path, real: Path, uid: int, gid: int) -> str:
    """Return which part others could replace; "" where nobody could."""
    for part in dict.fromkeys([real, *real.parents, *path.parents]):
        status = part.stat()
        if status.st_uid not in (0, uid):
            return f"{part} belongs to user {status.st_uid}"
        sticky = stat.S_ISDIR(status.st_mode) and bool(status.st_mode & stat.S_ISVTX)
        own_group = status.st_gid == 0 or (uid != 0 and status.st_gid == gid)
        forbidden = stat.S_IWOTH | (0 if own_group else stat.S_IWGRP)
        if status.st_mode & forbidden and not sticky:
            return f"{part} has mode {status.st_mode & 0o7777:04o}, group {status.st_gid}"
    return ""


def digest(question: dict[str, Any]) -> dict[str, Any]:
    """Digest the file that was found, and no other: one that was replaced meanwhile is an error."""
    descriptor = os.open(question["path"], os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if _key(os.fstat(descriptor)) != question["key"]:
            raise OSError(0, "it was replaced while it was looked at")
        return {"sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def main() -> None:
    """Answer one question."""
    question = json.loads(sys.argv[1])
    asked = {"find": find, "digest": digest}[question["do"]]
    try:
        answer = asked(question)
    except OSError as error:
        answer = {"error": error.strerror or str(error)}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
