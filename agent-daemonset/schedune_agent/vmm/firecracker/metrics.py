"""What a Firecracker counts of itself: the last of it kept, and what is evidence said in words.

It flushes one line of JSON a minute, and when it ends, each with what came since the line
before. A VMM that was taken over may write anything: nothing of it is believed of others.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

KEPT: Final = "metrics.json"
MOST_BYTES: Final = 65536
"""Of one flush: a real one has 5 KB."""
_FAULTS: Final = (
    ("seccomp", ("num_faults",)),
    ("vcpu", ("failures",)),
    ("vmm", ("panic_count",)),
    ("signals", ("sigbus", "sigsegv", "sigill", "sigxfsz")),
)
"""What is 0 as long as all is well; more of it says why a VMM ended."""


def faults_in(flush: bytes) -> Iterator[str]:
    """Give what a flush tells of faults; what is no flush tells nothing."""
    try:
        told = json.loads(flush)
    except (ValueError, RecursionError):
        return
    for section, names in _FAULTS:
        counters = told.get(section) if isinstance(told, dict) else None
        for name in names:
            count = counters.get(name) if isinstance(counters, dict) else None
            if isinstance(count, int) and not isinstance(count, bool) and 0 < count < 2**64:
                yield f"{section}.{name} {count}"


class Metrics:
    """The last whole flush of one Firecracker, on disk; each takes the place of the one before."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / KEPT
        self._rest = b""
        """The beginning of a flush whose end is still to come."""

    def take(self, told: bytes) -> list[str]:
        """Keep what was flushed; return what it tells of faults.

        Raises:
            OSError: it cannot be kept; what was there before may be there still.
        """
        whole, _, rest = (self._rest + told).rpartition(b"\n")
        self._rest = rest if len(rest) <= MOST_BYTES else b""
        flushes = [one for one in whole.split(b"\n") if 0 < len(one) <= MOST_BYTES]
        if flushes:
            self._keep(flushes[-1])
        return [one for flush in flushes for one in faults_in(flush)]

    def _keep(self, flush: bytes) -> None:
        fresh = self._path.with_name(f"{KEPT}.new")
        try:
            fresh.write_bytes(flush + b"\n")
            fresh.replace(self._path)
        except OSError:
            fresh.unlink(missing_ok=True)
            raise
