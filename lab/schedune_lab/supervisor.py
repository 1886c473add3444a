"""Keeps a lab's parts running and its tokens valid; a process of its own.

Started by ``schedune lab up``, told by files in the lab's directory, ended by SIGTERM,
upon which it ends what it started. Killed, it leaves records by which ``down`` does so.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Final

from schedune_lab.processes import end_together, identify
from schedune_lab.processes import start as start_process
from schedune_lab.state import Part, State
from schedune_lab.upkeep import start_upkeep

_LOOK_S: Final = 0.25
_SHORTEST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 10.0
_HEALTHY_S: Final = 20.0
_ENDED_LAST: Final[tuple[str, ...]] = ("kube-apiserver", "etcd")


class Supervisor:
    """The lab's own init: starts, restarts and ends parts."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._started: dict[str, float] = {}
        self._pause: dict[str, float] = {}
        self._restarts: dict[str, int] = {}
        self._ending = False

    def run(self) -> None:
        """Supervise until SIGTERM."""
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGINT, self._end)
        while not self._ending:
            for part in self._state.parts():
                self._look_at(part)
            time.sleep(_LOOK_S)
        self._end_all()

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        self._ending = True

    def _look_at(self, part: Part) -> None:
        child = self._children.get(part.name)
        if child is not None and child.poll() is None:
            return
        if self._state.stop_file(part.name).exists():
            return
        now = time.monotonic()
        if child is not None:
            lived = now - self._started[part.name]
            pause = self._pause.get(part.name, _SHORTEST_PAUSE_S)
            if lived > _HEALTHY_S:
                pause = _SHORTEST_PAUSE_S
            if lived < pause:
                return
            self._pause[part.name] = min(pause * 2, _LONGEST_PAUSE_S)
            self._restarts[part.name] = self._restarts.get(part.name, 0) + 1
        self._start(part, now)

    def _start(self, part: Part, now: float) -> None:
        child = start_process(part.argv, self._state.log(part.name))
        self._children[part.name], self._started[part.name] = child, now
        identity = identify(child.pid)
        if identity is not None:
            self._state.write_identity(part.name, identity, self._restarts.get(part.name, 0))

    def _end_all(self) -> None:
        """End what uses the API server, then the API server, then its store."""
        first = [name for name in self._children if name not in _ENDED_LAST]
        last = [[name] for name in _ENDED_LAST if name in self._children]
        for names in (first, *last):
            found = [self._state.identity(name) for name in names]
            end_together([one[0] for one in found if one is not None])
            for name in names:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._children[name].wait(timeout=1)


def main() -> None:
    """Supervise the lab whose directory is the only argument."""
    state = State(Path(sys.argv[1]))
    identity = identify(os.getpid())
    if identity is not None:
        state.write_supervisor(identity)
    start_upkeep(state)
    Supervisor(state).run()


if __name__ == "__main__":
    main()
