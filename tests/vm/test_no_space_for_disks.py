"""No space at any write of what only some VMs have: a disk's copy, the firmware's variables.

The rest of a life is in test_no_space. A VMM without overlays is Cloud Hypervisor here: it
need not be there, since nothing of it starts.
"""

import itertools
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from schedune.api.nodetruth import BackendFact, CapabilityState, NodeTruthStatus
from schedune.api.vmplacement import PlacementState
from schedune.codes.table import TABLE
from schedune.launch.capabilities import KVM
from schedune_agent import preparation
from schedune_agent.system import sparse_copy_child
from schedune_agent.system.child import ChildResult
from schedune_agent.vmm import disk_making
from schedune_testing import vms
from schedune_testing.full_disk import FullDisk

S = PlacementState
NewWorld = Callable[..., Any]
COPIED: dict[str, Any] = {
    "kernel": {"artifact": "still"}, "initrd": None, "commandLine": "console=ttyS0",
    "acceleration": "KVM", "readiness": {"level": "Backend", "timeoutSeconds": 60},
    "disks": [{"name": "root", "artifact": "data", "format": "Raw", "access": "Ephemeral"}],
}  # fmt: skip
FIRMWARE: dict[str, Any] = {
    "kernel": None, "initrd": None, "commandLine": None, "firmware": {"artifact": "tiny_CODE.fd"},
    "disks": [{"name": "data", "artifact": "data", "format": "Raw", "access": "ReadOnly"}],
    "restartPolicy": "Never",
}  # fmt: skip


def with_cloud_hypervisor(facts: NodeTruthStatus) -> NodeTruthStatus:
    """Say of a node that it has one, and a KVM that runs guests."""
    assert facts.cpu is not None
    vmm = BackendFact(
        name="CloudHypervisor", path="/usr/bin/cloud-hypervisor", version="53.0.0",
        architecture=facts.cpu.architecture, accelerations=["KVM"],
    )  # fmt: skip
    capabilities = [
        one.model_copy(update={"state": CapabilityState.SUPPORTED}) if one.name == KVM else one
        for one in facts.capabilities
    ]
    others = [one for one in facts.backends if one.name is not vmm.name]
    return facts.model_copy(update={"capabilities": capabilities, "backends": [*others, vmm]})


async def end_of(world: Any, disk: FullDisk) -> Any:
    """Let a placement end, and hold its end against what failed: a code, and nothing left."""
    worker = world.new_agent()
    await world.carry_on(worker, lambda record: record.ended is not None)
    await world.carry_on(worker, lambda _: not world.remains())
    worker.let_go()
    assert world.vms() == []
    last = worker.record.trace[-1]
    if disk.failed:
        assert (last.to, last.code) == (S.FAILED, "ERR_EXEC_DISK_NOT_MADE"), last.message
        assert "No space left on device" in last.message
        assert "make room" in TABLE[last.code].remedy
    return worker.record


async def copy_here(argv: Sequence[str], **_: object) -> ChildResult:
    """Copy as the child does, in this process, where writes are counted; its scratch is named."""
    source, scratch, target, size = argv[4:8]
    fresh = Path(scratch).with_name("copied.new")
    try:
        sparse_copy_child.copy(int(source), str(fresh), target, int(size))
    except OSError as error:
        return ChildResult(1, b"", str(error.strerror).encode())
    return ChildResult(0, b"", b"")


async def test_no_space_for_the_copy_of_a_disk_refuses_the_launch_and_leaves_nothing(
    new_world: NewWorld, machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, met = FullDisk(monkeypatch, (machine.settings.state_directory,)), list[str]()
    facts, started = with_cloud_hypervisor(machine.facts), list[object]()

    def spawn(argv: object, *_: object, **__: object) -> int:
        started.append(argv)
        raise OSError("it need not be there")

    monkeypatch.setattr(vms, "SPAWN", spawn)
    monkeypatch.setattr(disk_making, "run_child", copy_here)
    monkeypatch.setattr(preparation, "first_denied", lambda *_: None)
    for moment in itertools.count(1):
        world = new_world(backend="CloudHypervisor", facts=facts, **COPIED)
        disk.fill(moment, 1, "copied")
        record = await end_of(world, disk)
        assert bool(started) is not bool(disk.failed)
        if not disk.failed:
            break
        met += disk.failed
    assert "it need not be there" in record.trace[-1].message
    assert [one.split()[0] for one in met] == ["open", "sendfile", "ftruncate", "fsync"]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="its firmware is code of amd64")
async def test_no_space_for_the_variables_of_firmware_refuses_the_launch_and_leaves_nothing(
    new_world: NewWorld, machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, met = FullDisk(monkeypatch, (machine.settings.state_directory,)), list[str]()
    for moment in itertools.count(1):
        world = new_world(**FIRMWARE)
        disk.fill(moment, 1, "firmware-vars.fd")
        record = await end_of(world, disk)
        if not disk.failed:
            break
        met += disk.failed
    assert record.last_exit.reason == "GuestPoweredOff"
    fresh = "firmware-vars.fd.new"
    assert met == [f"open {fresh}", f"write {fresh}", f"fsync {fresh}", "replace firmware-vars.fd"]
