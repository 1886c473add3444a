"""QEMU's command line, pure: a launch in, argv out (reference/runtimes.md 2.2).

Everything of a user's is one whole argument (the kernel command line) or a file that
the agent found itself; identifiers are ours. Paths with a comma are refused, since
QEMU's option lists would read an option out of them.
"""

import json
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

from schedune.api.quantity import parse_bytes, render_bytes
from schedune.api.vmplacement import Claim
from schedune.api.vmworkload import Acceleration, Probe
from schedune.launch.guest_identity import guest_uuid
from schedune.launch.overhead import vmm_overhead
from schedune.launch.traits import MICROVM
from schedune_agent.system.sockets import LONGEST_PATH
from schedune_agent.vmm.guest_agent import PORT_NAME, agent_socket
from schedune_agent.vmm.markers import option_marker
from schedune_agent.vmm.port import LaunchInputs, PlanError, VmPaths
from schedune_agent.vmm.qemu.disks import render_disks
from schedune_agent.vmm.qemu.machine import on_its_buses, render_machine
from schedune_agent.vmm.qemu.networks import render_networks

READY_PORT: Final = "io.schedune.ready.0"
CONSOLE: Final = "console0"
RING_BYTES: Final = 256 * 1024
"""Of the console that QEMU holds until it is read: the last, also while no agent runs."""
_NUMBER: Final = re.compile(r"[0-9]{1,18}", re.ASCII)


def monitor_socket(paths: VmPaths) -> Path:
    """Return the QMP socket."""
    return paths.run / "q.sock"


def second_monitor_socket(paths: VmPaths) -> Path:
    """Return the QMP socket of who sits down at the console: the other one is the agent's."""
    return paths.run / "s.sock"


def ready_socket(paths: VmPaths) -> Path:
    """Return the host side of the readiness port."""
    return paths.run / "r.sock"


def claim_in_options(argv: Sequence[str]) -> Claim | None:
    """Return what a VM holds by its options; None: it does not say, or nonsense."""
    # The first of each name counts: behind them comes text of the user's.
    options = dict(reversed(list(pairwise(argv))))
    vcpus, memory = options.get("-smp", ""), options.get("-m", "").removesuffix("M")
    if not all(_NUMBER.fullmatch(one) for one in (vcpus, memory)):
        return None
    emulated = options.get("-accel", "").startswith("tcg")
    acceleration = Acceleration.EMULATED if emulated else Acceleration.KVM
    try:
        parse_bytes(f"{memory}Mi")
        overhead = render_bytes(vmm_overhead(int(vcpus), acceleration))
        return Claim(vcpus=int(vcpus), memory=f"{memory}Mi", overhead_memory=overhead)
    except ValueError:
        return None


def render_argv(inputs: LaunchInputs) -> list[str]:
    """Return the command line of one VM, paused at its start.

    Raises:
        PlanError: a path would be misread by QEMU, or is too long for a socket.
    """
    launch, files, paths, owner = inputs.launch, inputs.files, inputs.paths, inputs.owner
    sockets = (monitor_socket(paths), ready_socket(paths))
    for path in (*sockets, files.kernel, files.initrd):
        _check_path(path)
    for path in sockets:
        if len(str(path).encode()) > LONGEST_PATH:
            raise PlanError(f"{path} is longer than the {LONGEST_PATH} bytes of a socket's path")
    return [
        inputs.binary,
        "-name", f"guest={owner.placement_uid},debug-threads=on",
        "-uuid", guest_uuid(owner.workload_uid),
        "-fw_cfg", option_marker(owner.placement_uid, owner.cluster_uid),
        "-no-user-config", "-nodefaults", "-display", "none", "-monitor", "none",
        "-msg", "timestamp=on", "-S",
        "-action", "reboot=reset,shutdown=pause,panic=pause",
        *render_machine(launch, inputs.machine, files.firmware),
        "-smp", str(launch.vcpus),
        "-m", f"{max(1, -(-parse_bytes(launch.memory) // 2**20))}M",
        *(["-kernel", str(files.kernel)] if files.firmware is None else []),
        *(["-initrd", str(files.initrd)] if files.initrd else []),
        *(["-append", launch.command_line] if launch.command_line else []),
        "-chardev", f"socket,id=mon0,path={monitor_socket(paths)},server=on,wait=off",
        "-mon", "chardev=mon0,mode=control",
        "-chardev", f"socket,id=mon1,path={second_monitor_socket(paths)},server=on,wait=off",
        "-mon", "chardev=mon1,mode=control",
        "-chardev", f"ringbuf,id={CONSOLE},size={RING_BYTES}",
        "-serial", f"chardev:{CONSOLE}",
        *on_its_buses(
            [
                *_ready_port(paths),
                *(_agent_port(paths) if launch.readiness.probe is Probe.GUEST_AGENT else []),
                *render_disks(files.disks),
                *render_networks(inputs),
            ],
            inputs.machine,
        ),
        *_panic_device(inputs.machine),
        "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
    ]  # fmt: skip


def _ready_port(paths: VmPaths) -> list[str]:
    port = {"driver": "virtserialport", "id": "port-ready", "bus": "vser0.0", "nr": 1}
    return [
        "-device", json.dumps({"driver": "virtio-serial-pci", "id": "vser0", "romfile": ""}),
        "-chardev", f"socket,id=ready0,path={ready_socket(paths)},server=on,wait=off",
        "-device", json.dumps({**port, "chardev": "ready0", "name": READY_PORT}),
    ]  # fmt: skip


def _panic_device(machine: str) -> list[str]:
    """Return the device by which a guest tells of its panic; microvm's kernel finds none."""
    device = {"driver": "pvpanic-pci", "id": "panic0"}
    return [] if machine == MICROVM else ["-device", json.dumps(device)]


def _agent_port(paths: VmPaths) -> list[str]:
    """Return a port for qemu-guest-agent; only where it is asked for: few devices by need."""
    port = {"driver": "virtserialport", "id": "port-agent", "bus": "vser0.0", "nr": 2}
    return [
        "-chardev", f"socket,id=agent0,path={agent_socket(paths)},server=on,wait=off",
        "-device", json.dumps({**port, "chardev": "agent0", "name": PORT_NAME}),
    ]  # fmt: skip


def _check_path(path: Path | None) -> None:
    if path is not None and ("," in str(path) or "\n" in str(path)):
        raise PlanError(f"'{path}' holds a comma or a newline, which QEMU would misread")
