"""Does KVM run guests? Asked of a tiny guest in a child that a deadline kills.

The guest is run again only when its answer may have changed: another device, module or
boot. What surrounds KVM (nested, confidential guests) is read in every round.
"""

import asyncio
import json
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from schedune.api.nodetruth import CapabilityState
from schedune.codes import probes as codes
from schedune.codes.row import Row
from schedune.launch.capabilities import KVM
from schedune_agent.probes import kvm_surroundings
from schedune_agent.probes.family import Answer, Part
from schedune_agent.probes.kvm_surroundings import Device
from schedune_agent.system.child import run_child
from schedune_agent.system.host_files import HOST, HostFiles
from schedune_agent.system.place import HERE, Place

DEVICE: Final = "/dev/kvm"
DEADLINE_S: Final = 3.0
AT_ONCE: Final = 3
"""How often a question without a proper answer is asked in rounds that follow each other."""
ASK_AGAIN_S: Final = 300.0
"""After which it is asked once more then."""
_SLOW_MS: Final = 20
"""A guest that runs on the processor needs 1 ms; one that is emulated a hundred times that."""
_MODULES: Final = ("kvm", "kvm_intel", "kvm_amd", "kvm_pvm")
_CHILD: Final = Path(__file__).with_name("kvm_child.py")

_MEANING: Final[dict[str, tuple[CapabilityState, Row]]] = {
    "ok": (CapabilityState.SUPPORTED, codes.CAP_KVM_RUNS),
    "absent": (CapabilityState.UNSUPPORTED, codes.CAP_KVM_MISSING),
    "denied": (CapabilityState.UNAVAILABLE, codes.CAP_KVM_DENIED),
    "emulated": (CapabilityState.UNAVAILABLE, codes.CAP_KVM_RUNS_NO_GUEST),
    "no-run": (CapabilityState.UNAVAILABLE, codes.CAP_KVM_RUNS_NO_GUEST),
    "timeout": (CapabilityState.UNAVAILABLE, codes.CAP_KVM_RUNS_NO_GUEST),
    "unsupported": (CapabilityState.UNAVAILABLE, codes.CAP_KVM_RUNS_NO_GUEST),
}
_UNCERTAIN: Final = frozenset({"timeout", "silent", "error"})
"""Verdicts that a machine under load may give once and not the next time."""


@dataclass(frozen=True, slots=True)
class _Asked:
    key: object
    device: Device
    at_s: float
    times: int
    """In a row, without the answer having become certain."""


class KvmFamily:
    """KVM and what surrounds it."""

    name = "kvm"
    deadline_s = DEADLINE_S + 2
    answers_for = (KVM, *kvm_surroundings.NAMES)

    def __init__(self, files: HostFiles = HOST, place: Place = HERE) -> None:
        """Remember what is looked at, and from where: a pod may not open what its VMs may."""
        self._files = files
        self._place = place
        self._asked: _Asked | None = None

    async def __call__(self) -> Part:
        """Return what the strong probe says of the device as it is now."""
        key, now = self._key(), asyncio.get_running_loop().time()
        asked = self._asked
        if asked is None or asked.key != key or _is_due(asked, now):
            times = asked.times + 1 if asked is not None and asked.key == key else 1
            device = await run_guest(self._files.at(DEVICE), self._place)
            asked = self._asked = _Asked(key, device, now, times)
        device = asked.device
        strong = _answer(device, kvm_surroundings.hints(self._files, platform.machine()))
        return Part(answers=[strong, *kvm_surroundings.look(self._files, device)])

    def _key(self) -> object:
        """Return what the answer depends on: the device, KVM's modules, the boot."""
        modules = tuple(self._files.identity(f"/sys/module/{name}") for name in _MODULES)
        boot = self._files.read_or("/proc/sys/kernel/random/boot_id")
        device = self._files.at(DEVICE)
        try:
            found = device.stat()
        except OSError as error:
            return modules, boot, error.errno
        may_open = os.access(device, os.R_OK | os.W_OK)
        node = (found.st_rdev, found.st_ino, found.st_mode, found.st_uid, found.st_gid, may_open)
        return modules, boot, node


def _is_due(asked: _Asked, now_s: float) -> bool:
    if asked.device.verdict not in _UNCERTAIN:
        return False
    return asked.times < AT_ONCE or now_s - asked.at_s >= ASK_AGAIN_S


async def run_guest(path: Path, place: Place = HERE) -> Device:
    """Run the probe once; never raises for what the device does."""
    result = await run_child(place.script(_CHILD, str(path)), deadline_s=DEADLINE_S)
    lines = [_read(line) for line in result.stdout.splitlines()]
    opened = next((one for one in lines if "maxVcpus" in one), None)
    last = lines[-1] if lines and "verdict" in lines[-1] else None
    if last is not None:
        verdict, detail = str(last["verdict"]), str(last.get("detail", ""))
    elif not result.timed_out:
        verdict, detail = "error", f"the probe printed {result.stdout[:80]!r}"
    elif opened is None:
        verdict, detail = "silent", f"opening it did not come back within {DEADLINE_S:.0f} s"
    else:
        verdict, detail = "timeout", f"the guest did not come back within {DEADLINE_S:.0f} s"
    return Device(
        path=str(path),
        verdict=verdict,
        detail=detail,
        most_vcpus=_number(opened, "maxVcpus"),
        vm_types=_number(opened, "vmTypes"),
        milliseconds=_number(last, "milliseconds"),
    )


def _read(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _number(found: dict[str, Any] | None, name: str) -> int | None:
    value = found.get(name) if found else None
    return value if isinstance(value, int) else None


def _answer(device: Device, hints: list[str]) -> Answer:
    state, row = _MEANING.get(device.verdict, (CapabilityState.UNKNOWN, codes.CAP_KVM_ERROR))
    if state is CapabilityState.SUPPORTED:
        slow = device.milliseconds is not None and device.milliseconds > _SLOW_MS
        hints = ["slow, as if it was emulated"] if slow else []
    elif state is not CapabilityState.UNAVAILABLE:
        hints = []
    seen = "; ".join([f"{device.verdict}: {device.detail}", *hints])
    return Answer(KVM, state, row, seen, device.verdict, device.path, "ran a guest")
