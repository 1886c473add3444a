"""A guest of arm64 on QEMU's `virt`, executed: placed on the facts of a recorded arm64 server."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from schedune.api.nodetruth import ArtifactKind
from schedune.api.vmplacement import PlacementState
from schedune_agent.record import LaunchRecord
from schedune_agent.vmm.qemu.argv import second_monitor_socket
from schedune_agent.vmm.qemu.qmp import QmpClient
from schedune_lab.guest import build_initrd
from schedune_testing.arm64 import ensure_arm64_kernel, ensure_arm64_qemu
from schedune_testing.machines import Machine, machine_with
from schedune_testing.recorded import recorded
from schedune_testing.vms import World

S = PlacementState
GUEST = {
    "restartPolicy": "Never",
    "readiness": {"level": "Guest", "probe": "VirtioSerial", "timeoutSeconds": 300},
    "terminationGraceSeconds": 120,
}


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """The agent's own machine, as if it were the recorded one; what its VMs run is executed."""
    with machine_with(put, recorded("arm64-server")) as found:
        yield found


def put(images: Path) -> None:
    """Lay down the images, and the binary where VMs' own users can read it."""
    binaries = images.with_name("bin")
    binaries.mkdir()
    shutil.copy(ensure_arm64_qemu(), binaries)
    kernel, busybox = ensure_arm64_kernel()
    shutil.copyfile(kernel.image, images / "kernel")
    build_initrd(busybox, kernel, images / "initrd")


@pytest.fixture
def world(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], World]]:
    """A VM whose guest is asked for something by its kernel's command line."""
    made: list[World] = []

    def make(word: str) -> World:
        line = f"console=ttyAMA0 panic=0 schedune.test={word}"
        made.append(World(machine, monkeypatch, commandLine=line, **GUEST))
        return made[-1]

    yield make
    for one in made:
        one.close()


def is_ended(record: LaunchRecord) -> bool:
    return record.ended is not None


def test_the_agent_finds_a_qemu_of_virt_and_a_kernel_that_proves_its_architecture(
    machine: Machine,
) -> None:
    (qemu,) = machine.facts.backends
    assert (qemu.architecture, qemu.machine_types) == ("arm64", ["virt"])
    proved = {one.name: (one.kind, one.architecture) for one in machine.facts.artifacts}
    assert proved == {
        "kernel": (ArtifactKind.KERNEL, "arm64"), "initrd": (ArtifactKind.INITRD, "arm64"),
    }  # fmt: skip


def boots_other_than(boot_id: str) -> Callable[[LaunchRecord], bool]:
    return lambda record: record.readiness.guest_boot_id not in (None, boot_id)


async def test_it_answers_and_answers_again_after_a_reboot_and_ends_by_its_power_button(
    world: Callable[[str], Any],
) -> None:
    one = world("nothing")
    worker = one.new_agent()
    await one.carry_on(worker, lambda record: record.state is S.RUNNING)
    readiness = one.placement.status.readiness
    assert (readiness.rung, bool(readiness.guest_boot_id)) == ("R4", True)
    monitor = await QmpClient.connect(second_monitor_socket(one.paths))
    await monitor.execute("system_reset")
    monitor.close()
    await one.carry_on(worker, boots_other_than(readiness.guest_boot_id))
    one.delete()
    worker.placement = one.placement
    await one.carry_on(worker, is_ended)
    assert one.record.ended.reason == "GuestPoweredOff"
    assert (one.vms(), one.remains()) == ([], [])
    worker.let_go()


async def test_one_that_powers_off_by_itself_is_told_as_that(world: Callable[[str], Any]) -> None:
    one = world("poweroff")
    await one.agent(is_ended)
    assert one.placement.status.last_exit.reason == "GuestPoweredOff"
    assert (one.vms(), one.remains()) == ([], [])
