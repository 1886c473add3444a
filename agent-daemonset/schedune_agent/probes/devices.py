"""Devices that VMs use: tun, vhost, VFIO, TPM.

Opening a device may make the kernel load its module, as a launch would.
"""

import asyncio
import errno
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from schedune.api.nodetruth import CapabilityState
from schedune.codes import device_probes as rows
from schedune.codes.row import Row
from schedune.launch.capabilities import TPM
from schedune.launch.traits import TUN
from schedune_agent.probes.asking import Reply, ask
from schedune_agent.probes.family import Answer, Part
from schedune_agent.probes.reading import attempt, unreadable
from schedune_agent.system.host_files import HostFiles
from schedune_agent.system.place import HERE, Place

VHOST_NET: Final = "vhost_net"
VHOST_VSOCK: Final = "vhost_vsock"
PASSTHROUGH: Final = "device_passthrough"
ASK_AGAIN_S: Final = 300.0
"""After which a device that hung is opened once more: each try may leave a stuck process."""
_LIMIT_S: Final = 1.0
_TUNGETFEATURES: Final = 0x800454CF
_VHOST_GET_FEATURES: Final = 0x8008AF00
_IFF_TAP: Final = 0x0002
_CAP_NET_ADMIN: Final = 12
_ABSENT: Final = frozenset({errno.ENOENT, errno.ENXIO, errno.ENODEV})
_DENIED: Final = frozenset({errno.EACCES, errno.EPERM})


@dataclass(frozen=True, slots=True)
class _Question:
    path: str
    request: int | None = None
    length: int = 8

    def at(self, files: HostFiles) -> dict[str, Any]:
        path = str(files.at(self.path))
        if self.request is None:
            return {"do": "open", "path": path}
        return {"do": "ioctl", "path": path, "request": self.request, "bytes": self.length}


_QUESTIONS: Final[Mapping[str, _Question]] = {
    "tun": _Question("/dev/net/tun", _TUNGETFEATURES, 4),
    "vhost-net": _Question("/dev/vhost-net", _VHOST_GET_FEATURES),
    "vhost-vsock": _Question("/dev/vhost-vsock", _VHOST_GET_FEATURES),
    "vfio": _Question("/dev/vfio/vfio"),
    "iommufd": _Question("/dev/iommu"),
}


class DeviceFamily:
    """Asks each device in a child; one that hangs costs its own answer."""

    name = "devices"
    deadline_s = len(_QUESTIONS) * (_LIMIT_S + 1)
    answers_for = (TUN, VHOST_NET, VHOST_VSOCK, PASSTHROUGH, TPM)

    def __init__(self, files: HostFiles, place: Place = HERE) -> None:
        self._files = files
        self._place = place
        self._hung: dict[str, tuple[float, Reply]] = {}

    async def __call__(self) -> Part:
        """Open every device and ask it what it can do."""
        replies = await self._ask()
        looks: list[tuple[str, str, Callable[[], Answer]]] = [
            (TUN, "/dev/net/tun", lambda: _tun(self._files, replies["tun"])),
            (PASSTHROUGH, "/sys/kernel/iommu_groups", lambda: _vfio(self._files, replies)),
            (TPM, "/sys/class/tpm", lambda: _tpm(self._files)),
        ]
        answers = [
            _vhost(VHOST_NET, "vhost-net", replies),
            _vhost(VHOST_VSOCK, "vhost-vsock", replies),
            *(attempt(name, source, look) for name, source, look in looks),
        ]
        return Part(answers=answers)

    async def _ask(self) -> dict[str, Reply]:
        now = asyncio.get_running_loop().time()
        self._hung = {
            name: held for name, held in self._hung.items() if now - held[0] < ASK_AGAIN_S
        }
        open_names = [name for name in _QUESTIONS if name not in self._hung]
        questions = [_QUESTIONS[name].at(self._files) for name in open_names]
        said = await ask(questions, deadline_s=_LIMIT_S, place=self._place)
        replies = dict(zip(open_names, said, strict=True))
        self._hung |= {name: (now, one) for name, one in replies.items() if one.timed_out}
        return replies | {name: held[1] for name, held in self._hung.items()}


def _tun(files: HostFiles, reply: Reply) -> Answer:
    path = _QUESTIONS["tun"].path
    if not reply.is_answer:
        return _no(TUN, path, reply, rows.CAP_FIRECRACKER_TUN_MISSING)
    features = int.from_bytes(bytes.fromhex(reply.value), "little")
    if not features & _IFF_TAP:
        return _silent(TUN, path, f"its features {features:#x} name no tap")
    if not _holds(files, _CAP_NET_ADMIN):
        row = rows.CAP_NET_ADMIN_MISSING
        seen = "CAP_NET_ADMIN is not in CapEff"
        return Answer(TUN, CapabilityState.UNAVAILABLE, row, seen, None, path, "CapEff")
    row = rows.CAP_FIRECRACKER_TUN_READY
    return Answer(TUN, CapabilityState.SUPPORTED, row, "", None, path, "TUNGETFEATURES")


def _holds(files: HostFiles, capability: int) -> bool:
    """Say whether the agent holds a capability of the kernel.

    Raises:
        ValueError: the kernel's word is nonsense.
    """
    found = re.search(
        r"^CapEff:\s*([0-9a-fA-F]{1,16})$", files.read("/proc/self/status"), re.MULTILINE
    )
    if found is None:
        raise ValueError("there is no CapEff in /proc/self/status")
    return bool(int(found[1], 16) >> capability & 1)


def _vhost(name: str, key: str, replies: Mapping[str, Reply]) -> Answer:
    reply, path = replies[key], _QUESTIONS[key].path
    if not reply.is_answer:
        return _no(name, path, reply)
    row = rows.CAP_DEVICE_READY
    return Answer(name, CapabilityState.SUPPORTED, row, "", None, path, "VHOST_GET_FEATURES")


def _vfio(files: HostFiles, replies: Mapping[str, Reply]) -> Answer:
    groups = files.names("/sys/kernel/iommu_groups")
    source = "/sys/kernel/iommu_groups"
    if not groups:
        row = rows.CAP_IOMMU_MISSING
        return Answer(PASSTHROUGH, CapabilityState.UNSUPPORTED, row, "", "0", source, "list")
    ways = [key for key in ("iommufd", "vfio") if replies[key].is_answer]
    if not ways:
        return _no(PASSTHROUGH, _QUESTIONS["vfio"].path, replies["vfio"])
    seen = f"{len(groups)} groups, {' and '.join(ways)}"
    row = rows.CAP_IOMMU_READY
    return Answer(PASSTHROUGH, CapabilityState.SUPPORTED, row, "", seen, source, "list and open")


def _tpm(files: HostFiles) -> Answer:
    names = [one for one in files.names("/sys/class/tpm") if re.fullmatch(r"tpm\d{1,4}", one)]
    if not names:
        row = rows.CAP_TPM_MISSING
        source = "/sys/class/tpm"
        return Answer(TPM, CapabilityState.UNSUPPORTED, row, "", None, source, "list")
    path = f"/sys/class/tpm/{names[0]}/tpm_version_major"
    version = files.read_or(path)
    if version not in ("", "1", "2"):
        return unreadable(TPM, f"{path} is {version[:32]!r}", path)
    # Old kernels do not tell the version of a TPM that is there.
    row = rows.CAP_TPM_PRESENT
    return Answer(TPM, CapabilityState.SUPPORTED, row, "", version or None, path, "read")


def _no(name: str, path: str, reply: Reply, missing: Row = rows.CAP_DEVICE_MISSING) -> Answer:
    """Return the way of no that an error number means."""
    seen = reply.error
    if reply.errno in _ABSENT:
        return Answer(name, CapabilityState.UNSUPPORTED, missing, seen, None, path, "open")
    if reply.errno in _DENIED:
        row = rows.CAP_DEVICE_DENIED
        return Answer(name, CapabilityState.UNAVAILABLE, row, seen, None, path, "open")
    return _silent(name, path, seen)


def _silent(name: str, path: str, seen: str) -> Answer:
    row = rows.CAP_DEVICE_SILENT
    return Answer(name, CapabilityState.UNKNOWN, row, seen, None, path, "open")
