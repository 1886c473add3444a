"""What happens to a placement between two lives of its agent, while nobody watches."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bystanders import Bystanders
from stage import Stage, end
from strikes import _wake

from schedune_agent.record import FORMAT
from schedune_agent.vmm.qemu.argv import monitor_socket
from schedune_testing.vms import World

_SILENCES_S = (0.05, 0.6, 2.0)
_LISTENS_S = 20.0


class Scene:
    """One placement's surroundings, and what was put there: taken away at the end."""

    def __init__(
        self, stage: Stage, world: World, bystanders: Bystanders, chance: random.Random
    ) -> None:
        self.stage, self.world, self.bystanders, self.chance = stage, world, bystanders, chance
        self.blocks = False
        """The VMM's control socket is out of reach from now on."""
        self.undo: list[Callable[[], None]] = []
        """What is put right again after one life: a newer agent comes back to its record."""
        self._strangers: list[subprocess.Popen[bytes]] = []
        self._sockets: list[socket.socket] = []

    @property
    def record(self) -> Path:
        state = self.stage.machine.settings.state_directory
        return state / "placements" / self.world.uid / "record.json"

    def listen_silently(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        silent = socket.socket(socket.AF_UNIX)
        silent.bind(str(path))
        silent.listen(8)
        self._sockets.append(silent)

    def run_stranger(self, path: Path) -> None:
        """Run a real QEMU of nobody's, which greets at this path."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        binary = self.stage.machine.facts.backends[0].path
        monitor = f"unix:{path},server=on,wait=off"
        argv = [binary, "-M", "none", "-nodefaults", "-display", "none", "-qmp", monitor]
        self._strangers.append(subprocess.Popen(argv, stderr=subprocess.DEVNULL))
        deadline = time.monotonic() + _LISTENS_S
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.01)

    def fallen(self) -> list[int]:
        """Return the strangers that are gone, though nobody may touch them."""
        dead = self.stage.dead
        return [one.pid for one in self._strangers if one.pid in dead or one.poll() is not None]

    def close(self) -> None:
        for one in self._strangers:
            one.kill()
            one.wait()
        for each in self._sockets:
            each.close()


def lose_record(scene: Scene) -> None:
    shutil.rmtree(scene.record.parent, ignore_errors=True)


def lose_everything(scene: Scene) -> None:
    """Lose the records and the sockets of this placement: /run was cleaned, the disk replaced."""
    lose_record(scene)
    shutil.rmtree(scene.world.paths.run, ignore_errors=True)
    scene.blocks = True


def truncate_record(scene: Scene) -> None:
    content = scene.record.read_bytes()
    scene.record.write_bytes(content[: scene.chance.randrange(1, len(content))])


def empty_record(scene: Scene) -> None:
    scene.record.write_bytes(b"")


def _rewrite(scene: Scene, change: Callable[[dict[str, Any]], object]) -> None:
    told = json.loads(scene.record.read_text())
    change(told)
    scene.record.write_text(json.dumps(told))


def renew_record(scene: Scene) -> None:
    """Let a newer agent have written it: states and fields that this one does not know."""
    if scene.chance.random() < 0.5:
        _rewrite(scene, lambda told: told.update(state="Hibernating"))
    else:
        _rewrite(scene, lambda told: told.update(hibernation={"since": "2030-01-01"}))


def downgrade_agent(scene: Scene) -> None:
    """Let a newer agent have written it in a form that this one must not touch."""
    _rewrite(scene, lambda told: told.update(recordFormat=FORMAT + 1))
    scene.undo.append(lambda: _rewrite(scene, lambda told: told.update(recordFormat=FORMAT)))
    scene.blocks = True


def reuse_pid(scene: Scene) -> None:
    """Let the recorded pid be somebody else's by now: the VM may be dead, or another one."""
    stranger = scene.chance.choice(scene.bystanders.pids)

    def change(told: dict[str, Any]) -> None:
        if told.get("process"):
            told["process"]["pid"] = stranger

    if scene.chance.random() < 0.5:
        kill_unwatched(scene)
    _rewrite(scene, change)


def kill_unwatched(scene: Scene) -> None:
    for pid in scene.world.vms():
        scene.stage.note_killed(pid)
        handle = os.pidfd_open(pid)
        end(pid)
        os.waitid(os.P_PIDFD, handle, os.WEXITED | os.WNOWAIT)
        os.close(handle)
    scene.stage.reap()


def stop_unwatched(scene: Scene) -> None:
    for pid in scene.world.vms():
        os.kill(pid, signal.SIGSTOP)
        wake = threading.Timer(scene.chance.choice(_SILENCES_S), _wake, [pid])
        wake.daemon = True
        wake.start()


def silence_socket(scene: Scene) -> None:
    scene.listen_silently(monitor_socket(scene.world.paths))
    scene.blocks = True


def greet_as_stranger(scene: Scene) -> None:
    scene.run_stranger(monitor_socket(scene.world.paths))
    scene.blocks = True


FAULTS: dict[str, Callable[[Scene], None]] = {
    "record lost": lose_record,
    "record and run directory lost": lose_everything,
    "record truncated": truncate_record,
    "record emptied": empty_record,
    "record of a newer version": renew_record,
    "agent replaced by an older one": downgrade_agent,
    "pid reused by a stranger": reuse_pid,
    "VMM killed while no agent was there": kill_unwatched,
    "VMM stopped while no agent was there": stop_unwatched,
    "socket present and silent": silence_socket,
    "greeting from a stranger": greet_as_stranger,
}
