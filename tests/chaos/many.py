"""Many VMs at one restart: found again by agents that are killed over it, all of them, soon."""

import time
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from lives import Plan, ViolationError, live
from workloads import end_workload

if TYPE_CHECKING:
    from rounds import Director

_KILLS = 3


def restart_with_many(director: "Director", number: int) -> str:
    """Start so many, kill agents that look for them, let one find them; return what is told."""
    stage, machine = director.stage, director.stage.machine
    capacity = machine.facts.capacity.model_copy(update={"vcpus": number, "memory": f"{number}Gi"})
    facts = machine.facts.model_copy(update={"capacity": capacity})
    stage.machine = replace(machine, facts=facts)
    with ExitStack() as stack:
        worlds = [director.new_world() for _ in range(number)]
        for world in worlds:
            stack.callback(world.close)
        director.reach(worlds, "many", "runs")
        started = {pid for world in worlds for pid in world.vms()}
        if len(started) != number:
            ends = [one.placement.status.trace[-1].message for one in worlds if not one.vms()]
            raise ViolationError(f"{len(started)} of {number} VMs run: {ends}")
        for _ in range(_KILLS):
            director.kill_once(worlds, "many", "runs")
        began = time.monotonic()
        outcome = live(stage, worlds, Plan("runs", patiently=True))
        took = time.monotonic() - began
        found = {pid for world in worlds for pid in world.vms()}
        if outcome.told or found != started:
            raise ViolationError(f"{len(found & started)} of {number} found again; {outcome.told}")
        for world in worlds:
            end_workload(world)
        director.kill_once(worlds, "many", "over")
        director.reach(worlds, "many", "over")
        director.check_nothing_left(worlds)
    stage.machine = machine
    return f"{number} VMs at one restart: found again in {took:.2f} s"
