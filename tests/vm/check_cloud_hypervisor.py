"""Cloud Hypervisor where KVM runs guests: booted, asked, killed, found again and ended in order.

Not collected with the other tests: tests/nested runs it in a machine whose KVM works.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from schedune_agent.vmm.cloud_hypervisor.events import EventFile
from schedune_agent.vmm.cloud_hypervisor.requests import events_file
from schedune_testing.given import CLOUD_HYPERVISOR, given_binary
from schedune_testing.machines import Machine
from schedune_testing.real_guests import (
    DATA,
    Make,
    S,
    ends_in_order,
    is_in,
    is_killed_and_comes_up_again,
    is_over,
    is_reached_over_its_tap,
    outlives_its_agent,
    run,
    timed,
)


@pytest.fixture
def world(new_world: Make, capsys: pytest.CaptureFixture[str], request: Any) -> Iterator[Make]:
    """Make placements for Cloud Hypervisor, with a guest that answers."""
    given_binary(CLOUD_HYPERVISOR)
    with timed(
        new_world, capsys, request.node.name,
        backend="CloudHypervisor", acceleration="KVM", terminationGraceSeconds=30,
        commandLine="console=ttyS0 reboot=t panic=-1",
        readiness={"level": "Guest", "probe": "Vsock", "timeoutSeconds": 200},
    ) as make:  # fmt: skip
        yield make


def reboots(one: Any) -> int:
    return len(EventFile(events_file(one.paths)).look().reboots)


async def test_a_guest_answers_outlives_its_agent_and_ends_by_its_power_button(world: Make) -> None:
    one = world()
    await outlives_its_agent(one)
    ended = await ends_in_order(one)
    assert any("power button" in line for line in ended.last_exit.console_tail)


async def test_a_guests_reboot_stays_in_its_process_and_is_no_new_incarnation(world: Make) -> None:
    one = world("schedune.test=reboot-once", disks=[DATA])
    await one.agent(lambda found: found.process is not None)
    first = one.record
    record = await run(one)
    assert reboots(one) == 1
    assert (record.process, record.incarnation) == (first.process, 1)
    assert (one.paths.disks / "data.raw").read_bytes().startswith(b"once")


async def test_a_guest_that_reboots_again_and_again_is_ended_with_that_as_the_reason(
    world: Make,
) -> None:
    one = world("schedune.test=reboot", restartPolicy="Never")
    for count in (2, 4):
        await one.agent(lambda _, count=count: reboots(one) >= count)
    await one.agent(is_over)
    assert one.record.ended.reason == "GuestRebootLoop", one.record.trace
    assert (one.vms(), one.remains()) == ([], [])


async def test_a_panic_is_told_with_its_console_and_ends_a_vmm_that_would_go_on(
    world: Make,
) -> None:
    one = world("schedune.test=panic", restartPolicy="Never")
    await one.agent(is_over)
    ended = one.record
    assert ended.ended.reason == "GuestPanicked", ended.trace
    assert any(line.startswith("[ ") for line in ended.last_exit.console_tail), ended.last_exit
    assert one.vms() == []


async def test_a_guest_that_powers_off_is_not_started_again(world: Make) -> None:
    one = world("schedune.test=poweroff", restartPolicy="OnFailure")
    await one.agent(is_over)
    assert (one.record.ended.reason, one.record.incarnation) == ("GuestPoweredOff", 1)
    assert (one.vms(), one.remains()) == ([], [])


async def test_a_guest_that_powered_off_while_no_agent_ran_is_told_so_all_the_same(
    world: Make,
) -> None:
    one = world("schedune.test=poweroff", restartPolicy="OnFailure")
    await one.agent(is_in(S.STARTING, S.RUNNING))
    await one.carry_on_without(lambda: EventFile(events_file(one.paths)).look().is_over)
    await one.agent(is_over)
    assert one.record.ended.reason == "GuestPoweredOff", one.record.trace


async def test_a_killed_vmm_is_told_and_the_next_incarnation_keeps_the_disk(world: Make) -> None:
    await is_killed_and_comes_up_again(world)


async def test_a_guest_is_reached_over_its_tap_and_the_tap_goes_with_its_placement(
    world: Make, machine: Machine
) -> None:
    await is_reached_over_its_tap(world, machine)
