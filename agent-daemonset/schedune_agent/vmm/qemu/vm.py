"""One QEMU process: started, found again, asked, stopped."""

import asyncio
import shutil
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schedune.codes import execution as codes
from schedune.codes.row import Row
from schedune_agent.record import RecordedProcess
from schedune_agent.system import cgroup, processes
from schedune_agent.system.processes import ProcessHandle
from schedune_agent.vmm.qemu.argv import CONSOLE, VmPaths, machine_uuid
from schedune_agent.vmm.qemu.qmp import QmpClient, QmpError
from schedune_agent.vmm.qemu.ready import ask_guest

_SOCKET_SECONDS: Final = 10.0
_STEP_SECONDS: Final = 2.0
_POLL_SECONDS: Final = 0.2
_CONSOLE_LINES: Final = 20
_ENDED: Final = {"shutdown": codes.STOPPED_BY_GUEST, "guest-panicked": codes.GUEST_PANICKED}


class VmmError(Exception):
    """The VMM did not do what was asked; the message is for people."""


@dataclass(frozen=True, slots=True)
class GuestEnd:
    """How a guest ended, as the VMM tells it."""

    row: Row
    console: tuple[str, ...] = ()


class QemuVm:
    """Talks to one proved process."""

    def __init__(self, handle: ProcessHandle, paths: VmPaths, placement_uid: str) -> None:
        self.handle = handle
        self.version = ""
        self._paths = paths
        self._uid = placement_uid
        self._monitor: QmpClient | None = None

    async def verify(self) -> None:
        """Prove that the control socket is this process's and that it is this VM.

        Raises:
            VmmError: nobody answers, or somebody else does.
        """
        try:
            monitor = await self._connected()
            told = (await monitor.execute("query-uuid"))["UUID"]
        except QmpError as error:
            raise VmmError(str(error)) from error
        if told != machine_uuid(self._uid):
            raise VmmError(f"the monitor belongs to the VM {told}")
        self.version = monitor.version

    async def _connected(self) -> QmpClient:
        if self._monitor is None:
            monitor = await QmpClient.connect(self._paths.monitor)
            if monitor.peer_pid != self.handle.identity.pid:
                monitor.close()
                raise QmpError(f"{self._paths.monitor} is served by pid {monitor.peer_pid}")
            self._monitor = monitor
        return self._monitor

    async def ask(self, command: str) -> object:
        """Run a monitor command; the connection is made anew after a failure.

        Raises:
            VmmError: it was not answered.
        """
        try:
            return await (await self._connected()).execute(command)
        except QmpError as error:
            self.forget_monitor()
            raise VmmError(str(error)) from error

    async def status(self) -> str:
        """Return QEMU's run state.

        Raises:
            VmmError: it did not say.
        """
        answer = await self.ask("query-status")
        return str(answer["status"]) if isinstance(answer, dict) else "unknown"

    async def resume(self) -> None:
        """Let a guest that is paused at its start run; a running one is left alone.

        Raises:
            VmmError: QEMU did not answer.
        """
        if await self.status() == "prelaunch":
            await self.ask("cont")

    async def guest_end(self) -> GuestEnd | None:
        """Say how the guest ended; None: it has not.

        Raises:
            VmmError: QEMU did not answer.
        """
        row = _ENDED.get(await self.status())
        if row is None:
            return None
        return GuestEnd(row, await self.console())

    async def console(self) -> tuple[str, ...]:
        """Return the last lines of the guest's console, escaped: it is the guest's text."""
        try:
            monitor = await self._connected()
            arguments = {"device": CONSOLE, "size": 65536, "format": "utf8"}
            text = await monitor.execute("ringbuf-read", arguments)
        except QmpError:
            return ()
        lines = [line.strip() for line in str(text).splitlines() if line.strip()]
        return tuple(
            line.encode("unicode_escape").decode()[:200] for line in lines[-_CONSOLE_LINES:]
        )

    async def ask_guest(self, timeout_s: float) -> str | None:
        """Ask the guest for a nonce; return its boot id if it answered."""
        return await ask_guest(self._paths.ready, timeout_s=timeout_s)

    async def stop(self, grace_s: float) -> GuestEnd:
        """Climb the ladder until the process is proved gone: ask the guest, QEMU, the kernel.

        Raises:
            VmmError: even SIGKILL did not end it.
        """
        end = await self._ask_to_power_down(grace_s)
        try:
            await self.ask("quit")
        except VmmError as error:
            end = end or GuestEnd(codes.HOST_STOPPED, (str(error)[:200],))
        for number in (None, signal.SIGTERM, signal.SIGKILL):
            if number is not None:
                self.handle.send(number)
            if await self.handle.wait_gone(_STEP_SECONDS):
                return end or GuestEnd(codes.HOST_STOPPED)
        raise VmmError(f"pid {self.handle.identity.pid} does not end, not even by SIGKILL")

    async def _ask_to_power_down(self, grace_s: float) -> GuestEnd | None:
        deadline = time.monotonic() + grace_s
        asked = False
        while self.handle.is_alive:
            try:
                end = await self.guest_end()
                if end is not None:
                    return end
                if not asked:
                    await self.ask("system_powerdown")
                    asked = True
            except VmmError:
                asked = False
            if time.monotonic() >= deadline:
                return None
            await asyncio.sleep(_POLL_SECONDS)
        return None

    def forget_monitor(self) -> None:
        """Close the connection; the next question makes a new one."""
        if self._monitor is not None:
            self._monitor.close()
            self._monitor = None

    def close(self) -> None:
        """Let go; the VM runs on."""
        self.forget_monitor()
        self.handle.close()


def start(argv: Sequence[str], paths: VmPaths, boot_id: str, group: str | None) -> RecordedProcess:
    """Start QEMU, paused, and return who it is.

    Raises:
        VmmError: it could not be started, or ended at once; with QEMU's own words.
    """
    paths.run.mkdir(parents=True, exist_ok=True, mode=0o700)
    for stale in (paths.monitor, paths.ready):
        stale.unlink(missing_ok=True)
    try:
        groups = cgroup.make_groups(group) if group else []
        pid = processes.spawn(argv, folder=paths.run, log=paths.log, groups=groups)
    except OSError as error:
        raise VmmError(f"{argv[0]} could not be started: {error}") from error
    return record_process(pid, argv, paths, boot_id)


def record_process(pid: int, argv: Sequence[str], paths: VmPaths, boot_id: str) -> RecordedProcess:
    """Return who a process is, once it executes QEMU.

    Raises:
        VmmError: it is gone already.
    """
    found = processes.read_identity(pid, boot_id)
    if found is None or found.argv_digest != processes.digest_argv(argv):
        raise VmmError(f"QEMU ended at once: {last_words(paths)}")
    return RecordedProcess(
        pid=found.pid,
        start_time=found.start_time,
        boot_id=boot_id,
        executable=found.executable,
        argv_digest=found.argv_digest,
    )


async def wait_for_monitor(handle: ProcessHandle, paths: VmPaths) -> None:
    """Wait until QEMU listens.

    Raises:
        VmmError: it ended first, or did not listen in time.
    """
    deadline = time.monotonic() + _SOCKET_SECONDS
    while not paths.monitor.exists():
        if not handle.is_alive:
            raise VmmError(f"QEMU ended before it listened: {last_words(paths)}")
        if time.monotonic() > deadline:
            raise VmmError(f"QEMU did not listen within {_SOCKET_SECONDS:.0f} s")
        await asyncio.sleep(0.02)


def last_words(paths: VmPaths) -> str:
    """Return the end of QEMU's log: untrusted text, for people."""
    try:
        tail = paths.log.read_bytes()[-400:]
    except OSError:
        return "it left no log"
    return tail.decode(errors="replace").strip().replace("\n", "; ") or "it said nothing"


def clean(paths: VmPaths, group: str | None) -> None:
    """Remove what an ended VM left: its run directory and its control groups."""
    shutil.rmtree(paths.run, ignore_errors=True)
    if group:
        cgroup.remove_groups(group)


def paths_of(run_directory: Path, placement_uid: str) -> VmPaths:
    """Return where a placement's VM is."""
    return VmPaths(run_directory / placement_uid)
