"""Runs that somebody interrupts: what they started must not stay behind."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from schedune_agent.system import cgroup, processes
from schedune_agent.vmm.markers import placement_of

_PATIENCE_S = 60.0
_ENDS = (signal.SIGTERM, signal.SIGHUP)
_IS_ENDING = b"interrupted: it is ending what it started; a further interrupt changes nothing\n"


def end_in_order_on_sigterm() -> None:
    """Let SIGTERM, and a terminal that is closed, unwind like Ctrl-C does.

    As SIGINT, for which an event loop has a way to end its tasks: an exception that is
    raised anywhere in it leaves children behind for which it then waits for ever. The first
    one counts: ``timeout`` sends two, and the second would end what ends the VMs.
    """

    def end(*_: object) -> None:
        for number in _ENDS:
            signal.signal(number, signal.SIG_IGN)
        signal.raise_signal(signal.SIGINT)

    for number in _ENDS:
        signal.signal(number, end)


def hold_interrupts() -> None:
    """Let interrupts that come from now on wait until they are taken.

    For ``os.fork``: what is raised in one of its hooks (``logging`` has some) is printed and
    forgotten, so an interrupt that strikes there would be lost. The child holds them, too.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, *_ENDS))


def take_interrupts() -> None:
    """Let them come again; one that waited strikes here."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, *_ENDS))


@contextmanager
def only_the_first_interrupt() -> Iterator[None]:
    """Let the first SIGINT end what is within, as it did before, and none what that ends.

    Within a coroutine it is the event loop's own way that is kept.
    """
    before = signal.getsignal(signal.SIGINT)

    def end(number: int, frame: FrameType | None) -> None:
        for one in (signal.SIGINT, *_ENDS):
            signal.signal(one, signal.SIG_IGN)
        os.write(2, _IS_ENDING)  # at any moment: no stream may be written to here
        if callable(before):
            before(number, frame)

    signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is end:
            signal.signal(signal.SIGINT, before)


@contextmanager
def leaving_no_vm(cluster_uid: str, run_directory: Path) -> Iterator[None]:
    """End, in the end, every VM of this cluster in a run directory, and its control groups."""
    try:
        yield
    finally:
        deadline = time.monotonic() + _PATIENCE_S
        while left := _end(cluster_uid, run_directory):
            if time.monotonic() > deadline:
                raise SystemExit(f"these do not end: {left}")
            time.sleep(0.05)


def _end(cluster_uid: str, run_directory: Path) -> list[str]:
    """Kill what lives, remove what groups can be removed; return of whom something is left."""
    found = _vms(cluster_uid, run_directory)
    for pid in found:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)
    entries = run_directory.iterdir() if run_directory.is_dir() else ()
    names = {entry.name for entry in entries if entry.is_dir()} | set(found.values())
    return sorted(set(found.values()) | {one for one in names if not cgroup.remove_groups(one)})


def _vms(cluster_uid: str, run_directory: Path) -> dict[int, str]:
    return {
        pid: uid
        for pid, argv in processes.list_command_lines()
        if (uid := placement_of(argv, cluster_uid))
        and any(f"{run_directory}/" in one for one in argv)
    }
