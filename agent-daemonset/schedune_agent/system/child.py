"""Run a program that may hang, lie or flood: bounded in time and in what is kept."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

CLEAN_ENVIRONMENT: Final = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}


@dataclass(frozen=True, slots=True)
class ChildResult:
    """What became of a child."""

    exit_code: int | None
    """None: it was killed at the deadline."""
    stdout: bytes
    stderr: bytes

    @property
    def timed_out(self) -> bool:
        """Say whether the deadline ended it."""
        return self.exit_code is None


async def run_child(
    argv: Sequence[str], *, deadline_s: float, limit: int = 65536, pass_fds: Sequence[int] = ()
) -> ChildResult:
    """Run a program to its end or to the deadline, keeping at most ``limit`` bytes of each stream.

    It inherits the descriptors ``pass_fds``, under their numbers, and no others.

    Raises:
        OSError: the program cannot be started.
    """
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=CLEAN_ENVIRONMENT,
        start_new_session=True,
        close_fds=True,
        pass_fds=pass_fds,
    )
    if process.stdout is None or process.stderr is None:
        raise OSError("the child has no pipes")
    out, err = bytearray(), bytearray()
    readers = [
        asyncio.create_task(_keep(process.stdout, out, limit)),
        asyncio.create_task(_keep(process.stderr, err, limit)),
    ]
    exit_code: int | None = None
    try:
        async with asyncio.timeout(deadline_s):
            exit_code = await process.wait()
            await asyncio.gather(*readers)
    except TimeoutError:
        pass
    finally:
        if process.returncode is None or exit_code is None:
            _kill_session(process.pid)
            await process.wait()
        for reader in readers:
            reader.cancel()
    return ChildResult(exit_code, bytes(out), bytes(err))


async def _keep(stream: asyncio.StreamReader, kept: bytearray, limit: int) -> None:
    """Read to the end and keep the beginning: a full pipe must not stop the child."""
    while chunk := await stream.read(65536):
        kept.extend(chunk[: max(0, limit - len(kept))])


def _kill_session(leader: int) -> None:
    """Kill the child's whole process group; it is ours and not yet reaped."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
