"""The machine on QEMU's command line: its type, its firmware, and which buses its devices have."""

import json
from collections.abc import Iterator, Sequence
from typing import Final

from schedune.api.vmplacement import Launch
from schedune.api.vmworkload import Acceleration, Architecture
from schedune.launch.overhead import EMULATION_CACHE_MEBI
from schedune.launch.traits import MICROVM
from schedune_agent.vmm.port import Firmware, PlanError

_OPTIONS: Final = {
    "q35": "usb=off,vmport=off,smm=off",
    "virt": "usb=off",
    MICROVM: "acpi=on,rtc=on,isa-serial=on",
}
_USUAL: Final = {Architecture.AMD64: "q35", Architecture.ARM64: "virt"}
_PCI, _MMIO = "-pci", "-device"


def render_machine(launch: Launch, machine: str, firmware: Firmware | None) -> list[str]:
    """Return the machine, its processor and its firmware.

    ``machine`` is a type that the binary has; "": the usual one of the architecture.

    Raises:
        PlanError: the launch is for no one architecture, or the machine starts no firmware.
    """
    accelerated = launch.acceleration is Acceleration.KVM
    if launch.architecture is Architecture.ANY:
        raise PlanError("a launch is for one architecture")
    kind = machine or _USUAL[launch.architecture]
    if firmware is not None and kind == MICROVM:
        raise PlanError("microvm boots a kernel, not firmware")
    options = [kind, *_OPTIONS[kind].split(",")]
    if launch.architecture is Architecture.AMD64:
        cpu = "host" if accelerated else "max"
    else:
        options.append(f"gic-version={'host' if accelerated else '3'}")
        cpu = "host" if accelerated else "cortex-a57"
    flashes = list(_flashes(firmware)) if firmware else []
    options += [f"pflash{number}={name}" for number, (name, _) in enumerate(flashes)]
    nodes = [part for _, node in flashes for part in ("-blockdev", json.dumps(node))]
    accelerator = "kvm" if accelerated else f"tcg,tb-size={EMULATION_CACHE_MEBI}"
    return [*nodes, "-machine", ",".join(options), "-accel", accelerator, "-cpu", cpu]


def _flashes(firmware: Firmware) -> Iterator[tuple[str, dict[str, object]]]:
    """Give the code, which nobody writes, and the variables of this VM's own."""
    file: dict[str, object] = {"driver": "file", "filename": str(firmware.code)}
    read_only = {"read-only": True}
    name = "firmware-code"
    yield name, {"driver": "raw", "node-name": name, "file": {**file, **read_only}, **read_only}
    if firmware.variables is not None:
        file, name = {"driver": "file", "filename": str(firmware.variables)}, "firmware-vars"
        yield name, {"driver": "raw", "node-name": name, "file": file}


def on_its_buses(arguments: Sequence[str], machine: str) -> list[str]:
    """Return arguments with the devices that the machine has: microvm has no PCI."""
    if machine != MICROVM:
        return list(arguments)
    found: list[str] = []
    for before, argument in zip(["", *arguments], arguments, strict=False):
        found.append(_on_mmio(argument) if before == "-device" else argument)
    return found


def _on_mmio(argument: str) -> str:
    device = json.loads(argument)
    if not device["driver"].endswith(_PCI):
        return argument
    device.pop("romfile", None)
    return json.dumps({**device, "driver": device["driver"].removesuffix(_PCI) + _MMIO})
