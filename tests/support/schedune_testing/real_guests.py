"""What the checks of every VMM under a real KVM do alike (tests/vm/check_*.py)."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest

from schedune.api.nodetruth import NetworkFact
from schedune.api.vmplacement import PlacementState
from schedune.launch.guest_identity import mac_address
from schedune_agent.placement_worker import PlacementWorker
from schedune_agent.record import LaunchRecord
from schedune_agent.vmm.taps import tap_names
from schedune_testing.machines import PATIENCE_S, Machine
from schedune_testing.own_network import add_bridge, ask_guest, own_network, ports_of
from schedune_testing.vms import CLOCK_RUNS, World

S = PlacementState
Make = Callable[..., World]
DATA: Final = {"name": "data", "artifact": "data", "format": "Raw", "access": "Ephemeral"}
BASE: Final = {**DATA, "name": "base", "access": "ReadOnly"}


def is_in(*states: PlacementState) -> Callable[[LaunchRecord], bool]:
    """Make a question: is it in one of these states?"""
    return lambda record: record.state in states


def is_over(record: LaunchRecord) -> bool:
    """Say whether the placement has ended."""
    return record.ended is not None


@contextmanager
def timed(
    new_world: Make, capsys: pytest.CaptureFixture[str], test: str, **every: object
) -> Iterator[Make]:
    """Make worlds that have all of this in their launch; tell in the end how long steps took."""
    worlds = list[World]()

    def make(words: str = "", **launch: Any) -> World:
        options: dict[str, Any] = {**every, **launch}
        options["commandLine"] = f"{options['commandLine']} quiet {words}"
        worlds.append(new_world(**options))
        return worlds[-1]

    yield make
    with capsys.disabled():
        for one in worlds:
            _tell_times(one, test)


def _tell_times(world: World, test: str) -> None:
    trace = world.placement.status.trace
    sys.stdout.write(f"\nTIMES {test}\n")
    for entry in trace:
        seconds = (entry.time - trace[0].time).total_seconds() / (1 + CLOCK_RUNS)
        sys.stdout.write(f"TIMES {seconds:>8.1f} s {entry.to.value:<12} {entry.code}\n")


async def run(world: World) -> LaunchRecord:
    """Let its guest come up, and return its record."""
    await world.agent(is_in(S.RUNNING, S.FAILED))
    record = world.record
    assert record.state is S.RUNNING, record.trace
    return record


async def outlives_its_agent(world: World) -> LaunchRecord:
    """Let a guest answer to one agent and be found again by the next."""
    record = await run(world)
    assert record.readiness.rung == "R4"
    assert world.vms() == [record.process.pid]
    await world.agent(lambda found: found.trace[-1].code == "RECOVERY_CONFIRMED")
    assert world.record.process == record.process
    return record


async def ends_in_order(world: World) -> LaunchRecord:
    """Delete the placement: its guest powers down, and nothing is left."""
    world.delete()
    await world.agent(is_over)
    ended = world.record
    assert ended.last_exit.reason == "GuestPoweredOff", ended.last_exit
    await world.agent(lambda found: found == ended)
    assert (world.vms(), world.remains()) == ([], [])
    return ended


async def is_killed_and_comes_up_again(make: Make) -> None:
    """Kill a VMM whose guest wrote on its disk: that is told, and the next one has the disk."""
    world = make("schedune.test=disks", disks=[DATA, BASE])
    worker = world.new_agent()
    await world.carry_on(worker, is_in(S.RUNNING, S.FAILED))
    first = worker.record
    assert first.state is S.RUNNING, first.trace
    assert " holds 'from the base'" in await _console(worker)
    os.kill(first.process.pid, signal.SIGKILL)

    def is_up_again(found: LaunchRecord) -> bool:
        return found.incarnation == 2 and found.state in (S.RUNNING, S.FAILED)

    await world.carry_on(worker, is_up_again)
    second = worker.record
    assert second.state is S.RUNNING, second.trace
    assert (second.last_exit.reason, second.last_exit.signal) == ("VMMKilled", signal.SIGKILL)
    written = first.readiness.guest_boot_id[:8]
    assert f" holds 'written by {written}" in await _console(worker)
    assert (world.settings.image_roots[0] / "data").read_bytes().startswith(b"from the base")
    assert world.vms() == [second.process.pid]
    worker.let_go()


async def _console(worker: PlacementWorker) -> str:
    await worker._vm.keep_console()
    return "\n".join(worker._console.tail(20))


async def is_reached_over_its_tap(make: Make, machine: Machine) -> None:
    """Let a guest answer over a bridge; its tap goes with its placement."""
    with own_network():
        add_bridge("br0", "10.0.2.2/24")
        facts = machine.facts.model_copy(update={"networks": [NetworkFact(name="br0")]})
        card = {"name": "lan", "type": "Tap", "tap": {"bridge": "br0"}}
        world = make("schedune.test=network", networks=[card], facts=facts)
        await run(world)
        (tap,) = ports_of("br0")
        assert tap == tap_names(world.settings, world.uid)[0]
        told = ask_guest("10.0.2.15", 7, patience_s=PATIENCE_S)
        assert told == f"schedune-guest: {mac_address('workload-uid', 'lan')}"
        world.delete()
        await world.agent(lambda found: is_over(found) and not ports_of("br0"))
        assert (world.vms(), world.remains()) == ([], [])
