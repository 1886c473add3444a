"""One Cloud Hypervisor process: started, found again, asked, stopped."""

import asyncio
import signal
import time
from collections.abc import Sequence
from typing import Final

from pydantic import ValidationError

from schedune.codes import execution as codes
from schedune.codes.row import Reason, Row
from schedune_agent.system.processes import ProcessHandle
from schedune_agent.vmm.asking import Asking, GraceLeft
from schedune_agent.vmm.cloud_hypervisor.config import VmConfig
from schedune_agent.vmm.cloud_hypervisor.console import ConsoleSocket
from schedune_agent.vmm.cloud_hypervisor.events import EventFile, History
from schedune_agent.vmm.cloud_hypervisor.requests import (
    API,
    CREATE,
    api_socket,
    console_socket,
    events_file,
    vsock_socket,
)
from schedune_agent.vmm.console_log import ConsoleLog
from schedune_agent.vmm.http_socket import Answer, HttpSocket, HttpSocketError
from schedune_agent.vmm.port import GuestEnd, Request, VmmError, VmmRefusalError, VmPaths
from schedune_agent.vmm.process import last_words
from schedune_agent.vmm.taps import check_made
from schedune_agent.vmm.vsock import ask_guest

_SOCKET_SECONDS: Final = 10.0
_ANSWER_SECONDS: Final = 5.0
_BEGIN_SECONDS: Final = 60.0
"""To create and to boot: up to 22 s were measured on a slow machine."""
_RUNGS: Final = ((None, 2.0), (signal.SIGTERM, 2.0), (signal.SIGKILL, 10.0))
"""What is sent, and how long it may take: a loaded kernel needs time to free a VM's memory."""
_POLL_SECONDS: Final = 0.2
_LISTEN_SECONDS: Final = 0.005
_EVENTS_SECONDS: Final = 1.0
_NO_VM: Final = 404
_CREATED: Final = frozenset({"Created", "Shutdown"})
"""A VM that does not run: never booted, or ended."""


class CloudHypervisorVm:
    """Talks to one proved process."""

    def __init__(self, handle: ProcessHandle, paths: VmPaths) -> None:
        self.handle = handle
        self.version = ""
        self._paths = paths
        self._api = HttpSocket(api_socket(paths), handle.identity.pid)
        self._events = EventFile(events_file(paths))
        self._console = ConsoleSocket(console_socket(paths), handle.identity.pid)
        self._kept = ConsoleLog(paths.kept)

    async def await_control(self) -> None:
        """Wait until the VMM, just started, answers.

        Raises:
            VmmError: it ended first, or did not answer in time.
        """
        deadline = time.monotonic() + _SOCKET_SECONDS
        while True:
            try:
                await self.verify()
            except VmmError:
                if not self.handle.is_alive:
                    raise VmmError(
                        f"Cloud Hypervisor ended before it answered: {last_words(self._paths)}"
                    ) from None
                if time.monotonic() > deadline:
                    raise
            else:
                return
            await asyncio.sleep(_LISTEN_SECONDS)

    async def verify(self) -> None:
        """Prove that the API is this process's: by the socket's owner, and by its own word.

        Raises:
            VmmError: nobody answers, or somebody else does.
        """
        told = (await self._ask("GET", f"{API}/vmm.ping")).fields()
        if told.get("pid") != self.handle.identity.pid:
            raise VmmError(f"the API belongs to pid {told.get('pid')}")
        self.version = str(told.get("version", ""))[:32]

    async def _ask(
        self, method: str, target: str, body: str = "", *, timeout_s: float = _ANSWER_SECONDS
    ) -> Answer:
        try:
            return await self._api.request(method, target, body, timeout_s=timeout_s)
        except HttpSocketError as error:
            raise VmmError(str(error)) from error

    async def _state(self) -> str | None:
        """Return the VM's state; None: there is no VM yet.

        Raises:
            VmmError: the VMM did not say.
        """
        answer = await self._ask("GET", f"{API}/vm.info")
        if answer.status == _NO_VM:
            return None
        if not answer.is_done:
            raise VmmError(f"vm.info: {answer.complaint()}")
        return str(answer.fields().get("state", "unknown"))

    async def begin(self, requests: Sequence[Request]) -> None:
        """Create and boot a VM that never ran; one that runs, or did, is left alone.

        A VM that was created by an agent which then ended may have been created by halves:
        Cloud Hypervisor would boot it without Landlock. So it is made anew.

        Raises:
            VmmRefusalError: the VMM refused one of the requests, or a tap is gone; the next was
                not asked.
            VmmError: the VMM did not answer.
        """
        state, history = await self._state(), self._events.look()
        if state is not None:
            if state not in _CREATED or history.has_booted or not history.is_whole:
                return
            await self._demand(Request("PUT", f"{API}/vm.delete"))
            for left in (console_socket(self._paths), vsock_socket(self._paths)):
                left.unlink(missing_ok=True)
        for request in requests:
            await self._demand(request)

    async def _demand(self, request: Request) -> None:
        if request.path == CREATE:
            taps = [one.tap for one in _checked(request.body).net or ()]
            check_made(taps, self.handle.identity.pid)
        answer = await self._ask(
            request.method, request.path, request.body, timeout_s=_BEGIN_SECONDS
        )
        if not answer.is_done:
            raise VmmRefusalError(f"{request.path}: {answer.complaint()}")

    async def is_running(self) -> bool:
        """Say whether the VMM says that the guest runs.

        Raises:
            VmmError: the VMM did not answer.
        """
        return await self._state() == "Running"

    async def resume(self) -> Reason | None:
        """None: Cloud Hypervisor tells the guest of a write without room, and lets it run."""
        return None

    async def guest_end(self) -> GuestEnd | None:
        """Say how the guest ended, or that it must be; None: it has not.

        After a panic, and in a loop of reboots, Cloud Hypervisor goes on for ever.

        Raises:
            VmmError: the VMM did not answer.
        """
        state, history = await self._state(), self._events.look()
        row = _end_of(history)
        if row is None and state in _CREATED:
            if history.is_over:
                row = codes.STOPPED_BY_GUEST
            elif not history.is_whole:
                row = codes.EXIT_UNKNOWN
        return GuestEnd(row) if row else None

    def exit_seen(self, code: int | None) -> GuestEnd:  # noqa: ARG002 - the events say more
        """Say what it means that the process is gone by itself: its events are still there."""
        history = self._events.look()
        row = _end_of(history)
        if row is None and history.is_over and history.by_guest:
            row = codes.STOPPED_BY_GUEST
        return GuestEnd(row or codes.VMM_KILLED)

    async def stirs(self) -> None:
        """Return once the process has ended, or has written an event."""
        while not await self.handle.wait_gone(_EVENTS_SECONDS):
            if self._events.has_news:
                return

    async def keep_console(self) -> bool:
        """Move what the VMM holds of the console to disk; say whether it held any."""
        told = await self._console.look()
        self._kept.append(told)
        return bool(told)

    async def ask_guest(self, timeout_s: float) -> str | None:
        """Ask the guest for a nonce over vsock; return its boot id if it answered."""
        pid = self.handle.identity.pid
        return await ask_guest(vsock_socket(self._paths), pid=pid, timeout_s=timeout_s)

    def remarks(self) -> tuple[Reason, ...]:
        """Say what this VM lacks that its user may count on: nothing."""
        return ()

    async def stop(self, grace_left: GraceLeft) -> GuestEnd:
        """Climb the ladder until the process is proved gone: ask the guest, the VMM, the kernel.

        Raises:
            VmmError: even SIGKILL did not end it.
        """
        await self.keep_console()  # who listens before the end has what comes until then
        end = await self._ask_to_power_down(grace_left)
        await self.keep_console()
        try:
            await self._ask("PUT", f"{API}/vmm.shutdown")
        except VmmError as error:
            end = end or GuestEnd(codes.HOST_STOPPED, (str(error)[:200],))
        for number, limit_s in _RUNGS:
            if number is not None:
                self.handle.send(number)
            if await self.handle.wait_gone(limit_s):
                return end or GuestEnd(codes.HOST_STOPPED)
        raise VmmError(f"pid {self.handle.identity.pid} does not end, not even by SIGKILL")

    async def _ask_to_power_down(self, grace_left: GraceLeft) -> GuestEnd | None:
        asking = Asking()
        while self.handle.is_alive:
            try:
                end = await self.guest_end()
                if end is not None:
                    return end
                if not await self.is_running():
                    # One that never ran hears no power button; another has ended just now.
                    return await self.guest_end()
                if asking.is_due and (await self._ask("PUT", f"{API}/vm.power-button")).is_done:
                    asking.asked()
            except VmmError:
                asking = Asking()
            if grace_left() <= 0:
                return None
            await asyncio.sleep(_POLL_SECONDS)
        return self.exit_seen(None)

    def close(self) -> None:
        """Let go; the VM runs on."""
        self._console.close()
        self.handle.close()


def _end_of(history: History) -> Row | None:
    """Return why a guest must be ended that the VMM runs on and on."""
    if history.has_panicked:
        return codes.GUEST_PANICKED
    return codes.GUEST_REBOOT_LOOP if history.reboots.loops else None


def _checked(body: str) -> VmConfig:
    """Read a request, also out of an old record.

    What Cloud Hypervisor would take and pass over is refused.

    Raises:
        VmmRefusalError: the body is none that this agent writes.
    """
    try:
        return VmConfig.model_validate_json(body)
    except ValidationError as error:
        raise VmmRefusalError(f"the recorded request cannot be sent: {error}"[:400]) from error
