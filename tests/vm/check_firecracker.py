"""Firecracker where KVM runs guests: booted, asked, killed, found again and ended in order.

Not collected with the other tests: tests/nested runs it in a machine whose KVM works.
"""

from collections.abc import Callable
from typing import Any

import pytest

from schedune.api.vmplacement import PlacementState
from schedune_agent.record import LaunchRecord
from schedune_testing.given import FIRECRACKER, given_binary

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
            "readiness": {"level": "Guest", "timeoutSeconds": 100},
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
