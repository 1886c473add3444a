"""Start processes, prove later that they are still ours, and end them."""

import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Identity:
    """What tells a process from every other: pid numbers come back, this does not."""

    pid: int
    start_time: int
    boot_id: str


def boot_id() -> str:
    """Return the id of this boot."""
    return _BOOT_ID.read_text().strip()


def start_time(pid: int) -> int | None:
    """Return when a process was started (clock ticks since boot); None: there is none."""
    try:
        # A name that the kernel cut inside a letter is no UTF-8.
        stat = Path(f"/proc/{pid}/stat").read_text(errors="surrogateescape")
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state == "Z" else int(fields[18])


def identify(pid: int) -> Identity | None:
    """Return the identity of a living process."""
    started = start_time(pid)
    return None if started is None else Identity(pid, started, boot_id())


def is_alive(identity: Identity) -> bool:
    """Say whether exactly this process still runs."""
    return identity.boot_id == boot_id() and start_time(identity.pid) == identity.start_time


def commands() -> Iterator[tuple[Identity, list[str]]]:
    """Yield the processes of our user, each with its command line."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            ours = folder.stat().st_uid == os.getuid()
            command = (folder / "cmdline").read_bytes() if ours else b""
        except OSError:
            continue
        identity = identify(int(folder.name)) if command else None
        if identity is not None:
            yield identity, [os.fsdecode(one) for one in command.split(b"\0")[:-1]]


def running(argv: Sequence[str]) -> list[Identity]:
    """Return the processes that run exactly this command line.

    It names files of one lab, so it finds what was started and not yet written down.
    """
    return [identity for identity, words in commands() if words == list(argv)]


def start(
    argv: Sequence[str], log: Path, *, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own, writing to a log file."""
    with log.open("ab") as output:
        return subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **(environment or {})},
        )


def start_detached(argv: Sequence[str], log: Path) -> None:
    """Start a process that nobody of ours waits for: it tells by itself who it is."""
    process = start(argv, log)
    # It outlives us on purpose; Popen must not warn about a child that still runs.
    process.returncode = 0


def end(identity: Identity, grace_s: float = 10.0) -> bool:
    """End exactly this process: SIGTERM, then SIGKILL; say whether it is gone.

    A pidfd is opened first and the identity compared after, so that a number that was
    given to somebody else in between is never signalled.
    """
    try:
        descriptor = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return True
    try:
        if not is_alive(identity):
            return True
        for number, wait_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 5.0)):
            try:
                signal.pidfd_send_signal(descriptor, number)
            except ProcessLookupError:
                return True
            if select.select([descriptor], [], [], wait_s)[0]:
                return True
        return False
    finally:
        os.close(descriptor)


def end_together(identities: Sequence[Identity], grace_s: float = 10.0) -> list[Identity]:
    """End processes at the same time; return those that do not end."""
    with ThreadPoolExecutor(max_workers=len(identities) or 1) as pool:
        gone = pool.map(lambda one: end(one, grace_s), identities)
        return [one for one, is_gone in zip(identities, gone, strict=True) if not is_gone]


def wait_gone(identity: Identity, limit_s: float) -> bool:
    """Wait until a process is gone; say whether it is."""
    deadline = time.monotonic() + limit_s
    while is_alive(identity):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
