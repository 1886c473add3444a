"""Rounds: placements launched, found again and ended while agents die and faults strike."""

import os
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import pytest
from bystanders import Bystanders
from faults import FAULTS, Scene
from lives import Outcome, Plan, ViolationError, live
from pydantic import ValidationError
from stage import Stage
from strikes import STRIKES
from workloads import disks_to_go, end_workload, remove_kept, taps_left, wanted_by_chance

from schedune.api.vmplacement import PlacementState
from schedune_agent.record import MOST_TRACE, LaunchRecord
from schedune_testing.traces import assert_moves_of_the_table
from schedune_testing.vms import World

S = PlacementState
_WAS_READY = frozenset({S.RUNNING, S.DEGRADED, S.UNKNOWN})
_MOMENTS_AT_FIRST = 60
_POINTS = 4
_FEW = 3
_MOST_TOLD = 60
PHASES = ("launch", "found", "end", "many", "vanished", "sweep")


@dataclass
class Tally:
    """What a run counts."""

    rounds: int = 0
    lives: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    """By moment: the phase, the step, and what it was about to do."""
    seen: set[str] = field(default_factory=set)
    """The moments that any agent reached."""
    faults: Counter[str] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)


class Phase:
    """The moments of one part of life."""

    def __init__(self, name: str, chance: random.Random, tally: Tally) -> None:
        self._name, self._chance, self._tally = name, chance, tally
        self._points = set[str]()

    def saw(self, outcome: Outcome) -> None:
        """Remember a life, and that an agent was killed."""
        self._points.update(outcome.reached)
        self._tally.seen.update(map(self._named, self._points))
        if outcome.was_killed:
            self._tally.kills[self._named(outcome.reached[-1])] += 1

    def _named(self, point: str) -> str:
        return f"{self._name}: {point}"

    def strike(self, goal: str, strike: str = "", seed: int = 0) -> Plan:
        """Plan the next kill or strike: rather at moments at which few were killed so far.

        Not every life comes by every moment, so a few are given; the first is taken.
        """
        if not self._points:
            return Plan(goal, strike, self._chance.randint(1, _MOMENTS_AT_FIRST), seed=seed)
        points = sorted(self._points)
        weights = [(1 + self._tally.kills[self._named(point)]) ** -2 for point in points]
        wanted = frozenset(self._chance.choices(points, weights, k=_POINTS))
        return Plan(goal, strike, points=wanted, seed=seed)


class Director:
    """Plays rounds by chance, and holds what is seen against the invariants."""

    def __init__(
        self, stage: Stage, bystanders: Bystanders, chance: random.Random, tally: Tally
    ) -> None:
        self.stage, self.bystanders, self.tally = stage, bystanders, tally
        self.history: list[str] = []
        self._chance = chance
        self._patch = pytest.MonkeyPatch()
        self._worlds = 0
        self._phases = {name: Phase(name, chance, tally) for name in PHASES}

    def new_world(self, **launch: object) -> World:
        whole = {"kernel": {"artifact": "still"}, "initrd": None, **launch}
        self._worlds += 1
        return World(self.stage.machine, self._patch, name=f"vm-{self._worlds}", **whole)

    def play(self) -> None:
        """Play one round: some placements from nothing to nothing."""
        self.history, self.tally.rounds = [], self.tally.rounds + 1
        keep = len(self.bystanders.pids)
        with ExitStack() as stack:
            scenes = []
            for _ in range(self._chance.choices((1, 2, 3), (6, 2, 1))[0]):
                world = self.new_world(**wanted_by_chance(self._chance, self.stage.machine))
                stack.callback(remove_kept, world)
                stack.callback(world.close)
                scene = Scene(self.stage, world, self.bystanders, self._chance)
                stack.callback(scene.close)
                scenes.append(scene)
            self.bystanders.add_for(scenes[0].world.uid)
            stack.callback(self.bystanders.let_go, keep=keep)
            try:
                self._play(scenes)
            except (ViolationError, AssertionError):
                self.history += [line for scene in scenes for line in self._trace(scene.world)]
                raise

    def _trace(self, world: World) -> list[str]:
        record = self._record(world)
        told = record.trace if record else world.placement.status.trace
        where = "on disk" if record else "in status"
        head = f"{world.uid}: {world.vms()} runs; its trace {where}:"
        return [head, *(f"  {one.to} {one.code} {one.message[:120]}" for one in told)]

    def _play(self, scenes: Sequence[Scene]) -> None:
        worlds = [scene.world for scene in scenes]
        self.go_on(worlds, "launch", "runs")
        for _ in range(self._chance.choice((0, 1, 1, 2))):
            if self._chance.random() < 0.6:
                self._strike_between(scenes)
            blocked = any(scene.blocks for scene in scenes)
            self.go_on(worlds, "found", "settled" if blocked else "runs")
            self._put_right(scenes)
        if self._chance.random() < 0.15:
            self._vanish(worlds)
        else:
            for world in worlds:
                end_workload(world)
            if self._chance.random() < 0.3:
                self._strike_between(scenes)
            self._put_right(scenes)
            self.go_on(worlds, "end", "over")
        self.check_nothing_left(worlds)
        for scene in scenes:
            self._hold("nobody who is not ours is touched", not scene.fallen(), scene.fallen())

    def _strike_between(self, scenes: Sequence[Scene]) -> None:
        scene, name = self._chance.choice(scenes), self._chance.choice(sorted(FAULTS))
        if not scene.record.exists():
            return
        FAULTS[name](scene)
        self._note_fault(name)

    def _put_right(self, scenes: Sequence[Scene]) -> None:
        for scene in scenes:
            while scene.undo:
                scene.undo.pop()()

    def _note_fault(self, name: str) -> None:
        self.tally.faults[name] += 1
        self.history.append(f"fault: {name}")

    def go_on(self, worlds: Sequence[World], phase: str, goal: str) -> None:
        """Let agents die or be struck on the way to a goal, then let one reach it."""
        moments = self._phases[phase]
        for _ in range(self._chance.choice((2, 2, 3, 4))):
            if self._chance.random() < 0.25:
                name, seed = self._chance.choice(sorted(STRIKES)), self._chance.randrange(2**32)
                self._live(worlds, moments.strike(goal, name, seed), phase)
            else:
                self.kill_once(worlds, phase, goal)
        self.reach(worlds, phase, goal)

    def reach(self, worlds: Sequence[World], phase: str, goal: str) -> None:
        """Let an agent live until its goal."""
        self._live(worlds, Plan(goal), phase)

    def kill_once(self, worlds: Sequence[World], phase: str, goal: str) -> None:
        """Let an agent work towards a goal and kill it at a moment of this phase."""
        self._live(worlds, self._phases[phase].strike(goal), phase)

    def _live(self, worlds: Sequence[World], plan: Plan, phase: str) -> Outcome:
        before = dict(self._settled(worlds))
        plan = replace(plan, patiently=len(worlds) > _FEW)
        outcome = live(self.stage, worlds, plan)
        self.tally.lives += 1
        self._phases[phase].saw(outcome)
        how = f"killed {outcome.reached[-1]}" if outcome.was_killed else "lived"
        self.history.append(f"{phase} until {plan.goal}: {plan.strike} {how}")
        if outcome.was_struck:
            self._note_fault(plan.strike)
        if outcome.told:
            self.history += [f"  {point}" for point in _without_repeats(outcome.reached)]
            raise ViolationError(outcome.told)
        self._check(worlds, before)
        return outcome

    def _settled(self, worlds: Iterable[World]) -> Iterable[tuple[int, World]]:
        """Give the VMMs that were ready once, and that nobody has ordered to end."""
        for world in worlds:
            record = self._record(world)
            is_wanted = world.placement.metadata.deletion_timestamp is None
            if is_wanted and record is not None and record.state in _WAS_READY:
                kernel = world.placement.spec.launch.kernel
                if record.guest_end is None and (kernel is None or kernel.artifact != "off"):
                    yield from ((pid, world) for pid in world.vms())

    def _record(self, world: World) -> LaunchRecord | None:
        state = self.stage.machine.settings.state_directory
        try:
            path = state / "placements" / world.uid / "record.json"
            return LaunchRecord.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            return None

    # --- what must hold ------------------------------------------------------------

    def _hold(self, what: str, holds: bool, told: object) -> None:
        self.tally.checks[what] += 1
        if not holds:
            raise ViolationError(f"{what}: {told}")

    def _check(self, worlds: Sequence[World], before: dict[int, World]) -> None:
        self.stage.reap()
        for world in worlds:
            alive, record = world.vms(), self._record(world)
            self._hold("one VMM of a placement at most", len(alive) <= 1, alive)
            ended = world.placement.status.ended
            self._hold("no false death", not (ended and alive), (ended, alive))
            if record is not None:
                dead = not record.may_run and record.trace
                self._hold("no false death", not (dead and alive), (record.state, alive))
                self._check_trace(record)
        gone = {pid for pid in before if pid in self.stage.dead} - self.stage.killed
        self._hold("no VM that was ready is ended without an order", not gone, gone)
        self._check_bystanders()

    def _check_trace(self, record: LaunchRecord) -> None:
        if len(record.trace) < MOST_TRACE:
            assert_moves_of_the_table(record.trace)
        told = record.trace[-1].to if record.trace else None
        self._hold("state and trace agree, by the table", told is record.state, record.trace)

    def _check_bystanders(self) -> None:
        fallen = self.bystanders.fallen(self.stage.dead)
        self._hold("nobody who is not ours is touched", not fallen, fallen)

    def _vanish(self, worlds: Sequence[World]) -> None:
        """Lose the placements on the API server: their VMs run on, and are told of."""
        alive = [pid for world in worlds for pid in world.vms()]
        self._note_fault("placement vanished")
        self._sweep("vanished")
        for pid in alive:
            self._hold("an orphan runs on", pid not in self.stage.dead, pid)
            self.stage.note_killed(pid)
            os.kill(pid, 9)
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        self.stage.reap()

    def _sweep(self, phase: str) -> None:
        """Let agents sweep that know of no placement: one that is killed over it, perhaps."""
        if self._chance.random() < 0.5:
            self.kill_once([], phase, "over")
        self.reach([], phase, "over")

    def check_nothing_left(self, worlds: Sequence[World]) -> None:
        """Let an agent sweep that knows of no placement any more; then nothing may be left."""
        self._sweep("sweep")
        self._hold("no tap is left", not taps_left(), taps_left())
        records = self.stage.machine.settings.state_directory / "placements"
        for world in worlds:
            self._hold("no process is left", not world.vms(), world.vms())
            left = world.remains() + disks_to_go(world)
            self._hold("nothing is left behind", not left, left)
            record = records / world.uid / "record.json"
            self._hold("no record is left", not record.exists(), record)
            (self.stage.folder / world.uid).unlink(missing_ok=True)


def _without_repeats(points: Sequence[str]) -> list[str]:
    """Return the last points reached; what is tried over and over is told once."""
    kept = list[str]()
    for point in points[-_MOST_TOLD:]:
        if point not in kept[-4:]:
            kept.append(point)
    return kept
