"""QEMU's machine: which type, which firmware, and devices that it has."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from schedune.api.nodetruth import BackendFact
from schedune.api.vmplacement import Launch, VMPlacement
from schedune.api.vmworkload import Backend
from schedune.launch.overhead import EMULATION_CACHE_MEBI
from schedune.launch.traits import LEAN_DEVICES, TRAITS
from schedune.launch.validate import machine_of
from schedune_agent.vmm.port import (
    DiskFiles,
    Firmware,
    LaunchFiles,
    LaunchInputs,
    Owner,
    PlanError,
    VmPaths,
)
from schedune_agent.vmm.qemu.argv import render_argv

DISK = {"name": "root", "format": "Raw", "access": "ReadOnly", "artifact": "root"}
CARD = {"name": "lan", "type": "User"}
MICRO = {"runtimeClass": "MicroVM", "acceleration": "KVM", "disks": [DISK], "networks": [CARD]}
NewPlacement = Callable[..., VMPlacement]


def argv_of(
    placement: VMPlacement, machine: str = "", firmware: Firmware | None = None
) -> list[str]:
    spec = placement.spec
    disks = tuple(
        DiskFiles(one, Path("/images/root"), Path("/vms/root")) for one in spec.launch.disks
    )
    files = LaunchFiles(Path("/images/kernel"), None, disks, firmware)
    paths, owner = VmPaths(Path("/run/vm"), Path("/vms")), Owner("p-uid", "w-uid", "c-uid")
    return render_argv(
        LaunchInputs(
            "qemu", spec.launch, spec.claim, files, paths, owner, "127.0.0.1", machine=machine
        )
    )


def options(argv: list[str], name: str) -> list[Any]:
    found = [value for option, value in pairwise(argv) if option == name]
    return [json.loads(one) if one.startswith("{") else one for one in found]


def binary(architecture: str = "amd64", machines: tuple[str, ...] = ("q35", "microvm")) -> Any:
    features = TRAITS[Backend.QEMU].all_devices | LEAN_DEVICES
    return BackendFact.model_validate({
        "name": "QEMU", "path": "/q", "architecture": architecture, "accelerations": ["KVM"],
        "machineTypes": machines, "features": sorted(features),
    })  # fmt: skip


def launch(new_placement: NewPlacement, **changes: Any) -> Launch:
    found: Launch = new_placement(**{**MICRO, **changes}).spec.launch
    return found


def test_a_microvm_under_kvm_gets_the_lean_machine_and_everything_else_the_usual_one(
    new_placement: NewPlacement,
) -> None:
    def machine(backend: BackendFact, **changes: Any) -> str:
        return machine_of(launch(new_placement, **changes), Backend.QEMU, backend)

    assert machine(binary()) == "microvm"
    assert machine(binary(), acceleration="Emulated") == "q35"
    assert machine(binary(), runtimeClass="VirtualMachine") == "q35"
    assert machine(binary(), kernel=None, firmware={"artifact": "ovmf"}) == "q35"
    assert machine(binary(machines=("q35",))) == "q35"
    assert machine(binary("arm64", ("virt",)), architecture="arm64") == "virt"
    seven = [{**DISK, "name": f"d{number}"} for number in range(7)]
    assert machine(binary(), disks=seven, networks=[]) == "microvm"
    assert machine(binary(), disks=seven) == "q35"
    lacking = binary().model_copy(update={"features": ["virtio-serial-device"]})
    assert machine(lacking) == "q35"


def test_a_microvm_has_no_device_of_a_bus_that_it_has_not(new_placement: NewPlacement) -> None:
    argv = argv_of(new_placement(**MICRO), "microvm")
    assert options(argv, "-machine") == ["microvm,acpi=on,rtc=on,isa-serial=on"]
    assert options(argv, "-accel") == ["kvm"]
    devices = options(argv, "-device")
    assert [one["driver"] for one in devices] == [
        "virtio-serial-device", "virtserialport", "virtio-blk-device", "virtio-net-device",
    ]  # fmt: skip
    assert not any("romfile" in one for one in devices)
    usual = [one["driver"] for one in options(argv_of(new_placement(**MICRO), "q35"), "-device")]
    assert "virtio-blk-pci" in usual
    assert "pvpanic-pci" in usual


def test_firmware_is_flash_that_is_read_and_a_store_that_is_written(
    new_placement: NewPlacement,
) -> None:
    ranked = [{**DISK, "bootOrder": 3}, {**DISK, "name": "data"}]
    placement = new_placement(kernel=None, firmware={"artifact": "f"}, disks=ranked)
    firmware = Firmware(Path("/images/a,CODE.fd"), Path("/images/VARS.fd"), Path("/vms/vars.fd"))
    argv = argv_of(placement, "", firmware)
    (machine,) = options(argv, "-machine")
    assert machine == "q35,usb=off,vmport=off,smm=off,pflash0=firmware-code,pflash1=firmware-vars"
    code, store, *_ = options(argv, "-blockdev")
    assert code["read-only"] is code["file"]["read-only"] is True
    assert code["file"]["filename"] == "/images/a,CODE.fd"
    assert store["file"] == {"driver": "file", "filename": "/vms/vars.fd"}
    assert "-kernel" not in argv
    disks = [one for one in options(argv, "-device") if one["driver"] == "virtio-blk-pci"]
    assert [one.get("bootindex") for one in disks] == [3, None]
    (alone,) = options(argv_of(placement, "", Firmware(Path("/images/f"))), "-machine")
    assert "pflash1" not in alone
    assert options(argv, "-accel") == [f"tcg,tb-size={EMULATION_CACHE_MEBI}"]


def test_a_microvm_with_firmware_can_not_be_written_down(new_placement: NewPlacement) -> None:
    placement = new_placement(kernel=None, firmware={"artifact": "f"})
    with pytest.raises(PlanError, match="boots a kernel"):
        argv_of(placement, "microvm", Firmware(Path("/images/f")))
