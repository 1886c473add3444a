"""Keeps a lab's parts running and its tokens valid; a process of its own.

Started by ``schedune lab up``, told by files in the lab's directory, ended by SIGTERM,
upon which it ends what it started. Killed, it leaves records by which ``down`` does so.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Final

from schedune_kube.client import KubeClient
from schedune_kube.errors import ApiError
from schedune_kube.kubeconfig import from_kubeconfig
from schedune_kube.resources import SERVICEACCOUNTS
from schedune_lab.processes import end, identify
from schedune_lab.processes import start as start_process
from schedune_lab.progress import say
from schedune_lab.state import Part, State, Token

NAMESPACE: Final = "schedune-system"
_LOOK_S: Final = 0.25
_TOKEN_LIFETIME_S: Final = 3600
_RENEW_S: Final = 900.0
_RETRY_S: Final = 5.0
_SHORTEST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 10.0
_HEALTHY_S: Final = 20.0


class Supervisor:
    """The lab's own init: starts, restarts and ends parts."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._started: dict[str, float] = {}
        self._pause: dict[str, float] = {}
        self._restarts: dict[str, int] = {}
        self._renew_at = 0.0
        self._ending = False

    def run(self) -> None:
        """Supervise until SIGTERM."""
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGINT, self._end)
        while not self._ending:
            for part in self._state.parts():
                self._look_at(part)
            if time.monotonic() >= self._renew_at:
                self._renew_at = time.monotonic() + self._renew()
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

    def _renew(self) -> float:
        """Write fresh tokens; return after how many seconds to do it again."""
        tokens = self._state.tokens()
        if not tokens:
            return _LOOK_S
        try:
            asyncio.run(renew_tokens(self._state.folder / "lab.kubeconfig", tokens))
        except (ApiError, OSError) as error:
            say(f"tokens were not renewed: {error}")
            return _RETRY_S
        return _RENEW_S

    def _end_all(self) -> None:
        for name in reversed(list(self._children)):
            found = self._state.identity(name)
            if found is not None:
                end(found[0])
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._children[name].wait(timeout=1)


async def renew_tokens(kubeconfig: Path, tokens: list[Token]) -> None:
    """Ask for tokens bound to their pods and put each into its file, whole."""
    async with KubeClient(from_kubeconfig(kubeconfig), field_manager="schedune-lab") as client:
        for token in tokens:
            bound = {"apiVersion": "v1", "kind": "Pod", "name": token.pod, "uid": token.pod_uid}
            request = {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {"expirationSeconds": _TOKEN_LIFETIME_S, "boundObjectRef": bound},
            }
            made = await client.create_subresource(
                SERVICEACCOUNTS, token.service_account, "token", request, NAMESPACE
            )
            path = Path(token.file)
            fresh = path.with_suffix(".new")
            fresh.touch(mode=0o600)
            fresh.write_text(made["status"]["token"])
            fresh.replace(path)


def main() -> None:
    """Supervise the lab whose directory is the only argument."""
    state = State(Path(sys.argv[1]))
    identity = identify(os.getpid())
    if identity is not None:
        state.write_supervisor(identity)
    Supervisor(state).run()


if __name__ == "__main__":
    main()
