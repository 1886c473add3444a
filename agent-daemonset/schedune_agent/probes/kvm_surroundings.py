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
_KINDS: Final = {
    "amd_sev": (
        ("SEV", 2, "kvm_amd", "sev"),
        ("SEV-ES", 3, "kvm_amd", "sev_es"),
        ("SEV-SNP", 4, "kvm_amd", "sev_snp"),
    ),
    "intel_tdx": (("TDX", 5, "kvm_intel", "tdx"),),
}
"""Confidential guests by capability: kind, its bit in KVM_CAP_VM_TYPES, and for kernels that
do not list it there, module and parameter."""
NAMES: Final = (DEVICE_THERE, NESTED, *_KINDS)
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
        attempt(NESTED, "/sys/module", lambda: _nested(files, device)),
        *(
            attempt(name, "/sys/module", partial(_confidential, name, files, device))
            for name in _KINDS
        ),
    ]


def hints(files: HostFiles, machine: str) -> list[str]:
    """Return what may explain a device that runs no guest."""
    found = []
    if files.identity("/sys/module/kvm_pvm"):
        found.append("its module is kvm_pvm")
    if machine == "x86_64":
        words = _words(files, "/proc/cpuinfo")
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
        path = f"/sys/module/{module}/parameters/nested"
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
    return unreadable(NESTED, "no module of KVM has a parameter `nested`", "/sys/module")


def _confidential(name: str, files: HostFiles, device: Device) -> Answer:
    """Say which kinds there are; the value lists them."""
    offered = device.vm_types or 0
    kinds = [
        kind
        for kind, bit, module, parameter in _KINDS[name]
        if offered >> bit & 1 or _is_on(files, module, parameter)
    ]
    method = "KVM_CAP_VM_TYPES, parameters"
    if kinds:
        row, value = rows.CAP_CONFIDENTIAL_READY, ", ".join(kinds)
        return Answer(name, CapabilityState.SUPPORTED, row, "", value, device.path, method)
    if device.vm_types is None:
        return _unasked(name, device)
    row = rows.CAP_CONFIDENTIAL_OFF
    return Answer(name, CapabilityState.UNSUPPORTED, row, "", None, device.path, method)


def _is_on(files: HostFiles, module: str, parameter: str) -> bool:
    said = files.read_or(f"/sys/module/{module}/parameters/{parameter}")
    return said in _ON and (module != "kvm_amd" or files.exists("/dev/sev"))


def _unasked(name: str, device: Device) -> Answer:
    """Say why KVM could not be asked."""
    state, row = {
        "absent": (CapabilityState.UNSUPPORTED, kvm_rows.CAP_KVM_MISSING),
        "denied": (CapabilityState.UNAVAILABLE, kvm_rows.CAP_KVM_DENIED),
    }.get(device.verdict, (CapabilityState.UNKNOWN, kvm_rows.CAP_KVM_ERROR))
    return Answer(name, state, row, device.detail, None, device.path, "open")
