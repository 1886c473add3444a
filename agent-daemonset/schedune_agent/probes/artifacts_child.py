"""Look at images, or digest them: a child that holds the open files and nothing else.

``python -I artifacts_child.py look|digest SECONDS FD...`` prints one JSON object for each
descriptor. Before the first hostile byte is read it gives up root, the right to open
anything (so no socket either), to fork and to write, and bounds its memory and time.
"""

import contextlib
import hashlib
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from schedune.api.quantity import MAX_BYTES
from schedune.evidence.images import inspect_image
from schedune.evidence.window import Window
from schedune_agent.probes.streams import open_stream

NOBODY: Final = 65534
MOST_MEMORY: Final = 2**30
LOOK_SHARE: Final = 2, 5
"""Processor time for all files of one look, of its wall time: 2 s of 5."""
_BLOCK: Final = 2**20
_FREE_BLOCKS: Final = 64
_BLOCKS_A_SECOND: Final = 64
"""Large files are read slowly: what the VMs read of the same disk goes before."""


def confine(processor_seconds: int, wall_seconds: int) -> None:
    """Give up whatever is not needed to read open files; the descriptors stay."""
    resource.setrlimit(resource.RLIMIT_CPU, (processor_seconds, processor_seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    for limit in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE):
        resource.setrlimit(limit, (0, 0))
    # A parent without CAP_KILL can not end a child that is another user's.
    signal.alarm(wall_seconds)
    if os.geteuid() == 0:
        for drop in (_drop_groups, _drop_group, _drop_user):
            with contextlib.suppress(PermissionError):
                drop()
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))


def _drop_groups() -> None:
    os.setgroups([])


def _drop_group() -> None:
    os.setresgid(NOBODY, NOBODY, NOBODY)


def _drop_user() -> None:
    os.setresuid(NOBODY, NOBODY, NOBODY)


def look(descriptor: int) -> dict[str, Any]:
    """Say what the bytes prove."""
    size = os.fstat(descriptor).st_size
    found = inspect_image(
        Window(lambda offset, length: os.pread(descriptor, length, offset), size), open_stream
    )
    return {
        "kind": found.kind,
        "format": found.format,
        "architecture": found.architecture,
        "evidence": found.text,
        "refusal": found.refusal,
        "virtualSize": found.virtual_size,
        "memory": found.memory if found.memory and found.memory <= MAX_BYTES else None,
    }


def digest(descriptor: int) -> dict[str, Any]:
    """Digest the whole content, at a pace that disturbs nobody."""
    found, at, started = hashlib.sha256(), 0, time.monotonic()
    while block := os.pread(descriptor, _BLOCK, at):
        found.update(block)
        at += len(block)
        ahead = (at // _BLOCK - _FREE_BLOCKS) / _BLOCKS_A_SECOND - (time.monotonic() - started)
        if ahead > 0:
            os.posix_fadvise(descriptor, 0, at, os.POSIX_FADV_DONTNEED)
            time.sleep(ahead)
    return {"sha256": found.hexdigest()}


def _guarded(work: Callable[[int], dict[str, Any]], descriptor: int) -> dict[str, Any]:
    """Do the work; a file that cannot be read costs only itself."""
    try:
        return work(descriptor)
    except OSError as error:
        return {"problem": f"cannot be read: {error.strerror}"}
    except MemoryError:
        return {"problem": f"needs more than {MOST_MEMORY >> 20} MiB of memory to be looked at"}


def main() -> None:
    """Work through the descriptors; each answer is out before the next begins."""
    kind, wall_seconds, *descriptors = sys.argv[1:]
    part, whole = LOOK_SHARE
    work, processor_seconds = look, max(1, int(wall_seconds) * part // whole)
    if kind == "digest":
        work, processor_seconds = digest, int(wall_seconds)
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    confine(processor_seconds, int(wall_seconds))
    for descriptor in descriptors:
        sys.stdout.write(json.dumps(_guarded(work, int(descriptor))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
