"""Firecracker's command line and requests, pure: a launch in, what is run and asked out.

Everything of a user's is the value of one JSON member (the kernel command line) or a
file that the agent found itself; identifiers are ours. Nothing is left for Firecracker to
add to the guest's command line: no disk is given to it as the root device.
"""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from schedune.api.quantity import parse_bytes
from schedune.api.vmplacement import Launch
from schedune.api.vmworkload import Acceleration, Backend, DiskAccess, DiskFormat
from schedune.launch.guest_identity import card_address
from schedune_agent.system.sockets import LONGEST_PATH
from schedune_agent.vmm.markers import name_marker
from schedune_agent.vmm.port import DiskFiles, LaunchInputs, PlanError, Request, VmPaths
from schedune_agent.vmm.vsock import GUEST_CID

_ID: Final = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
"""Firecracker panics at any other, and takes more than ASCII for alphanumeric."""
METRICS: Final = "/metrics"
CARDS: Final = "/network-interfaces/"
_MEBI: Final = 2**20
_LARGE_PAGE: Final = 2 * _MEBI


def api_socket(paths: VmPaths) -> Path:
    """Return the socket of its API."""
    return paths.run / "a.sock"


def vsock_socket(paths: VmPaths) -> Path:
    """Return the host side of the guest's vsock."""
    return paths.run / "v.sock"


def console_pipe(paths: VmPaths) -> Path:
    """Return the named pipe into which the guest's console goes."""
    return paths.run / "console.pipe"


def log_pipe(paths: VmPaths) -> Path:
    """Return the named pipe into which Firecracker's own log goes: a guest can make it long."""
    return paths.run / "log.pipe"


def metrics_pipe(paths: VmPaths) -> Path:
    """Return the named pipe into which Firecracker flushes what it counts of itself."""
    return paths.run / "metrics.pipe"


def render_argv(inputs: LaunchInputs) -> tuple[str, ...]:
    """Return the command line: a VMM that waits to be asked, under a name that marks it.

    Raises:
        PlanError: the placement's UID is no id for Firecracker, or a socket's path too long.
    """
    owner, paths = inputs.owner, inputs.paths
    if not _ID.fullmatch(owner.placement_uid):
        raise PlanError(f"'{owner.placement_uid}' is no id: 1 to 64 letters, digits and dashes")
    for path in (api_socket(paths), vsock_socket(paths)):
        if len(str(path).encode()) > LONGEST_PATH:
            raise PlanError(f"{path} is longer than the {LONGEST_PATH} bytes of a socket's path")
    name = name_marker(Backend.FIRECRACKER, owner.placement_uid, owner.cluster_uid, inputs.claim)
    return (name, "--api-sock", str(api_socket(paths)), "--id", owner.placement_uid)


def render_requests(inputs: LaunchInputs) -> tuple[Request, ...]:
    """Return everything that is asked, in this order; with the last one the guest runs.

    Raises:
        PlanError: the launch has something that Firecracker has not.
    """
    launch, files, paths = inputs.launch, inputs.files, inputs.paths
    if launch.acceleration is not Acceleration.KVM:
        raise PlanError("Firecracker runs under KVM only")
    asked = [
        ("/logger", {"log_path": str(log_pipe(paths)), "level": "Warning", "show_level": True}),
        (METRICS, {"metrics_path": str(metrics_pipe(paths))}),
        ("/serial", {"serial_out_path": str(console_pipe(paths))}),
        ("/machine-config", _machine(launch)),
        ("/boot-source", _boot(launch, files.kernel, files.initrd)),
        *_drives(files.disks),
        *_cards(inputs),
        ("/vsock", {"guest_cid": GUEST_CID, "uds_path": str(vsock_socket(paths))}),
        ("/entropy", {}),
        ("/actions", {"action_type": "InstanceStart"}),
    ]
    return tuple(Request.of("PUT", path, body) for path, body in asked)


def _machine(launch: Launch) -> dict[str, object]:
    """Threads of one core are not told to the guest: so any number of vCPUs is allowed."""
    size = parse_bytes(launch.hugepages) if launch.hugepages else 0
    if size not in (0, _LARGE_PAGE):
        raise PlanError(f"Firecracker has huge pages of 2Mi only, not of {launch.hugepages}")
    return {
        "vcpu_count": launch.vcpus,
        "mem_size_mib": max(1, -(-parse_bytes(launch.memory) // _MEBI)),
        "smt": False,
        "track_dirty_pages": False,
        "huge_pages": "2M" if size else "None",
    }


def _boot(launch: Launch, kernel: Path, initrd: Path | None) -> dict[str, object]:
    return {
        "kernel_image_path": str(kernel),
        **({"initrd_path": str(initrd)} if initrd else {}),
        **({"boot_args": launch.command_line} if launch.command_line else {}),
    }


def _drives(disks: Sequence[DiskFiles]) -> Iterator[tuple[str, dict[str, object]]]:
    """Give the disks in the order in which the guest sees them: it sees no name."""
    for number, one in enumerate(disks):
        if one.disk.format is not DiskFormat.RAW:
            raise PlanError(f"disk {one.disk.name}: Firecracker reads raw disks only")
        name = f"disk{number}"
        yield (
            f"/drives/{name}",
            {
                "drive_id": name,
                "path_on_host": str(file_of(one)),
                "is_root_device": False,
                "is_read_only": one.disk.access is DiskAccess.READ_ONLY,
                "cache_type": "Writeback",
                "io_engine": "Sync",
            },
        )


def file_of(files: DiskFiles) -> Path:
    """Return what the guest reads: the artefact, or the file that holds its writes."""
    if files.disk.access is DiskAccess.READ_ONLY and files.source is not None:
        return files.source
    return files.overlay


def _cards(inputs: LaunchInputs) -> Iterator[tuple[str, dict[str, object]]]:
    """Give the network cards in the order in which the guest sees them."""
    for number, one in enumerate(inputs.launch.networks):
        name = f"net{number}"
        yield (
            f"{CARDS}{name}",
            {
                "iface_id": name,
                "host_dev_name": inputs.tap_of(one).name,
                "guest_mac": card_address(inputs.owner.workload_uid, one),
            },
        )


def taps_in(requests: Sequence[Request]) -> list[str]:
    """Return the names of the taps that requests tell Firecracker to open."""
    cards = [json.loads(one.body) for one in requests if one.path.startswith(CARDS)]
    return [one["host_dev_name"] for one in cards]
