"""Cloud Hypervisor where KVM runs guests: booted, asked, killed, found again and ended in order.

Not collected with the other tests: tests/nested runs it in a machine whose KVM works.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import pytest

from schedune.api.nodetruth import NetworkFact
from schedune.api.vmplacement import PlacementState
from schedune.launch.guest_identity import mac_address
from schedune_agent.record import LaunchRecord
from schedune_agent.vmm.cloud_hypervisor.events import EventFile
from schedune_agent.vmm.cloud_hypervisor.requests import events_file
from schedune_agent.vmm.taps import tap_names
from schedune_testing.given import CLOUD_HYPERVISOR, given_binary
from schedune_testing.own_network import add_bridge, ask_guest, own_network, ports_of
from schedune_testing.vms import PATIENCE_S, Machine

S = PlacementState
CLOCK_RUNS = 100
"""By so much the clock of the tests' worlds is ahead of ours."""
DATA = {"name": "data", "artifact": "data", "format": "Raw", "access": "Ephemeral"}


def is_in(*states: PlacementState) -> Callable[[LaunchRecord], bool]:
    return lambda record: record.state in states


@pytest.fixture
def world(new_world: Callable[..., Any], capsys: pytest.CaptureFixture[str], request: Any) -> Any:
    """Make placements for Cloud Hypervisor, with a guest that answers; tell how long it took."""
    given_binary(CLOUD_HYPERVISOR)
    worlds: list[Any] = []

    def make(command_line: str = "", **launch: object) -> Any:
        options = {
            "acceleration": "KVM",
            "commandLine": f"console=ttyS0 reboot=t panic=-1 quiet {command_line}",
            "readiness": {"level": "Guest", "probe": "Vsock", "timeoutSeconds": 200},
            "terminationGraceSeconds": 30,
            **launch,
        }
        worlds.append(new_world(backend="CloudHypervisor", **options))
        return worlds[-1]

    yield make
    with capsys.disabled():
        for one in worlds:
            sys.stdout.write(f"\nTIMES {request.node.name}\n")
            began = one.record.trace[0].time
            for entry in one.record.trace:
                seconds = (entry.time - began).total_seconds() / (1 + CLOCK_RUNS)
                sys.stdout.write(f"TIMES {seconds:>8.1f} s {entry.to.value:<12} {entry.code}\n")


def reboots(one: Any) -> int:
    return len(EventFile(events_file(one.paths)).look().reboots)


async def test_a_guest_answers_outlives_its_agent_and_ends_by_its_power_button(world: Any) -> None:
    one = world()
    await one.agent(is_in(S.RUNNING, S.FAILED))
    record = one.record
    assert record.state is S.RUNNING, record.trace
    assert record.readiness.rung == "R4"
    assert one.vms() == [record.process.pid]
    await one.agent(lambda found: found.trace[-1].code == "RECOVERY_CONFIRMED")
    assert one.record.process == record.process
    one.delete()
    await one.agent(lambda found: found.ended is not None)
    ended = one.record
    assert ended.last_exit.reason == "GuestPoweredOff", ended.last_exit
    assert any("power button" in line for line in ended.last_exit.console_tail)
    await one.agent(lambda found: found == ended)
    assert (one.vms(), one.remains()) == ([], [])


async def test_a_guests_reboot_stays_in_its_process_and_is_no_new_incarnation(world: Any) -> None:
    one = world("schedune.test=reboot-once", disks=[DATA])
    await one.agent(lambda found: found.process is not None)
    first = one.record
    await one.agent(is_in(S.RUNNING, S.FAILED))
    record = one.record
    assert record.state is S.RUNNING, record.trace
    assert reboots(one) == 1
    assert (record.process, record.incarnation) == (first.process, 1)
    assert (one.paths.disks / "data.raw").read_bytes().startswith(b"once")


async def test_a_guest_that_reboots_again_and_again_is_ended_with_that_as_the_reason(
    world: Any,
) -> None:
    one = world("schedune.test=reboot", restartPolicy="Never")
    for count in (2, 4):
        await one.agent(lambda _, count=count: reboots(one) >= count)
    await one.agent(lambda found: found.ended is not None)
    assert one.record.ended.reason == "GuestRebootLoop", one.record.trace
    assert (one.vms(), one.remains()) == ([], [])


async def test_a_panic_is_told_with_its_console_and_ends_a_vmm_that_would_go_on(world: Any) -> None:
    one = world("schedune.test=panic", restartPolicy="Never")
    await one.agent(lambda found: found.ended is not None)
    ended = one.record
    assert ended.ended.reason == "GuestPanicked", ended.trace
    assert any(line.startswith("[ ") for line in ended.last_exit.console_tail), ended.last_exit
    assert one.vms() == []


async def test_a_guest_that_powers_off_is_not_started_again(world: Any) -> None:
    one = world("schedune.test=poweroff", restartPolicy="OnFailure")
    await one.agent(lambda found: found.ended is not None)
    assert (one.record.ended.reason, one.record.incarnation) == ("GuestPoweredOff", 1)
    assert (one.vms(), one.remains()) == ([], [])


async def test_a_guest_that_powered_off_while_no_agent_ran_is_told_so_all_the_same(
    world: Any,
) -> None:
    one = world("schedune.test=poweroff", restartPolicy="OnFailure")
    await one.agent(is_in(S.STARTING, S.RUNNING))
    await one.carry_on_without(lambda: EventFile(events_file(one.paths)).look().is_over)
    await one.agent(lambda found: found.ended is not None)
    assert one.record.ended.reason == "GuestPoweredOff", one.record.trace


async def test_a_killed_vmm_is_told_and_the_next_incarnation_keeps_the_disk(world: Any) -> None:
    one = world("schedune.test=disks", disks=[DATA, {**DATA, "name": "base", "access": "ReadOnly"}])
    await one.agent(is_in(S.RUNNING, S.FAILED))
    first = one.record
    assert first.state is S.RUNNING, first.trace
    artefact = one.settings.image_roots[0] / "data"
    written = (one.paths.disks / "data.raw").read_bytes()
    assert written.startswith(b"written by "), written[:40]
    assert artefact.read_bytes().startswith(b"from the base")
    os.kill(first.process.pid, signal.SIGKILL)
    await one.agent(lambda found: found.incarnation == 2 and found.state in (S.RUNNING, S.FAILED))
    second = one.record
    assert second.state is S.RUNNING, second.trace
    assert second.last_exit.reason in ("VMMKilled", "ExitUnknown"), second.last_exit
    assert (one.paths.disks / "data.raw").read_bytes() != written
    assert one.vms() == [second.process.pid]


async def test_a_guest_is_reached_over_its_tap_and_the_tap_goes_with_its_placement(
    world: Callable[..., Any], machine: Machine
) -> None:
    with own_network():
        add_bridge("br0", "10.0.2.2/24")
        facts = machine.facts.model_copy(update={"networks": [NetworkFact(name="br0")]})
        card = {"name": "lan", "type": "Tap", "tap": {"bridge": "br0"}}
        one = world("schedune.test=network", networks=[card], facts=facts)
        await one.agent(is_in(S.RUNNING, S.FAILED))
        assert one.record.state is S.RUNNING, one.record.trace
        (tap,) = ports_of("br0")
        assert tap == tap_names(one.settings, one.uid)[0]
        told = ask_guest("10.0.2.15", 7, patience_s=PATIENCE_S)
        assert told == f"schedune-guest: {mac_address('workload-uid', 'lan')}"
        one.delete()
        await one.agent(lambda found: found.ended is not None and not ports_of("br0"))
        assert (one.vms(), one.remains()) == ([], [])
