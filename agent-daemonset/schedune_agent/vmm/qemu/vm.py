"""One QEMU process: started, found again, asked, stopped."""

import asyncio
import shutil
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from schedune.codes import execution as codes
from schedune.codes.row import Row
from schedune_agent.record import RecordedProcess
from schedune_agent.settings import AgentSettings
from schedune_agent.system import cgroup, processes
from schedune_agent.system.processes import ProcessHandle
from schedune_agent.vmm.qemu.argv import CONSOLE, VmPaths, machine_uuid
from schedune_agent.vmm.qemu.qmp import QmpClient, QmpError
from schedune_agent.vmm.qemu.ready import ask_guest

_SOCKET_SECONDS: Final = 10.0
_STEP_SECONDS: Final = 2.0
_POLL_SECONDS: Final = 0.2
_EXEC_SECONDS: Final = 0.002
_LISTEN_SECONDS: Final = 0.02
_CONSOLE_LINES: Final = 20
_PRELAUNCH: Final = "prelaunch"
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
        answer = await self.ask("query-uuid")
        told = answer.get("UUID") if isinstance(answer, dict) else None
        if told != machine_uuid(self._uid):
            self.forget_monitor()
            raise VmmError(f"the monitor belongs to the VM {told}")

    async def await_monitor(self) -> None:
        """Wait until QEMU, just started, answers: its socket exists before it listens there.

        Raises:
            VmmError: it ended first, or did not answer in time.
        """
        deadline = time.monotonic() + _SOCKET_SECONDS
        while True:
            try:
                await self._connected()
            except QmpError as error:
                if not self.handle.is_alive:
                    raise VmmError(
                        f"QEMU ended before it listened: {last_words(self._paths)}"
                    ) from error
                if time.monotonic() > deadline:
                    raise VmmError(str(error)) from error
            else:
                return
            await asyncio.sleep(_LISTEN_SECONDS)

    async def _connected(self) -> QmpClient:
        if self._monitor is None:
            monitor = await QmpClient.connect(self._paths.monitor)
            if monitor.peer_pid != self.handle.identity.pid:
                monitor.close()
                raise QmpError(f"{self._paths.monitor} is served by pid {monitor.peer_pid}")
            self._monitor, self.version = monitor, monitor.version
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
        if await self.status() == _PRELAUNCH:
            await self.ask("cont")

    async def is_running(self) -> bool:
        """Say whether the VMM says that the guest runs.

        Raises:
            VmmError: QEMU did not answer.
        """
        return await self.status() == "running"

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
                if end is not None or await self.status() == _PRELAUNCH:
                    return end  # a guest that never ran hears no power button
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


async def start(
    argv: Sequence[str], paths: VmPaths, boot_id: str, group: str | None
) -> RecordedProcess:
    """Start QEMU, paused, and return who it is.

    Raises:
        VmmError: it could not be started, or ended at once; with QEMU's own words.
    """
    try:
        paths.run.mkdir(parents=True, exist_ok=True, mode=0o700)
        for stale in (paths.monitor, paths.ready):
            stale.unlink(missing_ok=True)
        groups = cgroup.make_groups(group) if group else []
        pid = processes.spawn(argv, folder=paths.run, log=paths.log, groups=groups)
    except OSError as error:
        raise VmmError(f"{argv[0]} could not be started: {error}") from error
    return await _await_exec(pid, argv, paths, boot_id)


async def _await_exec(
    pid: int, argv: Sequence[str], paths: VmPaths, boot_id: str
) -> RecordedProcess:
    """Return who a new process is, once /proc shows the command line that it was given.

    The kernel shows it a moment after it lets go of the parent.
    """
    wanted, deadline = processes.digest_argv(argv), time.monotonic() + _STEP_SECONDS
    while (found := processes.read_identity(pid, boot_id)) is not None:
        if found.argv_digest == wanted:
            return RecordedProcess.of(found)
        if time.monotonic() > deadline:
            raise VmmError(f"pid {pid} does not execute {argv[0]}")
        await asyncio.sleep(_EXEC_SECONDS)
    raise VmmError(f"QEMU ended at once: {last_words(paths)}")


def last_words(paths: VmPaths) -> str:
    """Return the end of QEMU's log: untrusted text, for people."""
    try:
        tail = paths.log.read_bytes()[-400:]
    except OSError:
        return "it left no log"
    return tail.decode(errors="replace").strip().replace("\n", "; ") or "it said nothing"


def clean(paths: VmPaths, group: str | None) -> bool:
    """Remove what an ended VM left, its folders and its control groups; say whether."""
    folders = (paths.run, paths.disks)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    groups_gone = cgroup.remove_groups(group) if group else True
    return groups_gone and not any(folder.exists() for folder in folders)


def paths_of(settings: AgentSettings, placement_uid: str) -> VmPaths:
    """Return where a placement's VM is."""
    return VmPaths(
        settings.run_directory / placement_uid, settings.state_directory / "vms" / placement_uid
    )
