"""Where KVM runs guests: the probe says so, and a guest under it outlives its agent.

Not collected with the other tests: tests/nested runs it in a machine whose KVM works.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from schedune.api.nodetruth import CapabilityState
from schedune.api.vmworkload import Backend
from schedune.codes import device_probes
from schedune_agent.probes.kvm import KvmFamily
from schedune_testing.real_guests import (
    BASE,
    Make,
    ends_in_order,
    is_killed_and_comes_up_again,
    outlives_its_agent,
    run,
    timed,
)


@pytest.fixture
def world(new_world: Make, capsys: pytest.CaptureFixture[str], request: Any) -> Iterator[Make]:
    """Make placements for QEMU under KVM, with a guest that answers."""
    with timed(
        new_world, capsys, request.node.name,
        acceleration="KVM", terminationGraceSeconds=30, commandLine="console=ttyS0",
        readiness={"level": "Guest", "timeoutSeconds": 100},
    ) as make:  # fmt: skip
        yield make


async def test_the_strong_probe_says_that_guests_run(machine: Any) -> None:
    answers = {one.name: one for one in (await KvmFamily()()).answers}
    strong = answers["kvm_vm_launch"]
    assert (strong.state, strong.value) == (CapabilityState.SUPPORTED, "ok"), strong.observed
    assert int(answers["kvm_virtualization"].value or 0) >= 1
    assert answers["kvm_nested"].row is device_probes.CAP_KVM_NESTED_ON
    assert machine.facts.compatibility_reasons == ["CLASS_X86_HOLDING_READY"]
    assert not machine.facts.constraints
    told = [one.message for one in machine.facts.capabilities]
    (qemu,) = [one for one in machine.facts.backends if one.name is Backend.QEMU]
    assert set(qemu.accelerations) == {"KVM", "Emulated"}, told


async def test_a_guest_under_kvm_answers_outlives_its_agent_and_ends_in_order(world: Make) -> None:
    one = world()
    await outlives_its_agent(one)
    await ends_in_order(one)


async def test_a_killed_qemu_is_told_and_the_next_incarnation_keeps_the_disk(world: Make) -> None:
    await is_killed_and_comes_up_again(world)


async def test_a_microvm_under_kvm_runs_on_a_machine_without_pci_and_ends_in_order(
    world: Make,
) -> None:
    one = world("schedune.test=disks", runtimeClass="MicroVM", disks=[BASE])
    record = await run(one)
    assert record.readiness.rung == "R4"
    machine = record.argv[record.argv.index("-machine") + 1]
    assert machine.startswith("microvm,")
    await ends_in_order(one)
