"""One life of an agent: a process of its own, with the real code, until its goal or its death.

It knows what is on disk and on the API server (here: a file for each placement's status),
and dies by SIGKILL: nothing is unwound, the kernel closes what was open.
"""

import asyncio
import contextlib
import json
import os
import random
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import moments
from stage import Stage, make_room
from strikes import STRIKES, Struck
from workloads import disks_to_go

from schedune.api.vmplacement import PlacementState
from schedune_agent.orphans import Orphans
from schedune_agent.placement_worker import PlacementWorker
from schedune_agent.record import LaunchRecord, RecordStore
from schedune_agent.system import processes
from schedune_agent.system.launcher import Given
from schedune_agent.vmm.markers import find_marked, placement_of
from schedune_testing.interrupted import hold_interrupts, take_interrupts
from schedune_testing.vms import CLOCK_RUNS, World, new_node

S = PlacementState
_PATIENCE_S = 40.0
_PATIENCE_WITH_MANY_S = 120.0
_LONGEST_PAUSE_S = 0.02
_MOST_TOLD = 16
_STRUCK = "# struck"
_BEGAN = time.monotonic()
_SETTLED = frozenset({S.RUNNING, S.UNKNOWN, S.DEGRADED})
Until = Callable[[LaunchRecord], bool]
GOALS: dict[str, Until] = {
    "runs": lambda record: record.ended is not None or record.state is S.RUNNING,
    "settled": lambda record: record.ended is not None or record.state in _SETTLED,
    "over": lambda record: record.ended is not None,
}


class ViolationError(Exception):
    """An invariant does not hold."""


@dataclass(frozen=True)
class Plan:
    """What is to be done, and what is to happen meanwhile."""

    goal: str
    strike: str = ""
    """At its moment: the agent is killed if it is empty, else this happens."""
    moment: int = 0
    """It is the one of this number; 0: it has none."""
    points: frozenset[str] = frozenset()
    """Or the first of these."""
    seed: int = 0
    patiently: bool = False
    """With the deadlines of an agent: many VMs at once are slow, and not silent."""


@dataclass
class Outcome:
    """What became of one life."""

    plan: Plan
    reached: list[str] = field(default_factory=list)
    was_killed: bool = False
    was_struck: bool = False
    told: str = ""
    """The violation, if there is one."""


def live(stage: Stage, worlds: Sequence[World], plan: Plan) -> Outcome:
    """Run one agent for these placements; without any, one that only sweeps."""
    log = stage.folder / "life"
    log.write_text("")
    hold_interrupts()
    child = os.fork()
    if child == 0:
        os._exit(_in_child(stage, worlds, plan, log.open("a", buffering=1)))
    patience_s = _PATIENCE_WITH_MANY_S if plan.patiently else _PATIENCE_S
    late, status = _outlive(child, patience_s)
    stage.reap()
    make_room(stage)
    for pid in (pid for world in worlds for pid in world.vms()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)  # whoever was to wake it died with the agent
    lines = log.read_text().splitlines()
    outcome = Outcome(plan, [one for one in lines if not one.startswith(("!", "#"))])
    outcome.told = "\n".join(one[1:] for one in lines if one.startswith("!"))
    outcome.was_struck = _STRUCK in lines
    outcome.was_killed = os.WIFSIGNALED(status) and not late
    if late:
        outcome.told += f"the goal '{plan.goal}' was not reached in {patience_s:.0f} s"
    elif not outcome.was_killed and os.waitstatus_to_exitcode(status) and not outcome.told:
        outcome.told = f"the agent ended with {os.waitstatus_to_exitcode(status)}"
    for world in worlds:
        file = stage.folder / world.uid
        if file.exists():
            world.take_status(json.loads(file.read_text()))
    return outcome


def _outlive(child: int, patience_s: float) -> tuple[bool, int]:
    """Wait for an agent's end; say whether it had to be killed, and how it ended.

    It ends before us, too, when we are interrupted: it would start a VM behind our back. So
    interrupts, held since before it was made, are taken here.
    """
    handle, late = os.pidfd_open(child), True
    try:
        take_interrupts()
        late = not select.select([handle], [], [], patience_s)[0]
    finally:
        if late:
            os.kill(child, signal.SIGKILL)
        os.close(handle)
        _, status = os.waitpid(child, 0)
    return late, status


def _in_child(stage: Stage, worlds: Sequence[World], plan: Plan, log: Any) -> int:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # not as the harness has it
    take_interrupts()
    try:
        asyncio.run(_Agent(stage, worlds, plan, log).run())
    except BaseException:  # noqa: BLE001 - the top of a process
        told = traceback.format_exc().splitlines()
        log.write("".join(f"!{line}\n" for line in (told[-1], *told[-_MOST_TOLD:-1])))
        return 1
    sys.stdout.flush()
    return 0


class _Agent:
    """Sweeps and workers put together as the agent does, with every effect in sight."""

    def __init__(self, stage: Stage, worlds: Sequence[World], plan: Plan, log: Any) -> None:
        self._stage, self._worlds, self._plan, self._log = stage, worlds, plan, log
        self._cluster = stage.machine.settings.cluster_uid
        self._left, self._points = plan.moment, plan.points
        uids = [world.uid for world in worlds]
        self._struck = Struck(stage, uids, random.Random(plan.seed))  # noqa: S311
        self._watch_spawns()
        moments.install(self._reach, patiently=plan.patiently)
        records = _WatchedStore(stage.machine.settings.state_directory, self._cluster)
        self._node = new_node(stage.machine, records, self._clock)
        self._orphans = Orphans(self._node)

    def _clock(self) -> datetime:
        passed = timedelta(seconds=time.monotonic() - _BEGAN)
        return datetime.now(UTC) + CLOCK_RUNS * passed + self._struck.skew

    def _reach(self, point: str) -> None:
        self._log.write(f"{point}\n")
        self._left -= 1
        due = self._struck.later.pop(1, None)
        self._struck.later = {left - 1: what for left, what in self._struck.later.items()}
        if due is not None:
            due()
        if self._left == 0 or point in self._points:
            self._left, self._points = 0, frozenset()
            if not self._plan.strike:
                os.kill(os.getpid(), signal.SIGKILL)
            self._log.write(f"{_STRUCK}\n")
            STRIKES[self._plan.strike](self._struck)

    def _watch_spawns(self) -> None:
        """Refuse to be surprised: no VMM is started beside a live one."""
        inner = processes.spawn

        def spawn(argv: Sequence[str], given: Given) -> int:
            uid = placement_of(argv, self._cluster) or ""
            alive = list(find_marked(uid, self._cluster))
            if alive:
                raise SystemExit(f"a second VMM of {uid} is started, {alive} is alive")
            return inner(argv, given)

        processes.spawn = spawn

    async def run(self) -> None:
        self._orphans.load()
        workers = [self._worker_for(world) for world in self._worlds]
        self._sweep(workers)
        if self._plan.strike != "EPERM on looking":
            self._check_told(workers)
            self._check_ledger(workers, "at the start")
        pairs = zip(self._worlds, workers, strict=True)
        await asyncio.gather(*(self._work(*pair) for pair in pairs))
        make_room(self._stage)
        for _ in range(2):
            self._sweep(workers)
        self._check_ledger(workers, "at the end")

    def _worker_for(self, world: World) -> PlacementWorker:
        record = self._orphans.records.pop(world.uid, None)
        worker = PlacementWorker(self._node, world.placement, record)
        worker.hold_claim()
        return worker

    def _sweep(self, workers: Sequence[PlacementWorker]) -> None:
        try:
            self._orphans.sweep({one.record.placement_uid: one.record for one in workers})
        except OSError as error:
            self._log.write(f"# not swept: {error}\n")

    async def _work(self, world: World, worker: PlacementWorker) -> None:
        until = GOALS[self._plan.goal]
        while True:
            pause = await worker.step()
            self._report(world, worker)
            if until(worker.record) and (worker._is_proved or self._plan.goal != "runs"):
                break
            if worker.record.ended is not None:
                break
            await asyncio.sleep(min(pause, _LONGEST_PAUSE_S))
        while worker.record.ended is not None and (world.remains() or disks_to_go(world)):
            await worker.step()
            await asyncio.sleep(_LONGEST_PAUSE_S)

    def _report(self, world: World, worker: PlacementWorker) -> None:
        self._reach("before report")
        status = worker.status()
        file = self._stage.folder / world.uid
        fresh = file.with_suffix(".new")
        fresh.write_text(json.dumps(status))
        fresh.replace(file)
        world.take_status(status)
        worker.placement = world.placement
        self._reach("after report")

    def _check_told(self, workers: Sequence[PlacementWorker]) -> None:
        """Every VM of ours that runs has a worker, or is told of as an orphan."""
        told = {one.record.placement_uid for one in workers}
        told |= {one.placement_uid or "" for one in self._orphans.found}
        for pid, argv in processes.list_command_lines():
            uid = placement_of(argv, self._cluster)
            mine = uid and any(f"/{uid}/q.sock" in part for part in argv)
            if mine and uid not in told and uid in self._known():
                raise ViolationError(f"pid {pid} of {uid} runs and nobody tells of it")

    def _known(self) -> set[str]:
        return {path.name for path in self._stage.folder.iterdir()}

    def _check_ledger(self, workers: Sequence[PlacementWorker], when: str) -> None:
        """What is given away is what may run, and nothing else."""
        held = set(self._node.ledger.held)
        wanted = {one.record.placement_uid for one in workers if one.record.holds_claim}
        seen = {one.placement_uid for one in self._orphans.found if one.placement_uid}
        seen |= {uid for uid, one in self._orphans.records.items() if one.holds_claim}
        alive = {uid for uid in (one.uid for one in self._worlds) if self._runs(uid)}
        if not wanted <= held or held - wanted - seen - alive:
            raise ViolationError(f"the ledger holds {held} {when}; what may run is {wanted | seen}")

    def _runs(self, uid: str) -> bool:
        return any(find_marked(uid, self._cluster))


class _WatchedStore(RecordStore):
    """Refuses a record that tells an untruth."""

    def __init__(self, folder: Any, cluster: str) -> None:
        super().__init__(folder)
        self._cluster = cluster

    def save(self, record: LaunchRecord) -> None:
        if record.trace and record.trace[-1].to is not record.state:
            raise ViolationError(f"{record.state} is in no trace: {record.trace[-1]}")
        if not record.may_run and record.trace:
            alive = list(find_marked(record.placement_uid, self._cluster))
            if alive:
                raise ViolationError(f"false death: {record.state}, and {alive} is alive")
        super().save(record)
