"""Firecracker where KVM runs guests: booted, asked, killed, found again and ended in order.

Not collected with the other tests: tests/nested runs it in a machine whose KVM works.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from schedune_agent.record import LaunchRecord
from schedune_agent.vmm.console_log import ConsoleLog
from schedune_testing.given import FIRECRACKER, given_binary
from schedune_testing.machines import Machine
from schedune_testing.real_guests import (
    Make,
    S,
    ends_in_order,
    is_in,
    is_killed_and_comes_up_again,
    is_over,
    is_reached_over_its_tap,
    outlives_its_agent,
    timed,
)


@pytest.fixture
def world(new_world: Make, capsys: pytest.CaptureFixture[str], request: Any) -> Iterator[Make]:
    """Make placements for Firecracker, with a guest that answers."""
    given_binary(FIRECRACKER)
    with timed(
        new_world, capsys, request.node.name,
        backend="Firecracker", runtimeClass="MicroVM", acceleration="KVM",
        kernel={"artifact": "vmlinux"}, commandLine="console=ttyS0 reboot=k panic=-1",
        readiness={"level": "Guest", "probe": "Vsock", "timeoutSeconds": 100},
        terminationGraceSeconds=30,
    ) as make:  # fmt: skip
        yield make


async def test_a_guest_answers_outlives_its_agent_and_ends_in_order(world: Make) -> None:
    one = world()
    record = await outlives_its_agent(one)
    assert "LIMIT_HALT_UNSEEN" in [entry.code for entry in record.trace]
    await ends_in_order(one)


async def test_a_killed_vmm_is_no_reboot_and_the_next_incarnation_keeps_the_disk(
    world: Make,
) -> None:
    await is_killed_and_comes_up_again(world)


@pytest.mark.parametrize(("word", "reason"), [("reboot", "GuestReset"), ("panic", "GuestPanicked")])
async def test_what_ended_a_guest_again_and_again_is_told_and_each_time_it_waits_longer(
    world: Make, word: str, reason: str
) -> None:
    """A reboot ends this VMM, so a guest that does not come up is slowed down as a crash is."""
    one = world(f"schedune.test={word}")
    for ends in (1, 2):
        await one.agent(lambda found, ends=ends: found.incarnation == 1 + ends)
        record = one.record
        assert record.last_exit.reason == reason, record.last_exit
        assert (record.last_exit.exit_code, record.quick_ends) == (0, ends)


async def test_a_guest_that_powers_off_is_not_seen_to_end_and_its_console_tells(
    world: Make,
) -> None:
    readiness = {"level": "Backend", "timeoutSeconds": 100}
    one = world("schedune.test=poweroff", readiness=readiness, terminationGraceSeconds=2)
    worker = one.new_agent()
    await one.carry_on(worker, is_in(S.RUNNING, S.FAILED))

    def is_halted(_: LaunchRecord) -> bool:
        return any("reboot: " in line for line in ConsoleLog(one.paths.kept).tail(20))

    await one.carry_on(worker, is_halted)
    assert one.record.state is S.RUNNING
    one.delete()
    worker.let_go()
    await one.agent(is_over)
    assert one.record.last_exit.reason == "HostStopped"
    assert one.vms() == []


async def test_a_guest_is_reached_over_its_tap_and_the_tap_goes_with_its_placement(
    world: Make, machine: Machine
) -> None:
    await is_reached_over_its_tap(world, machine)
