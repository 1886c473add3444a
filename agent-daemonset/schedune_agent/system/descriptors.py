"""Open files by number: as many as we are let, and asked about whatever their number is.

``select`` knows none from 1024 on, and an agent of hundreds of VMs has such numbers.
"""

import contextlib
import os
import resource
import select


def is_ready(descriptor: int, limit_s: float = 0.0) -> bool:
    """Say whether there is anything to read, the end of it included, or will be in that time.

    Raises:
        OSError: it is not open.
    """
    asked = select.poll()
    asked.register(descriptor, select.POLLIN)
    found = asked.poll(limit_s * 1000)
    if found and found[0][1] & select.POLLNVAL:
        os.fstat(descriptor)
    return bool(found)


def soft_limit() -> int:
    """Return how many files this process may have open now."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def raise_limit() -> None:
    """Let this process have as many files open as it may at most; refused, all stays as it is."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
