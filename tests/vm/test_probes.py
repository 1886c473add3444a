"""The ways to ask a guest whether it is ready, on real guests: each proves what it says it does."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from schedune.api.vmplacement import PlacementState
from schedune_agent.record import LaunchRecord
from schedune_agent.vmm.console_log import ConsoleLog

S = PlacementState
NewWorld = Callable[..., Any]
PORT_OF_GUEST = 7
BOOTED = b"schedune-guest: kernel"


def a_probe(kind: str, *, seconds: int = 300, **probe: object) -> dict[str, object]:
    readiness = {"level": "Guest", "probe": kind, "timeoutSeconds": seconds, **probe}
    return {"restartPolicy": "Never", "readiness": readiness}


def a_forward() -> tuple[int, list[dict[str, object]]]:
    """Return a free port of this machine, and a network in which it leads into the guest."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    forward = {"name": "echo", "nodePort": port, "guestPort": PORT_OF_GUEST}
    return port, [{"name": "nat", "type": "User", "user": {"portForwards": [forward]}}]


def is_running(record: LaunchRecord) -> bool:
    return record.state is S.RUNNING


def is_ended(record: LaunchRecord) -> bool:
    return record.ended is not None


def has_booted(world: Any) -> Callable[[LaunchRecord], bool]:
    return lambda _: BOOTED in ConsoleLog(world.paths.kept).whole()


async def test_a_real_guest_agent_makes_a_guest_ready_and_tells_its_addresses(
    new_world: NewWorld,
) -> None:
    _, networks = a_forward()
    world = new_world(**a_probe("GuestAgent"), initrd={"artifact": "with-agent"}, networks=networks)
    await world.agent(is_running)
    assert world.record.readiness.rung == "R4"
    (forward, address) = world.placement.status.addresses
    assert forward.startswith("127.0.0.1:")
    assert address == "192.0.2.7"
    assert "the guest agent answered" in world.record.trace[-1].message


async def test_a_guest_that_hears_no_power_button_is_ended_by_its_agent(
    new_world: NewWorld,
) -> None:
    world = new_world(
        **a_probe("GuestAgent"), initrd={"artifact": "with-agent"}, terminationGraceSeconds=50
    )
    worker = world.new_agent()
    await world.carry_on(worker, is_running)
    world.delete()
    worker.placement = world.placement
    await world.carry_on(worker, is_ended)
    assert world.record.ended.reason == "GuestPoweredOff"


async def test_a_guest_without_a_guest_agent_is_not_ready_by_it(new_world: NewWorld) -> None:
    world = new_world(**a_probe("GuestAgent", seconds=8))
    await world.agent(is_ended)
    record = world.record
    assert record.ended.reason == "ReadyTimeout"
    assert "no guest agent answered" in record.trace[-1].message
    assert (world.vms(), world.remains()) == ([], [])


async def test_a_port_that_greets_makes_a_guest_ready_and_an_open_one_does_not(
    new_world: NewWorld,
) -> None:
    port, networks = a_forward()
    probe = a_probe("TCP", port=PORT_OF_GUEST)
    world = new_world(**probe, networks=networks, commandLine="console=ttyS0 schedune.test=network")
    await world.agent(lambda record: record.state is S.STARTING)
    # QEMU takes the connection though no guest is there yet to take it.
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
    await world.agent(is_running)
    assert has_booted(world)(world.record)
    assert world.record.readiness.rung == "R5"
    assert world.placement.status.addresses == [f"127.0.0.1:{port}"]


async def test_a_port_on_which_nobody_listens_makes_no_guest_ready(new_world: NewWorld) -> None:
    port, networks = a_forward()
    world = new_world(**a_probe("TCP", seconds=25, port=PORT_OF_GUEST), networks=networks)
    await world.agent(has_booted(world))
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
    await world.agent(is_ended)
    assert world.record.ended.reason == "ReadyTimeout"
    assert f"nothing greeted on port {PORT_OF_GUEST}" in world.record.trace[-1].message


async def test_a_text_on_the_console_makes_a_guest_ready_and_proves_no_more(
    new_world: NewWorld,
) -> None:
    world = new_world(**a_probe("Console", marker=BOOTED.decode()))
    await world.agent(is_running)
    assert world.record.readiness.rung == "R3"
    await world.agent(lambda record: "RECOVERY_CONFIRMED" in [one.code for one in record.trace])
    assert is_running(world.record)


async def test_a_kernel_that_shows_no_sign_of_life_is_told_as_a_stalled_boot(
    new_world: NewWorld,
) -> None:
    world = new_world(
        **a_probe("VirtioSerial", seconds=2), commandLine="quiet schedune.test=silent"
    )
    await world.agent(is_ended)
    record = world.record
    assert record.ended.reason == "BootStalled"
    assert record.trace[-1].code == "ERR_BOOT_STALLED"
    assert (world.vms(), world.remains()) == ([], [])


async def test_a_kernel_that_runs_and_a_guest_that_does_not_answer_is_told_apart_from_it(
    new_world: NewWorld,
) -> None:
    world = new_world(
        **a_probe("VirtioSerial", seconds=10), commandLine="console=ttyS0 schedune.test=silent"
    )
    rungs = set[str]()

    def is_over(record: LaunchRecord) -> bool:
        rungs.add(record.readiness.rung if record.readiness else "")
        return is_ended(record)

    await world.agent(is_over)
    assert world.record.ended.reason == "ReadyTimeout"
    assert rungs >= {"R2", "R3"}
