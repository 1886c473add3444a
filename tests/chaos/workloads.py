"""What the placements of a run ask for, by chance: each feature brings steps of its own."""

import random
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from schedune.api.nodetruth import NetworkFact
from schedune.api.vmplacement import Stop
from schedune.api.vmworkload import DiskAccess
from schedune.codes.summary import WORKLOAD_GONE
from schedune_agent.vmm.persistent import persistent_file
from schedune_testing.machines import Machine
from schedune_testing.own_network import add_bridge, own_network, ports_of
from schedune_testing.vms import World

BRIDGE: Final = "chaos0"
SCRATCH: Final = {"name": "scratch", "emptySize": "1Mi", "format": "Raw", "access": "Ephemeral"}
_KEPT: Final = {"name": "kept", "emptySize": "1Mi", "access": "Persistent"}
_COPY: Final = {"name": "copy", "artifact": "data", "format": "Raw", "access": "Persistent"}
_GUEST: Final = {"hostname": "chaos", "userData": {"inline": "#cloud-config\n{}\n"}}
_LAN: Final = {"name": "lan", "type": "Tap", "tap": {"bridge": BRIDGE}}
_FIRMWARE: Final = {
    "firmware": {"artifact": "still_CODE.fd"}, "kernel": None, "initrd": None, "commandLine": None,
}  # fmt: skip
EVERYTHING: Final = {
    **_FIRMWARE,
    "disks": [SCRATCH, {**_KEPT, "format": "Raw", "retention": "Delete"}],
    "guest": _GUEST,
    "networks": [_LAN],
}
"""A launch that asks for every step there is."""


@contextmanager
def with_a_bridge(machine: Machine) -> Iterator[Machine]:
    """Be in a network of our own with a bridge, which the node knows; without, if we may not."""
    with ExitStack() as stack:
        try:
            stack.enter_context(own_network())
        except PermissionError:
            yield machine
            return
        add_bridge(BRIDGE)
        facts = machine.facts.model_copy(update={"networks": [NetworkFact(name=BRIDGE)]})
        yield replace(machine, facts=facts)


def wanted_by_chance(chance: random.Random, machine: Machine) -> dict[str, Any]:
    """Return what one placement's launch says."""
    options: dict[str, Any] = {"restartPolicy": chance.choice(("Always", "OnFailure"))}
    options["disks"] = [one for one in (SCRATCH,) if chance.random() < 0.4]
    if chance.random() < 0.35:
        kept = {**_KEPT, "format": chance.choice(("Raw", "Qcow2"))}
        options["disks"].append({**chance.choice((kept, _COPY)), "retention": "Delete"})
    if chance.random() < 0.35:
        options["guest"] = _GUEST
    if machine.facts.networks and chance.random() < 0.35:
        options["networks"] = [_LAN]
    if chance.random() < 0.1:
        options.update(kernel={"artifact": "off"}, restartPolicy="OnFailure")
    elif _has_firmware(machine) and chance.random() < 0.3:
        options.update(_FIRMWARE)
    return options


def _has_firmware(machine: Machine) -> bool:
    name = _FIRMWARE["firmware"]["artifact"]
    return any(one.name == name and not one.refusal for one in machine.facts.artifacts)


def end_workload(world: World) -> None:
    """Let its workload be gone, as the operator does: so its disks are to go too."""
    stop = Stop(reason=WORKLOAD_GONE.reason, grace_seconds=0)
    spec = world.placement.spec.model_copy(update={"stop": stop})
    world.placement = world.placement.model_copy(update={"spec": spec})
    world.delete()


def disks_to_go(world: World) -> list[Path]:
    """Return which disks of a workload that is gone are still there."""
    return [path for path in _kept(world) if world.placement.spec.stop and path.exists()]


def _kept(world: World) -> list[Path]:
    state, placement = world.settings.state_directory, world.placement
    return [
        persistent_file(state, placement, one.name, one.format)
        for one in placement.spec.launch.disks
        if one.access is DiskAccess.PERSISTENT
    ]


def remove_kept(world: World) -> None:
    """Remove what is kept of a workload, whatever became of its placement."""
    for path in _kept(world):
        shutil.rmtree(path.parent, ignore_errors=True)


def taps_left() -> list[str]:
    """Return the taps that are on the bridge, if there is one."""
    try:
        return ports_of(BRIDGE)
    except OSError:
        return []
