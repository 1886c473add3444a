"""What surrounds KVM: the device itself, nested virtualization, confidential guests."""

from dataclasses import dataclass
from functools import partial
from typing import Final

from schedune.api.nodetruth import CapabilityState
from schedune.codes import device_probes as rows
from schedune.codes import probes as kvm_rows
from schedune_agent.probes.family import Answer
from schedune_agent.probes.reading import attempt, unreadable
from schedune_agent.system.host_files import HostFiles, UnreadableError

DEVICE_THERE: Final = "kvm_virtualization"
"""The original's name: whether the device exists; its value is the most vCPUs of a guest."""
NESTED: Final = "kvm_nested"
_CONFIDENTIAL: Final = {
    "amd_sev": (2, "kvm_amd", "sev"),
    "amd_sev_es": (3, "kvm_amd", "sev_es"),
    "amd_sev_snp": (4, "kvm_amd", "sev_snp"),
    "intel_tdx": (5, "kvm_intel", "tdx"),
}
"""By capability: bit of KVM_CAP_VM_TYPES; for older kernels, module and parameter."""
NAMES: Final = (DEVICE_THERE, NESTED, *_CONFIDENTIAL)
_ON: Final = frozenset({"Y", "1"})
_OFF: Final = frozenset({"N", "0"})


@dataclass(frozen=True, slots=True)
class Device:
    """What the strong probe learned of the device."""

    path: str
    verdict: str
    detail: str
    most_vcpus: int | None = None
    vm_types: int | None = None
    milliseconds: int | None = None


def look(files: HostFiles, device: Device) -> list[Answer]:
    """Return the answers beside the strong one."""
    return [
        _presence(device),
        attempt(NESTED, "sys/module", lambda: _nested(files, device)),
        *(
            attempt(name, "sys/module", partial(_confidential, name, files, device))
            for name in _CONFIDENTIAL
        ),
    ]


def hints(files: HostFiles, machine: str) -> list[str]:
    """Return what may explain a device that runs no guest."""
    found = []
    if files.identity("sys/module/kvm_pvm"):
        found.append("its module is kvm_pvm")
    if machine == "x86_64":
        words = _words(files, "proc/cpuinfo")
        if words and not {"vmx", "svm"}.intersection(words):
            found.append("the processor shows neither vmx nor svm")
    return found


def _words(files: HostFiles, path: str) -> list[str]:
    try:
        return files.read(path).split()
    except UnreadableError:
        return []


def _presence(device: Device) -> Answer:
    method = "KVM_CAP_MAX_VCPUS"
    if device.verdict == "absent":
        row = kvm_rows.CAP_KVM_MISSING
        return Answer(
            DEVICE_THERE, CapabilityState.UNSUPPORTED, row, device.detail, None, device.path, "open"
        )
    if device.verdict in ("silent", "error") and device.most_vcpus is None:
        row = kvm_rows.CAP_KVM_ERROR
        return Answer(
            DEVICE_THERE, CapabilityState.UNKNOWN, row, device.detail, None, device.path, "open"
        )
    most = str(device.most_vcpus) if device.most_vcpus is not None else None
    row = rows.CAP_KVM_DEVICE_PRESENT
    return Answer(DEVICE_THERE, CapabilityState.SUPPORTED, row, "", most, device.path, method)


def _nested(files: HostFiles, device: Device) -> Answer:
    for module in ("kvm_intel", "kvm_amd"):
        path = f"sys/module/{module}/parameters/nested"
        said = files.read_or(path)
        if said in _ON:
            row = rows.CAP_KVM_NESTED_ON
            return Answer(NESTED, CapabilityState.SUPPORTED, row, "", said, path, "read")
        if said in _OFF:
            row = rows.CAP_KVM_NESTED_OFF
            seen = f"{path} is {said}"
            return Answer(NESTED, CapabilityState.UNSUPPORTED, row, seen, said, path, "read")
        if said:
            return unreadable(NESTED, f"{path} is {said[:32]!r}", path)
    if device.verdict == "absent":
        row = kvm_rows.CAP_KVM_MISSING
        return Answer(
            NESTED, CapabilityState.UNSUPPORTED, row, device.detail, None, device.path, "open"
        )
    return unreadable(NESTED, "no module of KVM has a parameter `nested`", "sys/module")


def _confidential(name: str, files: HostFiles, device: Device) -> Answer:
    bit, module, parameter = _CONFIDENTIAL[name]
    method = "KVM_CAP_VM_TYPES"
    if device.vm_types is not None and device.vm_types >> bit & 1:
        row = rows.CAP_CONFIDENTIAL_READY
        return Answer(name, CapabilityState.SUPPORTED, row, "", None, device.path, method)
    path = f"sys/module/{module}/parameters/{parameter}"
    is_on = files.read_or(path) in _ON
    if is_on and module == "kvm_amd" and files.exists("dev/sev"):
        row = rows.CAP_CONFIDENTIAL_READY
        return Answer(name, CapabilityState.SUPPORTED, row, "", None, path, "read")
    if device.vm_types is not None:
        row = rows.CAP_CONFIDENTIAL_OFF
        return Answer(name, CapabilityState.UNSUPPORTED, row, "", None, device.path, method)
    return _unasked(name, device)


def _unasked(name: str, device: Device) -> Answer:
    """Say why KVM could not be asked."""
    state, row = {
        "absent": (CapabilityState.UNSUPPORTED, kvm_rows.CAP_KVM_MISSING),
        "denied": (CapabilityState.UNAVAILABLE, kvm_rows.CAP_KVM_DENIED),
    }.get(device.verdict, (CapabilityState.UNKNOWN, kvm_rows.CAP_KVM_ERROR))
    return Answer(name, state, row, device.detail, None, device.path, "open")
