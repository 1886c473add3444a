"""One QEMU process: started, found again, asked, stopped."""

import asyncio
import base64
import contextlib
import signal
import time
from collections.abc import Sequence
from typing import Final

from schedune.codes import disks
from schedune.codes import execution as codes
from schedune.codes.row import Reason
from schedune_agent.system.first import first_of
from schedune_agent.system.processes import ProcessHandle
from schedune_agent.vmm.asking import Asking, GraceLeft
from schedune_agent.vmm.console_log import ConsoleLog
from schedune_agent.vmm.guest_agent import agent_socket, order_shutdown
from schedune_agent.vmm.port import GuestEnd, Request, VmmError, VmPaths
from schedune_agent.vmm.process import last_words
from schedune_agent.vmm.qemu.argv import (
    CONSOLE,
    RING_BYTES,
    monitor_socket,
    ready_socket,
)
from schedune_agent.vmm.qemu.line import close_if_left
from schedune_agent.vmm.qemu.qmp import QmpClient, QmpError, QmpRefusalError
from schedune_agent.vmm.qemu.ready import ask_guest
from schedune_agent.vmm.reboots import Reboots

_SOCKET_SECONDS: Final = 10.0
_STEP_SECONDS: Final = 2.0
_POLL_SECONDS: Final = 0.2
_LISTEN_SECONDS: Final = 0.02
_PRELAUNCH: Final = "prelaunch"
_NO_ROOM: Final = "io-error"
"""A write found no space; other errors QEMU tells the guest, which runs on."""
_ENDED: Final = {"shutdown": codes.STOPPED_BY_GUEST, "guest-panicked": codes.GUEST_PANICKED}


class QemuVm:
    """Talks to one proved process."""

    def __init__(self, handle: ProcessHandle, paths: VmPaths, placement_uid: str) -> None:
        self.handle = handle
        self.version = ""
        self._paths = paths
        self._uid = placement_uid
        self._console = ConsoleLog(paths.kept)
        self._monitor: QmpClient | None = None
        self._reboots = Reboots()

    async def verify(self) -> None:
        """Prove that the control socket is this process's and that it is this VM.

        Raises:
            VmmError: nobody answers, or somebody else does.
        """
        # By its name, which is ours: the UUID is the guest's, the same for every attempt.
        answer = await self.ask("query-name")
        told = answer.get("name") if isinstance(answer, dict) else None
        if told != self._uid:
            self.forget_monitor()
            raise VmmError(f"the monitor belongs to the VM {told}")

    async def await_control(self) -> None:
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
            monitor = await QmpClient.connect(monitor_socket(self._paths))
            if monitor.peer_pid != self.handle.identity.pid:
                monitor.close()
                raise QmpError(f"the monitor is served by pid {monitor.peer_pid}")
            self._monitor, self.version = monitor, monitor.version
            monitor.reboots = self._reboots  # they outlive a connection that broke
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

    async def begin(self, requests: Sequence[Request]) -> None:  # noqa: ARG002 - all is in argv
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

    async def resume(self) -> Reason | None:
        """Let a guest go on whose writes found no room; say so. None: that is not why it stands.

        QEMU tries the writes again that it holds, and stops the guest again if it must.

        Raises:
            VmmError: QEMU did not answer.
        """
        if await self.status() != _NO_ROOM:
            return None
        await self.ask("cont")
        return Reason(disks.NO_ROOM_FOR_WRITES, str(self._paths.disks.parents[1]))

    async def guest_end(self) -> GuestEnd | None:
        """Say how the guest ended, or that it must be; None: it has not.

        A guest in a loop of reboots QEMU would start for ever. They are heard of while an
        agent is there: the next one counts anew.

        Raises:
            VmmError: QEMU did not answer.
        """
        row = _ENDED.get(await self.status())
        if row is None and self._reboots.loops:
            row = codes.GUEST_REBOOT_LOOP
        return GuestEnd(row) if row else None

    def exit_seen(self, code: int | None) -> GuestEnd:  # noqa: ARG002 - it says nothing
        """A QEMU that ends by itself was killed or failed: guests' ends leave it waiting."""
        return GuestEnd(codes.VMM_KILLED)

    async def stirs(self) -> None:
        """Return once the process has ended, or QEMU says that the guest has stopped."""
        await first_of(self.handle.wait_gone(None), self._hear_stop())

    async def _hear_stop(self) -> None:
        """Listen for it; nobody is asked, and a monitor that says nothing of use is left alone."""
        with contextlib.suppress(QmpError):
            if self._monitor is not None and await self._monitor.hear_stop():
                return
        await asyncio.Event().wait()

    async def keep_console(self) -> bool:
        """Move what QEMU's ring holds to disk, which empties it; say whether it held any."""
        arguments = {"device": CONSOLE, "size": RING_BYTES, "format": "base64"}
        try:
            monitor = await self._connected()
            told = await monitor.execute("ringbuf-read", arguments)
            written = base64.b64decode(str(told), validate=True)
        except QmpRefusalError:
            await self._take_line_back()
        except (QmpError, ValueError):
            self.forget_monitor()
        else:
            self._console.append(written)
            return bool(written)
        return True  # perhaps: it is looked at again soon

    async def _take_line_back(self) -> None:
        """Somebody sits at the console, who keeps what comes; or did, and was killed."""
        try:
            await close_if_left(await self._connected())
        except (QmpError, LookupError, TypeError):
            self.forget_monitor()

    async def ask_guest(self, timeout_s: float) -> str | None:
        """Ask the guest for a nonce; return its boot id if it answered."""
        return await ask_guest(ready_socket(self._paths), timeout_s=timeout_s)

    def remarks(self) -> tuple[Reason, ...]:
        """It has a power button, tells how guests end, and is started in its sandbox."""
        return ()

    async def stop(self, grace_left: GraceLeft) -> GuestEnd:
        """Climb the ladder until the process is proved gone: ask the guest, QEMU, the kernel.

        Raises:
            VmmError: even SIGKILL did not end it.
        """
        end = await self._ask_to_power_down(grace_left)
        await self.keep_console()
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

    async def _ask_to_power_down(self, grace_left: GraceLeft) -> GuestEnd | None:
        asking = Asking()
        while self.handle.is_alive:
            try:
                end = await self.guest_end()
                if end is not None or await self.status() == _PRELAUNCH:
                    return end  # a guest that never ran hears no power button
                if asking.is_due:
                    await self.resume()  # one that stands still hears no power button either
                    await self.ask("system_powerdown")
                    if asking.times:  # it has no power button, or does not listen to it
                        pid, path = self.handle.identity.pid, agent_socket(self._paths)
                        await order_shutdown(path, pid=pid, timeout_s=_STEP_SECONDS)
                    asking.asked()
            except VmmError:
                asking = Asking()
            if grace_left() <= 0:
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
