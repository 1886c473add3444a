"""What a VM writes, made before its first start: whole or not at all, while others are served.

What is copied is read by a child: it can be ended at any moment, also while it waits for a
file system that hangs. Its file gets its name when all of it is there.
"""

import asyncio
import io
import os
import stat
import sys
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from schedune.api.vmworkload import Backend, DiskAccess, DiskFormat
from schedune.launch.traits import TRAITS
from schedune_agent.probes.image_roots import image_root
from schedune_agent.system import sparse_copy_child
from schedune_agent.system.child import run_child
from schedune_agent.system.patience import Patience, in_thread, to_its_end, unbroken
from schedune_agent.system.whole_files import sync_folder, write_whole
from schedune_agent.vmm.disk_files import DiskError, read_store, size_seen
from schedune_agent.vmm.persistent import SCRATCH, is_there, make_folders, remove_scratch
from schedune_agent.vmm.port import DiskFiles, Firmware
from schedune_agent.vmm.qemu.overlay import empty_image

_CHILD: Final = Path(sparse_copy_child.__file__)
_LEAST_S: Final = 60.0
_SLOWEST: Final = 4 * 2**20
"""Bytes a second: a copy that is slower is given up."""
_COPIES: Final = 4
"""Copies at once of one image root: the time of one is counted from its turn."""
_MOMENT_S: Final = 0.1
"""How long a step waits: what is small is there by then."""

_T = TypeVar("_T")
_Work = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a VM needs that is its own."""

    disks: Sequence[DiskFiles]
    firmware: Firmware | None
    backend: Backend
    namespace: str
    scratch: Path
    """The folder where it is made; for this VM only."""


class CopyTurns:
    """Lets a few copies be made at once of each image root: so each has time enough."""

    def __init__(self, at_once: int = _COPIES) -> None:
        self._at_once = at_once
        self._of_root: dict[Path, asyncio.Semaphore] = {}

    def of(self, root: Path) -> asyncio.Semaphore:
        """Return what a copy holds; a root that hangs takes no turn of another one's."""
        return self._of_root.setdefault(root, asyncio.Semaphore(self._at_once))


class DiskMaker:
    """Makes what one VM needs, in a task that goes on over steps."""

    def __init__(self, patience: Patience, turns: CopyTurns) -> None:
        self._patience = patience
        self._turns = turns
        self._making: asyncio.Task[None] | None = None
        self._is_given_up = False

    async def are_ready(self, wanted: Wanted) -> bool:
        """Say whether all is there, to be used by us; begin to make what is not.

        Raises:
            DiskError: something cannot be made, or must not be used.
            LaterError: an image root does not answer.
        """
        if not self._is_over():
            return False
        missing = self._missing(wanted)
        if not missing:
            return True
        self._making, self._is_given_up = asyncio.create_task(_do_all(missing)), False
        await asyncio.wait({self._making}, timeout=_MOMENT_S)
        return self._is_over() and not self._missing(wanted)

    def give_up(self) -> None:
        """Make nothing more; what is half made goes, soon."""
        if self._making is not None and not self._is_given_up:
            self._is_given_up = True  # told twice it would not clean up after itself
            self._making.cancel()

    @property
    def is_idle(self) -> bool:
        """Say whether nothing is being made any more."""
        return self._making is None or self._making.done()

    async def wait(self) -> None:
        """Return when nothing is being made any more."""
        if self._making is not None:
            await asyncio.wait({self._making})

    def _is_over(self) -> bool:
        """Say whether nothing is being made any more.

        Raises:
            DiskError, LaterError: what was made last was not.
        """
        if not self.is_idle:
            return False
        making, self._making = self._making, None
        if making is not None and not making.cancelled():
            making.result()
        return True

    def _missing(self, wanted: Wanted) -> list[_Work]:
        """Return what is to be done.

        Raises:
            DiskError: what is there must not be used.
        """
        remove_scratch(wanted.scratch)
        work, firmware = list[_Work](), wanted.firmware
        for files in wanted.disks:
            access = files.disk.access
            if access is DiskAccess.PERSISTENT and not is_there(files, wanted.namespace):
                work.append(partial(self._make_persistent, files, wanted))
            if access is DiskAccess.EPHEMERAL and not files.overlay.exists():
                work.append(partial(self._make_own, files, wanted))
        if firmware and firmware.variables and not firmware.variables.exists():
            work.append(partial(self._make_variables, firmware))
        return work

    async def _make_persistent(self, files: DiskFiles, wanted: Wanted) -> None:
        """Make a disk that outlives the placement.

        Raises:
            DiskError: it cannot be made.
            LaterError: its image root does not answer.
        """
        try:
            make_folders(files.overlay.parent, wanted.namespace, files.disk.name)
            wanted.scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
            await self._fill(files, wanted.scratch / f"{uuid.uuid4()}{SCRATCH}")
            sync_folder(files.overlay.parent)
        except (OSError, ValueError) as error:
            raise DiskError(f"{files.disk.name}: {error}") from error

    async def _make_own(self, files: DiskFiles, wanted: Wanted) -> None:
        """Make the file in which a guest writes until its placement ends: an overlay, or a copy.

        Raises:
            DiskError: it cannot be made, or what lies below it cannot be read.
            LaterError: its image root does not answer.
        """
        try:
            if TRAITS[wanted.backend].has_overlays:
                content = empty_image(await self._ask(files.source, partial(size_seen, files)))
                await unbroken(partial(_write_in_folder, files.overlay, content))
            else:
                files.overlay.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                await self._fill(files, wanted.scratch / f"{uuid.uuid4()}{SCRATCH}")
                sync_folder(files.overlay.parent)
        except (OSError, ValueError) as error:
            raise DiskError(f"{files.disk.name}: {error}") from error

    async def _make_variables(self, firmware: Firmware) -> None:
        """Give a VM a store of its firmware's variables.

        Raises:
            DiskError: it cannot be made.
            LaterError: its image root does not answer.
        """
        template, store = firmware.template, firmware.variables
        if template is None or store is None:
            return
        try:
            await self._ask(template, template.stat)
            content = await to_its_end(partial(read_store, template))
            await unbroken(partial(_write_in_folder, store, content))
        except (OSError, ValueError) as error:
            raise DiskError(f"variables of {firmware.code.name}: {error}") from error

    async def _fill(self, files: DiskFiles, scratch: Path) -> None:
        """Make a whole disk: a copy of its artefact, or an empty one."""
        if files.source is not None:
            async with self._turns.of(files.source.parent):
                await self._copy(files, files.source, scratch)
        elif files.disk.empty_size is not None:
            await unbroken(partial(_begin_empty, files, scratch))
        else:
            raise ValueError("it was there a moment ago")

    async def _copy(self, files: DiskFiles, path: Path, scratch: Path) -> None:
        """Copy an artefact in a child: it may be large, and its disk may hang."""
        source, size = await self._ask(path, partial(_open, files, path))
        try:
            length = os.fstat(source.fileno()).st_size
            argv = [
                sys.executable, "-I", "-S", str(_CHILD), str(source.fileno()), str(scratch),
                str(files.overlay), str(size), str(os.getpid()),
            ]  # fmt: skip
            limit_s = _LEAST_S + length / _SLOWEST
            result = await run_child(argv, deadline_s=limit_s, pass_fds=[source.fileno()])
        finally:
            in_thread(source.close)  # nobody waits for it: that may hang too
            scratch.unlink(missing_ok=True)
        if result.exit_code != 0:
            words = result.stderr[-200:].decode(errors="replace").strip()
            why = f"not done within {limit_s:.0f} s" if result.timed_out else words
            raise OSError(f"{path} could not be copied: {why}")

    async def _ask(self, source: Path | None, work: Callable[[], _T]) -> _T:
        """Look at an artefact, if there is one: its root may hang."""
        if source is None:
            return work()
        return await self._patience.look(image_root(source.parent), work)


async def _do_all(work: Sequence[_Work]) -> None:
    for one in work:
        await one()


def _open(files: DiskFiles, path: Path) -> tuple[io.FileIO, int]:
    """Open what is copied, and say how large the copy is to be.

    A qcow2 image is copied as the file that it is.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    source = os.open(path, flags)
    try:
        length, size = _length_of(source, path), size_seen(files)
    except BaseException:
        os.close(source)
        raise
    return io.FileIO(source), size if files.disk.format is DiskFormat.RAW else length


def _length_of(source: int, path: Path) -> int:
    status = os.fstat(source)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(f"{path} is no regular file")
    return status.st_size


def _begin_empty(files: DiskFiles, scratch: Path) -> None:
    """Make an empty disk; one of a VMM without overlays has no form but that of its bytes."""
    size = size_seen(files)
    is_raw = files.disk.format is DiskFormat.RAW or files.disk.access is DiskAccess.EPHEMERAL
    write_whole(scratch, b"" if is_raw else empty_image(size))
    try:
        if is_raw:
            with scratch.open("r+b") as file:
                file.truncate(size)
                os.fsync(file.fileno())
        os.link(scratch, files.overlay)
    finally:
        scratch.unlink(missing_ok=True)


def _write_in_folder(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_whole(path, content)
