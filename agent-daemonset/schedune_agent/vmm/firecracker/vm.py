"""One Firecracker process: started, found again, asked, stopped."""

import asyncio
import contextlib
import platform
import signal
import time
from collections.abc import Iterator, Sequence
from typing import Final

from schedune.codes import execution as codes
from schedune.codes import firecracker as limits
from schedune.codes.row import Reason, Row
from schedune_agent.system import processes
from schedune_agent.system.processes import ProcessHandle
from schedune_agent.vmm import vsock
from schedune_agent.vmm.asking import Asking, GraceLeft
from schedune_agent.vmm.firecracker.output import Output
from schedune_agent.vmm.firecracker.requests import METRICS, api_socket, taps_in, vsock_socket
from schedune_agent.vmm.http_socket import Answer, HttpSocket, HttpSocketError
from schedune_agent.vmm.port import GuestEnd, Request, VmmError, VmmRefusalError, VmPaths
from schedune_agent.vmm.process import last_words
from schedune_agent.vmm.taps import check_made

_SOCKET_SECONDS: Final = 10.0
_ASK_SECONDS: Final = 5.0
_CONFIGURE_SECONDS: Final = 60.0
"""A start reads the kernel and touches the guest's memory; on a busy node that takes long."""
_DRAIN_SECONDS: Final = 2.0
_STEP_SECONDS: Final = 2.0
_POLL_SECONDS: Final = 1.0
_LISTEN_SECONDS: Final = 0.02
_NOT_STARTED: Final = "Not started"
_RUNNING: Final = "Running"
_HAS_KEYBOARD: Final = "x86_64"
"""Where it has a keyboard on which Ctrl-Alt-Del can be pressed."""
_WHO: Final = Request("GET", "/")
_PANIC: Final = b"Kernel panic - not syncing"


def judge_exit(code: int | None, *, panicked: bool) -> Row:
    """Return what an exit code means; None: nobody saw it.

    A reboot and a panic end Firecracker alike; only the guest's own console, which proves
    nothing of anybody else, tells them apart.
    """
    if code not in (0, None):
        return codes.VMM_KILLED
    if panicked:
        return codes.GUEST_PANICKED
    return codes.EXIT_UNKNOWN if code is None else limits.GUEST_RESET


def judge_limits(machine: str, unfiltered: Sequence[str]) -> Iterator[Reason]:
    """Give what a Firecracker does not do on such a machine; threads without a filter too."""
    yield Reason(limits.HALT_UNSEEN)
    if machine != _HAS_KEYBOARD:
        yield Reason(limits.NO_ORDERLY_STOP, machine)
    if unfiltered:
        yield Reason(limits.NO_SECCOMP, ", ".join(unfiltered)[:200])


class FirecrackerVm:
    """One Firecracker process; everything asked of it keeps a deadline."""

    def __init__(self, handle: ProcessHandle, paths: VmPaths, placement_uid: str) -> None:
        self.handle = handle
        self.version = ""
        self._paths = paths
        self._uid = placement_uid
        self._api = HttpSocket(api_socket(paths), handle.identity.pid)
        self._vsock = vsock_socket(paths)
        self._output = Output(paths)

    async def await_control(self) -> None:
        """Wait until Firecracker, just started, answers at its socket.

        Raises:
            VmmError: it ended first, or did not answer in time.
        """
        deadline = time.monotonic() + _SOCKET_SECONDS
        while True:
            if not self.handle.is_alive:
                raise VmmError(f"Firecracker ended at once: {last_words(self._paths)}")
            with contextlib.suppress(VmmError):
                await self._ask(_WHO)
                return
            if time.monotonic() > deadline:
                raise VmmError(f"no answer at {self._api.path} after {_SOCKET_SECONDS:.0f} s")
            await asyncio.sleep(_LISTEN_SECONDS)

    async def verify(self) -> None:
        """Prove that the socket is this process's, and that it is this VM.

        Raises:
            VmmError: nobody answers, or somebody else does.
        """
        told = (await self._ask(_WHO)).fields()
        if told.get("id") != self._uid:
            raise VmmError(f"{self._api.path} answers as {str(told.get('id'))[:80]!r}")
        self.version = str(told.get("vmm_version", ""))[:40]

    async def begin(self, requests: Sequence[Request]) -> None:
        """Configure and start a guest that never ran; one that runs, or did, is left alone.

        An agent that was killed half way had its first requests done; to ask them again
        changes nothing.

        Raises:
            VmmRefusalError: Firecracker refused one, with its own words; or a tap is gone.
            VmmError: it did not answer.
        """
        if await self._state() != _NOT_STARTED:
            return
        try:
            self._output.make()
        except OSError as error:
            raise VmmError(f"no place for what it writes: {error}") from error
        check_made(taps_in(requests), self.handle.identity.pid)
        for one in requests:
            answer = await self._answer(one, _CONFIGURE_SECONDS)
            # It takes this one only once, and a VM goes without what it counts.
            if not answer.is_done and one.path != METRICS:
                raise VmmRefusalError(f"{one.path}: {answer.complaint()}")

    async def is_running(self) -> bool:
        """Say whether Firecracker says that the guest runs.

        Raises:
            VmmError: it did not answer.
        """
        return await self._state() == _RUNNING

    async def resume(self) -> Reason | None:
        """None: Firecracker tells the guest of a write without room, and lets it run."""
        return None

    async def guest_end(self) -> GuestEnd | None:
        """None: a guest that ends takes its Firecracker with it, or is not seen to have ended.

        One that powers down or halts only stops: no API tells that from an idle guest.
        """
        self._output.drain()
        return None

    def exit_seen(self, code: int | None) -> GuestEnd:
        """Say what it means that the process is gone by itself."""
        return GuestEnd(judge_exit(code, panicked=self._output.holds(_PANIC)))

    async def stirs(self) -> None:
        """Return once the process has ended: nothing else is said without being asked.

        The pipe of the console is emptied meanwhile: what comes when it is full is lost.
        """
        while not await self.handle.wait_gone(_DRAIN_SECONDS):
            self._output.drain()

    async def keep_console(self) -> bool:
        """Move what the pipe of the console holds to disk; say whether it held any."""
        return self._output.drain()

    async def ask_guest(self, timeout_s: float) -> str | None:
        """Ask the guest for a nonce over vsock; return its boot id if it answered."""
        pid = self.handle.identity.pid
        return await vsock.ask_guest(self._vsock, pid=pid, timeout_s=timeout_s)

    def remarks(self) -> tuple[Reason, ...]:
        """Say what this VM does not do that a VM of another VMM does."""
        bare = processes.threads_without_seccomp(self.handle.identity.pid)
        return tuple(judge_limits(platform.machine(), bare))

    async def stop(self, grace_left: GraceLeft) -> GuestEnd:
        """Climb the ladder until the process is proved gone: ask the guest, then the kernel.

        Raises:
            VmmError: even SIGKILL did not end it.
        """
        if await self._guest_ended(grace_left):
            return self._ended(codes.STOPPED_BY_GUEST)
        for number in (signal.SIGTERM, signal.SIGKILL):
            self.handle.send(number)
            if await self.handle.wait_gone(_STEP_SECONDS):
                return self._ended(codes.HOST_STOPPED)
        raise VmmError(f"pid {self.handle.identity.pid} does not end, not even by SIGKILL")

    def _ended(self, row: Row) -> GuestEnd:
        """Keep the last of the console."""
        self._output.drain()
        return GuestEnd(row)

    async def _guest_ended(self, grace_left: GraceLeft) -> bool:
        """Press Ctrl-Alt-Del, and say whether the guest ended of it in time."""
        if platform.machine() != _HAS_KEYBOARD:
            return False
        press, asking = Request.of("PUT", "/actions", {"action_type": "SendCtrlAltDel"}), Asking()
        while (left_s := grace_left()) > 0:
            try:
                if asking.is_due:
                    if await self._state() != _RUNNING:
                        return False
                    await self._ask(press)
                    asking.asked()
            except VmmError:
                asking = Asking()  # however busy its VMM is, it has all of its grace
            if await self.handle.wait_gone(min(_POLL_SECONDS, left_s)):
                return True
        return False

    async def _state(self) -> str:
        return str((await self._ask(_WHO)).fields().get("state", ""))

    async def _ask(self, request: Request) -> Answer:
        """Ask, and return the answer to what was done.

        Raises:
            VmmError: there was no answer, or it was not done: of a guest that proves nothing.
        """
        answer = await self._answer(request, _ASK_SECONDS)
        if not answer.is_done:
            raise VmmError(f"{request.path}: {answer.complaint()}")
        return answer

    async def _answer(self, request: Request, timeout_s: float) -> Answer:
        """Return the answer, whatever it is.

        Raises:
            VmmError: there was none.
        """
        method, path, body = request.method, request.path, request.body
        try:
            return await self._api.request(method, path, body, timeout_s=timeout_s)
        except HttpSocketError as error:
            raise VmmError(str(error)) from error

    def close(self) -> None:
        """Let go; the VM runs on."""
        self._output.close()
        self.handle.close()
