"""Chaos strikes at every step: no two effects of an agent are without a moment between them."""

import asyncio
import json
import os
import socket
import stat
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from schedune.api.vmplacement import PlacementState
from schedune_agent import placement_launch
from schedune_agent.system import cgroup
from schedune_agent.vmm import disk_making
from schedune_testing.machines import Machine
from schedune_testing.vms import World

S = PlacementState
CHAOS = Path(__file__).resolve().parents[1] / "chaos"
STEP = """
def made_up(folder):
    (folder / "one").mkdir()
    (folder / "one/file").write_text("text")
    (folder / "one/file").chmod(0o600)
    (folder / "one/file").rename(folder / "file")
    os.chown(folder / "file", os.getuid(), os.getgid())
    os.link(folder / "file", folder / "again")
    (folder / "link").symlink_to("file")
    (folder / "again").unlink()
    os.truncate(folder / "file", 9)
    (folder / "one").rmdir()
    signal.pidfd_send_signal(os.pidfd_open(os.getpid()), signal.SIGURG)
    subprocess.run(["true"])
"""
HEARD = [
    "mkdir", "open", "chmod", "rename", "chown", "link", "symlink", "remove", "truncate", "rmdir",
    "look at a process", "SIGURG", "subprocess.Popen",
]  # fmt: skip


@pytest.fixture
def chaos(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """The parts of chaos that are asked here."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(CHAOS))
    import moments  # chaos is no package
    import workloads

    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(CHAOS)):
            monkeypatch.delitem(sys.modules, name)
    return types.SimpleNamespace(moments=moments, workloads=workloads)


def in_a_child(work: Callable[[], Sequence[str]]) -> list[str]:
    """Do it in a process of its own: whoever listens to effects does so for ever."""
    hears, tells = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            told = list(work())
        except BaseException as error:  # noqa: BLE001 - the top of a process
            told = [repr(error)]
        os.write(tells, json.dumps(told[-60:]).encode())
        os._exit(0)
    os.close(tells)
    with os.fdopen(hears, "rb") as pipe:
        answer: list[str] = json.loads(pipe.read())
    os.waitpid(child, 0)
    return answer


def test_a_step_that_is_new_to_the_agent_is_heard_without_being_listed(
    chaos: types.SimpleNamespace, tmp_path: Path
) -> None:
    modules = {"os": os, "signal": __import__("signal"), "subprocess": __import__("subprocess")}
    new = {"__name__": "schedune_agent.vmm.made_up", **modules}
    exec(STEP, new)  # noqa: S102 - our own words, as if they were a module's of the agent
    course = {"__name__": "schedune_agent.placement_launch", "made_up": new["made_up"]}

    def work() -> list[str]:
        heard: list[str] = []
        chaos.moments.install(heard.append, patiently=True)
        eval("made_up(folder)", course, {"folder": tmp_path})  # noqa: S307 - the same
        return heard

    heard = [one.removeprefix("before ") for one in in_a_child(work) if "after " not in one]
    assert {one.split(": ")[0] for one in heard} == {"made_up"}
    assert list(dict.fromkeys(one.split(": ")[1] for one in heard)) == HEARD


class Watch:
    """What an agent has changed in the world from one moment to the next."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._before, self._point = self._look(), "the beginning"
        self.unheard: list[str] = []
        self.points: list[str] = []

    def reach(self, point: str) -> None:
        now = self._look()
        changed = {
            name.split(".new")[0]
            for name in now.keys() | self._before.keys()
            if now.get(name) != self._before.get(name)
        }
        if len(changed) > 1:
            self.unheard.append(f"{sorted(changed)} between {self._point} and {point}")
        self._before, self._point = now, point
        self.points.append(point)

    def _look(self) -> dict[str, object]:
        return dict(self._seen())

    def _seen(self) -> Iterator[tuple[str, object]]:
        settings = self._world.settings
        groups = [root / cgroup.PARENT for root in cgroup.hierarchies()]
        for top in (settings.run_directory, settings.state_directory):
            for path in top.rglob("*"):
                found = path.lstat()
                if not stat.S_ISSOCK(found.st_mode):  # those are the VMM's own doing
                    yield str(path), (found.st_mode, found.st_uid)
        for group in groups:
            yield str(group / self._world.uid), (group / self._world.uid).exists()
        for _, name in socket.if_nameindex():
            yield name, True


def test_no_two_effects_of_a_launch_and_an_end_are_without_a_moment_between(
    chaos: types.SimpleNamespace, machine: Machine, new_world: Callable[..., World]
) -> None:
    with chaos.workloads.with_a_bridge(machine) as known:
        world = new_world(**chaos.workloads.EVERYTHING, facts=known.facts, name="heard")
        watch = Watch(world)

        def work() -> list[str]:
            chaos.moments.install(watch.reach, patiently=True)
            asyncio.run(world.agent(lambda record: record.state in (S.RUNNING, S.FAILED)))
            assert world.record.state is S.RUNNING, world.record.trace
            chaos.workloads.end_workload(world)
            asyncio.run(world.agent(lambda _: is_over(world)))
            return watch.unheard or steps(watch.points)

        def is_over(one: World) -> Any:
            return not (one.vms() or one.remains() or chaos.workloads.disks_to_go(one))

        told = in_a_child(work)
    chaos.workloads.remove_kept(world)
    assert set(told) >= makers() | {"start", "clean", "remove_disks"}, told


def makers() -> set[str]:
    """Return what a launch makes, as the code has it."""
    launch = {name for name in vars(placement_launch) if name.startswith("make_")}
    return launch | {name for name in vars(disk_making) if name.startswith(("_begin_", "_write_"))}


def steps(points: Sequence[str]) -> list[str]:
    return sorted({one.split(": ")[0].split(" > ")[0] for one in points})
