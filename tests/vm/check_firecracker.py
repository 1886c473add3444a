"""Firecracker where KVM runs guests: booted, asked, killed, found again and ended in order.

Not collected with the other tests: tests/nested runs it in a machine whose KVM works.
"""

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from schedune.api.nodetruth import NetworkFact
from schedune.api.vmplacement import PlacementState
from schedune.launch.guest_identity import mac_address
from schedune_agent.record import LaunchRecord
from schedune_agent.vmm.console_log import ConsoleLog
from schedune_agent.vmm.taps import tap_names
from schedune_testing.given import FIRECRACKER, given_binary
from schedune_testing.own_network import add_bridge, ask_guest, own_network, ports_of
from schedune_testing.vms import PATIENCE_S, Machine

S = PlacementState


def is_in(*states: PlacementState) -> Callable[[LaunchRecord], bool]:
    return lambda record: record.state in states


@pytest.fixture
def world(new_world: Callable[..., Any]) -> Callable[..., Any]:
    """Make placements for Firecracker, with a guest that answers."""
    given_binary(FIRECRACKER)

    def make(command_line: str = "", **launch: object) -> Any:
        options = {
            "runtimeClass": "MicroVM",
            "acceleration": "KVM",
            "kernel": {"artifact": "vmlinux"},
            "commandLine": f"console=ttyS0 reboot=k panic=-1 quiet {command_line}",
            "readiness": {"level": "Guest", "probe": "Vsock", "timeoutSeconds": 100},
            "terminationGraceSeconds": 30,
            **launch,
        }
        return new_world(backend="Firecracker", **options)

    return make


async def test_a_guest_answers_outlives_its_agent_and_ends_in_order(
    world: Callable[..., Any],
) -> None:
    one = world()
    await one.agent(is_in(S.RUNNING, S.FAILED))
    record = one.record
    assert record.state is S.RUNNING, record.trace
    assert record.readiness.rung == "R4"
    assert one.vms() == [record.process.pid]
    codes = [entry.code for entry in record.trace]
    assert "LIMIT_HALT_UNSEEN" in codes
    await one.agent(lambda found: found.trace[-1].code == "RECOVERY_CONFIRMED")
    assert one.record.process == record.process
    one.delete()
    await one.agent(lambda found: found.ended is not None)
    ended = one.record
    assert ended.last_exit.reason == "GuestPoweredOff", ended.last_exit
    await one.agent(lambda found: found == ended)
    assert (one.vms(), one.remains()) == ([], [])


async def test_a_killed_vmm_is_no_reboot_and_the_next_incarnation_keeps_the_disk(
    world: Callable[..., Any],
) -> None:
    disks = [
        {"name": "data", "artifact": "data", "format": "Raw", "access": "Ephemeral"},
        {"name": "base", "artifact": "data", "format": "Raw", "access": "ReadOnly"},
    ]
    one = world("schedune.test=disks", disks=disks)
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
    assert artefact.read_bytes().startswith(b"from the base")
    assert one.vms() == [second.process.pid]


@pytest.mark.parametrize(("word", "reason"), [("reboot", "GuestReset"), ("panic", "GuestPanicked")])
async def test_what_ended_a_guest_is_told_and_the_next_incarnation_follows(
    world: Callable[..., Any], word: str, reason: str
) -> None:
    one = world(f"schedune.test={word}")
    await one.agent(lambda found: found.incarnation == 2)
    assert one.record.last_exit.reason == reason, one.record.last_exit
    assert one.record.last_exit.exit_code == 0


async def test_a_guest_that_powers_off_is_not_seen_to_end_and_its_console_tells(
    world: Callable[..., Any],
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
    await one.agent(lambda found: found.ended is not None)
    assert one.record.last_exit.reason == "HostStopped"
    assert one.vms() == []


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
