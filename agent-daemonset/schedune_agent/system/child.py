"""Run a program that may hang, lie or flood: bounded in time and in what is kept."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

CLEAN_ENVIRONMENT: Final = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
_REAPING_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class ChildResult:
    """What became of a child."""

    exit_code: int | None
    """None: it was killed, at the deadline or because it flooded."""
    stdout: bytes
    stderr: bytes
    flooded: bool = False
    """Whether it was killed because it wrote more than it may."""

    @property
    def timed_out(self) -> bool:
        """Say whether the deadline ended it."""
        return self.exit_code is None and not self.flooded


class _FloodError(Exception):
    """A child wrote more than it may."""


async def run_child(
    argv: Sequence[str],
    *,
    deadline_s: float,
    limit: int = 65536,
    may_flood: bool = True,
    pass_fds: Sequence[int] = (),
) -> ChildResult:
    """Run a program to its end or to the deadline, keeping at most ``limit`` bytes of each stream.

    What is over the limit is read and dropped, which a program that never stops may make
    long: one that may not flood is killed there. It inherits the descriptors ``pass_fds``,
    under their numbers, and no others.

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
        asyncio.create_task(_keep(process.stdout, out, limit, may_flood=may_flood)),
        asyncio.create_task(_keep(process.stderr, err, limit, may_flood=may_flood)),
    ]
    exit_code: int | None = None
    flooded = False
    try:
        async with asyncio.timeout(deadline_s):
            await asyncio.gather(*readers)
            exit_code = await process.wait()
    except TimeoutError:
        pass
    except _FloodError:
        flooded = True
    finally:
        if process.returncode is None or exit_code is None:
            _kill_session(process.pid)
            # One that the kernel does not let die must not keep us: it is reaped when it does.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_REAPING_S):
                    await process.wait()
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        # A grandchild that left the group may hold the pipes for ever; we let go of them.
        process._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001
    return ChildResult(exit_code, bytes(out), bytes(err), flooded)


async def _keep(
    stream: asyncio.StreamReader, kept: bytearray, limit: int, *, may_flood: bool
) -> None:
    """Read to the end and keep the beginning: a full pipe must not stop the child."""
    while chunk := await stream.read(65536):
        if not may_flood and len(kept) + len(chunk) > limit:
            raise _FloodError
        kept.extend(chunk[: max(0, limit - len(kept))])


def _kill_session(leader: int) -> None:
    """Kill the child's whole process group; it is ours and not yet reaped."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
