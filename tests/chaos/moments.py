"""Every moment at which an agent can be killed: at each effect that its process has on the world.

No step of a launch, an end or an adoption is listed here. Python itself tells of each file that
is made, renamed, given away or removed, of each device and socket that is asked, of each program
that is started (PEP 578), and by whose code; the few ways out of a process of which it does not
tell are listened at below. So a step that is new to the agent is struck from its first day.
"""

import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Final

from schedune_agent.vmm.qemu import vm
from schedune_agent.vmm.qemu.qmp import QmpClient

Reach = Callable[[str], None]
_QUESTION_S: Final = 0.8
"""Silence is believed sooner than an agent does: it is not what takes the time of a run."""
_LADDER_S: Final = 0.4
_AGENT: Final = "schedune_agent."
_COURSE: Final = ("schedune_agent.placement_", "schedune_agent.orphans", "schedune_agent.residue")
"""The modules that put steps together; a step is what they call."""
_THREADS: Final = "schedune_agent.system.patience"
"""Who only begins threads: what is done in one is its step."""
_WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_EFFECTS: Final = frozenset({
    "fcntl.fcntl", "fcntl.flock", "fcntl.ioctl", "fcntl.lockf",
    "os.chmod", "os.chown", "os.exec", "os.fork", "os.kill", "os.killpg", "os.link", "os.mkdir",
    "os.posix_spawn", "os.remove", "os.removexattr", "os.rename", "os.rmdir", "os.setxattr",
    "os.symlink", "os.truncate", "os.utime",
    "socket.bind", "socket.connect", "socket.sendmsg", "socket.sendto", "subprocess.Popen",
})  # fmt: skip
"""All of which Python tells that changes anything outside of the process, beside ``open``."""
_COMMAND: Final = re.compile(rb'"execute": ?"([a-z_-]+)"')
_BUSY: Final = threading.local()
_ONE_BY_ONE: Final = threading.Lock()


def install(reach: Reach, *, patiently: bool) -> None:
    """Let every effect of this process that is the agent's doing pass by ``reach``, for ever."""
    if not patiently:
        QmpClient.execute.__kwdefaults__["timeout_s"] = _QUESTION_S
        QmpClient.connect.__func__.__kwdefaults__["timeout_s"] = _QUESTION_S
        vm._STEP_SECONDS = _LADDER_S

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _EFFECTS or (event == "open" and _is_written(*arguments)):
            _pass_by(reach, "", event.removeprefix("os."), sys._getframe(1))

    sys.addaudithook(hear)
    for owner, name, told in (
        (os, "pidfd_open", lambda *_: "look at a process"),
        (os, "waitid", lambda *_: "reap"),
        (signal, "pidfd_send_signal", lambda _, number, *__: signal.Signals(number).name),
        (socket.socket, "send", lambda _, content, *__: _said(content)),
    ):
        setattr(owner, name, _around(getattr(owner, name), told, reach))


def _is_written(path: object, mode: object, flags: object) -> bool:
    return not isinstance(path, int) and isinstance(flags, int) and bool(flags & _WRITES)


def _said(content: Any) -> str:
    """Name what is sent; "": an event loop only wakes itself."""
    found = _COMMAND.search(bytes(content))
    return f"ask {found[1].decode()}" if found else "send" if content != b"\0" else ""


def _around(inner: Any, told: Callable[..., str], reach: Reach) -> Any:
    def around(*arguments: Any, **options: Any) -> Any:
        effect = told(*arguments)
        _pass_by(reach, "before ", effect, sys._getframe(1))
        found = inner(*arguments, **options)
        _pass_by(reach, "after ", effect, sys._getframe(1))
        return found

    return around


def _pass_by(reach: Reach, when: str, effect: str, frame: FrameType) -> None:
    """Tell of one effect; what is done about it is no effect of the agent's."""
    if not effect or getattr(_BUSY, "here", False):
        return
    step = _step(frame)
    if step:
        _BUSY.here = True
        try:
            with _ONE_BY_ONE:
                reach(f"{when}{step}: {effect}")
        finally:
            _BUSY.here = False


def _step(frame: FrameType) -> str:
    """Name the step that acts, and who does it for the step; "": it is not the agent's doing."""
    names = list[str]()
    for one in _agents_frames(frame):
        if one.f_globals["__name__"].startswith(_COURSE):
            names = names or [one.f_code.co_qualname]
            break
        names.append(one.f_code.co_qualname)
    return " > ".join(dict.fromkeys((*names[-1:], *names[:1])))


def _agents_frames(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        name = str(frame.f_globals.get("__name__"))
        if name.startswith(_AGENT) and name != _THREADS:
            yield frame
        frame = frame.f_back
