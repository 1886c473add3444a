"""The host goes down: its guests end in order, none is started, and after the boot all are.

Real VMs. The next boot is an agent for which the machine has another boot id.
"""

import itertools
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from schedune.api.vmplacement import PlacementState
from schedune_agent.guests_end import end_guests
from schedune_agent.host_shutdown import HostShutdown
from schedune_agent.record import LaunchRecord
from schedune_testing.agent_processes import WORKS, agent_processes, until_told
from schedune_testing.machines import BOOT_ID, PATIENCE_S, Machine
from schedune_testing.read_only import read_only

S = PlacementState
NewWorld = Callable[..., Any]
STILL = {"kernel": {"artifact": "still"}, "initrd": None}
"""A guest that hears no power button, and that takes nothing to boot."""


@pytest.fixture
def shutdown(machine: Machine) -> Iterator[HostShutdown]:
    """The order for this host, taken back in the end."""
    found = HostShutdown(machine.settings.run_directory, BOOT_ID)
    yield found
    found.cancel()


def is_running(record: LaunchRecord) -> bool:
    return record.state is S.RUNNING


def boot_anew(world: Any) -> None:
    """Let the host be up again: no process of the boot before lives."""
    for pid in world.vms():
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    identity = replace(world._machine.identity, boot_id="the-next-boot")
    world._machine = replace(world._machine, identity=identity)


def now() -> datetime:
    return datetime.now(UTC)


async def test_a_guest_is_ended_in_order_and_started_again_only_after_the_boot(
    new_world: NewWorld, shutdown: HostShutdown
) -> None:
    guest = {"level": "Guest", "timeoutSeconds": 120}
    world = new_world(readiness=guest, terminationGraceSeconds=120)
    worker = world.new_agent()
    await world.carry_on(worker, is_running)
    shutdown.order()
    await world.carry_on(worker, lambda record: record.state is S.EXITED)
    ended = worker.record.trace[-1]
    assert (ended.code, worker.record.last_exit.reason) == ("HOST_SHUTDOWN", "HostShutdown")
    assert "GuestPoweredOff" in ended.message
    assert any("Power down" in line for line in worker.record.last_exit.console_tail)
    for _ in range(3):
        await worker.step()
    assert (world.vms(), worker.rests, worker.record.ended) == ([], True, None)
    worker.let_go()
    boot_anew(world)
    await world.agent(lambda record: record.state is S.STARTING)
    assert (world.record.incarnation, world.record.quick_ends) == (2, 0)
    assert world.vms() == [world.record.process.pid]


@pytest.mark.parametrize(
    ("policy", "was_ready", "again"),
    [("Always", True, True), ("OnFailure", True, True), ("Never", True, False),
     ("Never", False, True)],
)  # fmt: skip
async def test_what_follows_is_for_the_restart_policy_and_a_guest_that_never_came_up_comes_anew(
    new_world: NewWorld, shutdown: HostShutdown, policy: str, *, was_ready: bool, again: bool
) -> None:
    level = {"level": "Backend" if was_ready else "Guest", "timeoutSeconds": 60}
    world = new_world(**STILL, restartPolicy=policy, readiness=level)
    reached = S.RUNNING if was_ready else S.STARTING
    await world.agent(lambda record: record.state is reached)
    shutdown.order()
    await world.agent(lambda record: record.last_exit is not None)
    assert world.record.last_exit.reason == "HostShutdown"
    boot_anew(world)
    if again:
        await world.agent(lambda record: record.state is reached)
        assert len(world.vms()) == 1
    else:
        await world.agent(lambda record: record.ended is not None)
        assert (world.record.ended.reason, world.vms()) == ("HostShutdown", [])


async def test_an_agent_killed_anywhere_while_the_host_goes_down_leaves_one_vm_after_the_boot(
    new_world: NewWorld, shutdown: HostShutdown
) -> None:
    for moment in itertools.count(1):
        world = new_world(**STILL)
        await world.agent(is_running)
        shutdown.order()
        was_killed = await world.agent(lambda record: record.state is S.EXITED, kill_at=moment)
        boot_anew(world)
        await world.agent(is_running)
        assert (len(world.vms()), world.record.incarnation) == (1, 2)
        world.close()
        shutdown.cancel()
        if not was_killed:
            break
    assert moment > 3


async def test_nothing_is_launched_while_the_host_goes_down(
    new_world: NewWorld, shutdown: HostShutdown
) -> None:
    shutdown.order()
    world = new_world(**STILL)
    worker = world.new_agent()
    for _ in range(4):
        await worker.step()
    assert (world.vms(), worker.rests) == ([], True)
    shutdown.cancel()
    await world.carry_on(worker, is_running)
    worker.let_go()


async def test_without_an_agent_guests_are_ended_in_order_and_the_next_one_tells_why(
    new_world: NewWorld, shutdown: HostShutdown
) -> None:
    world = new_world(
        terminationGraceSeconds=120, readiness={"level": "Guest", "timeoutSeconds": 120}
    )
    await world.agent(is_running)
    told = len(world.record.trace)
    assert await end_guests(world.settings, 0, now) == []
    assert world.vms() == []
    assert world.record.state is S.RUNNING
    await world.agent(lambda record: record.state is S.EXITED)
    assert [entry.code for entry in world.record.trace[told:]] == [
        "ERR_RECOVERY_EXECUTION_MISSING", "HOST_SHUTDOWN",
    ]  # fmt: skip
    assert any("Power down" in line for line in world.record.last_exit.console_tail)
    shutdown.cancel()
    await world.agent(lambda record: record.state is S.STARTING)
    assert len(world.vms()) == 1


async def test_an_agent_that_waits_for_the_api_server_ends_guests_in_order(
    new_world: NewWorld, shutdown: HostShutdown
) -> None:
    world = new_world(
        terminationGraceSeconds=120, readiness={"level": "Guest", "timeoutSeconds": 120}
    )
    await world.agent(is_running)
    with agent_processes(world.settings.state_directory.parent) as start_agent:
        process, log = start_agent("agent", clusterUID=world.settings.cluster_uid)
        until_told(log, WORKS)
        assert await end_guests(world.settings, PATIENCE_S, now) == []
        assert (world.vms(), shutdown.is_done, process.poll()) == ([], True, None)
    await world.agent(lambda record: record.state is S.EXITED)
    assert world.record.last_exit.reason == "HostShutdown"
    assert any("Power down" in line for line in world.record.last_exit.console_tail)


async def test_on_a_disk_that_became_read_only_guests_are_found_again_and_ended_in_order(
    new_world: NewWorld, shutdown: HostShutdown
) -> None:
    """None of them waits for its whole grace: that is longer than this test's patience."""
    world = new_world(
        terminationGraceSeconds=120, readiness={"level": "Guest", "timeoutSeconds": 120}
    )
    await world.agent(is_running)
    (pid,) = world.vms()
    with read_only(world.settings.state_directory):
        worker = world.new_agent()
        await world.carry_on(worker, lambda _: worker.trouble is not None)
        assert (worker.trouble.row.code, world.vms()) == ("ERR_RECORD_UNWRITABLE", [pid])
        shutdown.order()
        await world.carry_on(worker, lambda _: worker.rests)
        assert world.vms() == []
        worker.let_go()


async def test_an_agents_own_end_is_no_shutdown_and_an_order_of_another_boot_is_none(
    new_world: NewWorld, machine: Machine
) -> None:
    world = new_world(**STILL)
    await world.agent(is_running)
    (pid,) = world.vms()
    stale = HostShutdown(machine.settings.run_directory, "the-boot-before")
    stale.order()
    worker = world.new_agent()
    told = len(worker.record.trace)
    await world.carry_on(worker, lambda record: len(record.trace) > told)
    await worker.step()
    assert (world.vms(), worker.record.guest_end) == ([pid], None)
    worker.let_go()
    stale.cancel()


async def test_a_vm_that_lives_through_a_shutdown_that_did_not_happen_is_not_told_as_ended_by_it(
    new_world: NewWorld, shutdown: HostShutdown
) -> None:
    """The agent was killed between what it wrote and what it did."""
    world = new_world(**STILL)
    await world.agent(is_running)
    shutdown.order()
    assert await world.agent(lambda record: record.ended is not None, kill_at=2)
    assert world.record.guest_end.reason == "HostShutdown"
    shutdown.cancel()
    (pid,) = world.vms()
    await world.agent(lambda record: record.guest_end is None)
    assert world.vms() == [world.record.process.pid] == [pid]
