"""Real guests on real taps: reached over their bridge, and nothing left of any of it."""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from schedune.api.nodetruth import Capability, NetworkFact, NodeTruthStatus
from schedune.api.vmplacement import PlacementState
from schedune.api.vmworkload import LaunchMode
from schedune.launch.guest_identity import mac_address
from schedune.launch.traits import TUN
from schedune_agent.record import LaunchRecord
from schedune_agent.system import taps
from schedune_agent.vmm.taps import tap_names
from schedune_testing.machines import PATIENCE_S, Machine
from schedune_testing.own_network import (
    add_bridge,
    ask_guest,
    own_network,
    ports_of,
    remove_bridge,
)

S = PlacementState
NewWorld = Callable[..., Any]
LAN: dict[str, Any] = {"name": "lan", "type": "Tap", "tap": {"bridge": "br0"}}
STILL: dict[str, Any] = {"kernel": {"artifact": "still"}, "initrd": None, "networks": [LAN]}
NODE, GUEST, PORT = "10.0.2.2/24", "10.0.2.15", 7


@pytest.fixture(autouse=True)
def network() -> Iterator[None]:
    """Be in a network with a bridge, on which the node has an address."""
    with own_network():
        add_bridge("br0", NODE)
        yield


@pytest.fixture
def facts(machine: Machine) -> NodeTruthStatus:
    """Return what the agent would have found in this network."""
    return machine.facts.model_copy(update={"networks": [NetworkFact(name="br0")]})


@pytest.fixture
def new_vm(new_world: NewWorld, facts: NodeTruthStatus) -> NewWorld:
    """Make worlds that know of the bridge."""
    return lambda **options: new_world(**{"facts": facts, **STILL, **options})


def devices() -> list[str]:
    return [name for _, name in socket.if_nameindex() if not name.startswith(("lo", "br"))]


def tap_of(world: Any, index: int = 0) -> str:
    return tap_names(world.settings, world.uid)[index]


def is_running(record: LaunchRecord) -> bool:
    return record.state in (S.RUNNING, S.FAILED)


def is_over(record: LaunchRecord) -> bool:
    return record.ended is not None


async def end(world: Any) -> None:
    """Delete the placement, and wait until nothing of it is left."""
    world.delete()
    worker = world.new_agent()
    await world.carry_on(worker, is_over)
    await world.carry_on(worker, lambda _: not world.remains() and not devices())
    worker.let_go()


async def test_a_guest_answers_over_its_tap_and_the_tap_goes_with_it(new_vm: NewWorld) -> None:
    world = new_vm(
        kernel={"artifact": "kernel"},
        initrd={"artifact": "initrd"},
        commandLine="console=ttyS0 quiet schedune.test=network",
        readiness={"level": "Guest", "timeoutSeconds": 120},
    )
    await world.agent(is_running)
    assert world.record.state is S.RUNNING, world.record.trace
    assert ports_of("br0") == [tap_of(world)]
    assert (
        ask_guest(GUEST, PORT, patience_s=PATIENCE_S)
        == f"schedune-guest: {mac_address('workload-uid', 'lan')}"
    )
    await world.agent(lambda record: record.trace[-1].code == "RECOVERY_CONFIRMED")
    assert ask_guest(GUEST, PORT, patience_s=PATIENCE_S)
    await end(world)


async def test_the_addresses_that_the_guest_agent_tells_are_in_the_status(
    new_vm: NewWorld,
) -> None:
    world = new_vm(
        kernel={"artifact": "kernel"},
        initrd={"artifact": "with-agent"},
        commandLine="console=ttyS0 quiet",
        readiness={"level": "Guest", "probe": "GuestAgent", "timeoutSeconds": 120},
    )
    await world.agent(is_running)
    assert world.record.state is S.RUNNING, world.record.trace
    assert world.placement.status.addresses == ["192.0.2.7"]
    await end(world)


async def test_a_killed_vmm_takes_its_tap_along_and_the_next_incarnation_has_one_again(
    new_vm: NewWorld,
) -> None:
    world = new_vm()
    await world.agent(is_running)
    first = world.record.process.pid
    os.kill(first, signal.SIGKILL)
    await world.agent(lambda record: record.incarnation == 2 and is_running(record))
    assert world.record.state is S.RUNNING, world.record.trace
    assert world.record.process.pid != first
    assert ports_of("br0") == [tap_of(world)]
    await end(world)


async def test_two_cards_are_on_two_bridges(new_world: NewWorld, facts: NodeTruthStatus) -> None:
    add_bridge("br1")
    bridges = [NetworkFact(name="br0"), NetworkFact(name="br1")]
    wan = {"name": "wan", "type": "Tap", "tap": {"bridge": "br1"}}
    both = facts.model_copy(update={"networks": bridges})
    world = new_world(facts=both, **{**STILL, "networks": [LAN, wan]})
    await world.agent(is_running)
    assert world.record.state is S.RUNNING, world.record.trace
    assert (ports_of("br0"), ports_of("br1")) == ([tap_of(world)], [tap_of(world, 1)])
    await end(world)


@pytest.mark.parametrize("moment", range(1, 14))
async def test_an_agent_killed_at_any_step_leaves_one_vm_with_one_tap_or_nothing(
    new_vm: NewWorld, moment: int
) -> None:
    world = new_vm()
    await world.agent(is_running, kill_at=moment)
    assert len(devices()) == len(world.vms())
    await world.agent(is_running)
    assert world.record.state is S.RUNNING, world.record.trace
    assert (len(world.vms()), devices()) == (1, [tap_of(world)])
    await end(world)


async def refused(world: Any) -> Any:
    """Let an agent refuse, and return why; nothing of it is left."""
    worker = world.new_agent()
    await world.carry_on(worker, is_over)
    await world.carry_on(worker, lambda _: not world.remains())
    assert world.vms() == []
    return worker.record.trace[-1]


async def test_a_bridge_that_is_not_there_is_told_with_those_that_are(new_vm: NewWorld) -> None:
    last = await refused(new_vm(networks=[{**LAN, "tap": {"bridge": "br7"}}]))
    assert last.code == "REJECT_BRIDGE_MISSING"
    assert "br7" in last.message


async def test_a_bridge_that_has_gone_since_the_facts_were_taken_is_missed(
    new_vm: NewWorld,
) -> None:
    remove_bridge("br0")
    world = new_vm()
    assert (await refused(world)).code == "REJECT_BRIDGE_MISSING"
    assert world.record.refusal.code == "REJECT_BRIDGE_MISSING"
    assert devices() == []


async def test_a_bridge_that_goes_while_the_launch_is_under_way_ends_it(new_vm: NewWorld) -> None:
    world = new_vm()
    worker = world.new_agent()
    await world.carry_on(worker, lambda record: record.state is S.LAUNCHING)
    remove_bridge("br0")
    await world.carry_on(worker, is_over)
    assert worker.record.trace[-1].code == "REJECT_BRIDGE_MISSING"
    assert (world.vms(), devices()) == ([], [])


async def test_a_tap_that_a_stranger_holds_is_left_to_him(new_vm: NewWorld) -> None:
    world = new_vm()
    stranger = taps.make(tap_of(world), "br0")
    worker = world.new_agent()
    await world.carry_on(worker, is_over)
    assert worker.record.trace[-1].code == "ERR_EXEC_TAP_IN_USE"
    assert devices() == [tap_of(world)]
    os.close(stranger)
    await world.carry_on(worker, lambda _: not world.remains())


async def test_a_tap_of_an_earlier_attempt_that_nobody_holds_is_replaced(new_vm: NewWorld) -> None:
    world = new_vm()
    os.close(taps.make(tap_of(world), "br0", owner=0))
    await world.agent(is_running)
    assert ports_of("br0") == [tap_of(world)]
    await end(world)


async def test_without_the_right_to_make_taps_nothing_is_started(
    new_world: NewWorld, facts: NodeTruthStatus
) -> None:
    told = [_denied(one) if one.name == TUN else one for one in facts.capabilities]
    denied = facts.model_copy(update={"capabilities": told})
    last = await refused(new_world(facts=denied, **STILL))
    assert last.code == "REJECT_CAPABILITY_DENIED", last.message
    assert "CAP_NET_ADMIN" in last.message


def _denied(fact: Capability) -> Capability:
    changes = {
        "state": "Unavailable",
        "reason_code": "CAP_NET_ADMIN_MISSING",
        "message": "no CAP_NET_ADMIN",
    }
    return Capability.model_validate({**fact.model_dump(), **changes})


def card(port: int, protocol: str = "TCP") -> dict[str, Any]:
    forward = {"name": "web", "protocol": protocol, "nodePort": port, "guestPort": 80}
    return {"name": "nat", "type": "User", "user": {"portForwards": [forward]}}


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
async def test_a_port_that_a_stranger_on_the_node_has_is_refused(
    new_vm: NewWorld, protocol: str
) -> None:
    kind = socket.SOCK_STREAM if protocol == "TCP" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as stranger:
        stranger.bind(("127.0.0.1", 8080))
        if protocol == "TCP":
            stranger.listen()
        last = await refused(new_vm(networks=[card(8080, protocol)]))
    assert last.code == "REFUSED_NODE_PORT_TAKEN"
    assert f"{protocol} 8080" in last.message


async def test_a_port_that_another_vm_of_the_node_has_is_refused_until_that_one_ends(
    new_vm: NewWorld,
) -> None:
    first, second = new_vm(networks=[card(8080)]), new_vm(networks=[card(8080)])
    await first.agent(is_running)
    assert first.record.state is S.RUNNING, first.record.trace
    assert (await refused(second)).code == "REFUSED_NODE_PORT_TAKEN"
    await end(first)
    third = new_vm(networks=[card(8080)])
    await third.agent(is_running)
    assert third.record.state is S.RUNNING, third.record.trace


async def test_a_dry_run_shows_the_tap_that_would_be_given_and_makes_none(new_vm: NewWorld) -> None:
    world = new_vm()
    spec = world.placement.spec.model_copy(update={"mode": LaunchMode.DRY_RUN})
    world.placement = world.placement.model_copy(update={"spec": spec})
    worker = world.new_agent()
    await world.carry_on(worker, lambda record: record.state in (S.VALIDATED, S.FAILED))
    assert worker.record.state is S.VALIDATED, worker.record.trace
    assert '{"id": "net-lan", "type": "tap", "fd": "1000"}' in worker.prepared.argv
    assert (world.vms(), devices()) == ([], [])
