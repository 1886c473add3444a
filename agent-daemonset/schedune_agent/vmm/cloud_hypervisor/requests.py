"""Cloud Hypervisor's command line and requests, pure: a launch in, what is run and asked out.

Only sockets are on the command line, whose own grammar would read options out of a comma.
Everything of a user's is the value of one JSON member, or a file that the agent found.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from schedune.api.quantity import parse_bytes
from schedune.api.vmplacement import Launch
from schedune.api.vmworkload import Acceleration, Backend, DiskAccess, DiskFormat
from schedune.launch.guest_identity import card_address, guest_uuid
from schedune_agent.system.sockets import LONGEST_PATH
from schedune_agent.vmm.cloud_hypervisor.config import (
    Cpus,
    Disk,
    Memory,
    Net,
    Payload,
    Platform,
    Serial,
    VmConfig,
    Vsock,
)
from schedune_agent.vmm.markers import name_marker
from schedune_agent.vmm.port import (
    DiskFiles,
    LaunchFiles,
    LaunchInputs,
    PlanError,
    Request,
    VmPaths,
)
from schedune_agent.vmm.vsock import GUEST_CID

API: Final = "/api/v1"
CREATE: Final = f"{API}/vm.create"
BOOT: Final = f"{API}/vm.boot"
_LANDLOCK_ABI: Final = 3
"""Cloud Hypervisor 53 asks for rights of this version, and fails without them."""
_PLAIN: Final = re.compile(r"[A-Za-z0-9_./-]+", re.ASCII)
_MEBI: Final = 2**20


def api_socket(paths: VmPaths) -> Path:
    """Return the socket of its API."""
    return paths.run / "ch.sock"


def console_socket(paths: VmPaths) -> Path:
    """Return the socket at which the guest's serial console is read."""
    return paths.run / "c.sock"


def vsock_socket(paths: VmPaths) -> Path:
    """Return the host side of the guest's vsock."""
    return paths.run / "v.sock"


def events_file(paths: VmPaths) -> Path:
    """Return where it tells what happens to the guest."""
    return paths.run / "events.json"


def render_argv(inputs: LaunchInputs) -> tuple[str, ...]:
    """Return the command line: a VMM without a VM, under a name that marks it.

    Raises:
        PlanError: a path would be misread, or is too long for a socket.
    """
    owner, paths = inputs.owner, inputs.paths
    for path in (api_socket(paths), console_socket(paths), vsock_socket(paths)):
        if not _PLAIN.fullmatch(str(path)):
            raise PlanError(f"'{path}' holds characters that Cloud Hypervisor would misread")
        if len(str(path).encode()) > LONGEST_PATH:
            raise PlanError(f"{path} is longer than the {LONGEST_PATH} bytes of a socket's path")
    name = name_marker(
        Backend.CLOUD_HYPERVISOR, owner.placement_uid, owner.cluster_uid, inputs.claim
    )
    return (
        name,
        "--api-socket", f"path={api_socket(paths)}",
        "--event-monitor", f"path={events_file(paths)}",
        "--seccomp", "true",
        # A guest that powers off leaves the process, which can then still be asked.
        *(("--no-shutdown",) if "no-shutdown" in inputs.features else ()),
    )  # fmt: skip


def render_requests(inputs: LaunchInputs) -> tuple[Request, ...]:
    """Return what is asked: to create the VM, and only if that is done to boot it.

    Raises:
        PlanError: the launch has something that Cloud Hypervisor has not.
    """
    launch, files, paths = inputs.launch, inputs.files, inputs.paths
    if launch.acceleration is not Acceleration.KVM:
        raise PlanError("Cloud Hypervisor runs under KVM only")
    config = VmConfig(
        cpus=Cpus(boot_vcpus=launch.vcpus, max_vcpus=launch.vcpus),
        memory=_memory(launch),
        payload=_payload(launch, files),
        disks=_disks(files.disks) or None,
        net=_cards(inputs) or None,
        serial=Serial(socket=str(console_socket(paths))),
        vsock=Vsock(cid=GUEST_CID, socket=str(vsock_socket(paths))),
        platform=Platform(uuid=guest_uuid(inputs.owner.workload_uid)),
        landlock_enable=inputs.landlock_abi >= _LANDLOCK_ABI,
    )
    return Request.of("PUT", CREATE, config.render()), Request.of("PUT", BOOT)


def _payload(launch: Launch, files: LaunchFiles) -> Payload:
    if launch.kernel is None:
        return Payload(firmware=str(files.kernel))
    return Payload(
        kernel=str(files.kernel),
        initramfs=str(files.initrd) if files.initrd else None,
        cmdline=launch.command_line,
    )


def _memory(launch: Launch) -> Memory:
    """Whole mebibytes: what is no whole page is refused at the boot only."""
    size = max(1, -(-parse_bytes(launch.memory) // _MEBI)) * _MEBI
    pages = parse_bytes(launch.hugepages) if launch.hugepages else None
    return Memory(size=size, hugepages=pages is not None, hugepage_size=pages)


def _disks(disks: Sequence[DiskFiles]) -> list[Disk]:
    """Return the disks in the order in which the guest sees them."""
    return [
        Disk(
            id=f"disk-{one.disk.name}",
            serial=one.disk.name,
            path=str(_file_of(one)),
            readonly=one.disk.access is DiskAccess.READ_ONLY,
            image_type=_image_type(one),
        )
        for one in disks
    ]


def _cards(inputs: LaunchInputs) -> list[Net]:
    """Return the network cards in the order in which the guest sees them."""
    owner = inputs.owner.workload_uid
    return [
        Net(id=f"net-{one.name}", tap=inputs.tap_of(one).name, mac=card_address(owner, one))
        for one in inputs.launch.networks
    ]


def _file_of(files: DiskFiles) -> Path:
    """Return what the guest reads: the artefact, or the file that holds its writes."""
    if files.disk.access is DiskAccess.READ_ONLY and files.source is not None:
        return files.source
    return files.overlay


def _image_type(files: DiskFiles) -> Literal["Raw", "Qcow2"]:
    keeps_format = files.source is not None or files.disk.access is DiskAccess.PERSISTENT
    return "Qcow2" if files.disk.format is DiskFormat.QCOW2 and keeps_format else "Raw"
