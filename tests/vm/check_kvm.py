"""Where KVM runs guests: the probe says so, and a guest under it outlives its agent.

Not collected with the other tests: tests/nested runs it in a machine whose KVM works.
"""

from collections.abc import Callable
from typing import Any

from schedune.api.nodetruth import CapabilityState
from schedune.api.vmplacement import PlacementState
from schedune.api.vmworkload import Backend
from schedune.codes import device_probes
from schedune_agent.probes.kvm import KvmFamily
from schedune_agent.record import LaunchRecord

S = PlacementState
UNDER_KVM = {"acceleration": "KVM", "readiness": {"level": "Guest", "timeoutSeconds": 100}}


def is_in(*states: PlacementState) -> Callable[[LaunchRecord], bool]:
    return lambda record: record.state in states


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


async def test_a_guest_under_kvm_answers_outlives_its_agent_and_ends_in_order(
    new_world: Callable[..., Any],
) -> None:
    world = new_world(**UNDER_KVM, terminationGraceSeconds=30)
    await world.agent(is_in(S.RUNNING, S.FAILED))
    record = world.record
    assert record.state is S.RUNNING, record.trace
    assert record.readiness.rung == "R4"
    assert world.vms() == [record.process.pid]
    await world.agent(lambda found: found.trace[-1].code == "RECOVERY_CONFIRMED")
    assert world.record.process == record.process
    world.delete()
    await world.agent(lambda found: found.ended is not None)
    ended = world.record
    assert ended.last_exit.reason == "GuestPoweredOff", ended.last_exit
    await world.agent(lambda found: found == ended)
    assert (world.vms(), world.remains()) == ([], [])


async def test_a_microvm_under_kvm_runs_on_a_machine_without_pci_and_ends_in_order(
    new_world: Callable[..., Any],
) -> None:
    disks = [{"name": "data", "artifact": "data", "format": "Raw", "access": "ReadOnly"}]
    told = {**UNDER_KVM, "runtimeClass": "MicroVM", "disks": disks}
    command_line = "console=ttyS0 quiet schedune.test=disks"
    world = new_world(**told, commandLine=command_line, terminationGraceSeconds=30)
    await world.agent(is_in(S.RUNNING, S.FAILED))
    record = world.record
    assert record.state is S.RUNNING, record.trace
    assert record.readiness.rung == "R4"
    machine = record.argv[record.argv.index("-machine") + 1]
    assert machine.startswith("microvm,")
    world.delete()
    await world.agent(lambda found: found.ended is not None)
    ended = world.record
    assert ended.last_exit.reason == "GuestPoweredOff", ended.last_exit
    await world.agent(lambda found: found == ended)
    assert (world.vms(), world.remains()) == ([], [])
