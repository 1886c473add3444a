"""Our codes in the original's words, and what belongs to each of them.

Where one of the original's codes is several here, the finer ones are refinements that
README 6 permits: unknown and unavailable apart from missing, stale apart from both.
"""

from collections.abc import Iterable
from typing import Final

from schedune.api.vmworkload import Backend
from schedune_conformance.engine import Objection

TELEMETRY: Final = "REJECT_TELEMETRY_STALE"
FAMILIES: Final = {
    "REJECT_NODE_UNHEALTHY": "REJECT_NODE_UNHEALTHY",
    "REJECT_NODE_HEALTH_UNKNOWN": "REJECT_NODE_UNHEALTHY",
    "REJECT_TELEMETRY_STALE": TELEMETRY,
    "REJECT_CLOCK_SKEW": TELEMETRY,
    "REJECT_PROBE_FAILED": TELEMETRY,
    "REJECT_CAPABILITY_STALE": TELEMETRY,
    "REJECT_ARCHITECTURE_MISMATCH": "REJECT_ARCHITECTURE_MISMATCH",
    "REJECT_COMPATIBILITY_CLASS_MISMATCH": "REJECT_COMPATIBILITY_CLASS_MISMATCH",
    "REJECT_MISSING_KVM": "REJECT_MISSING_KVM",
    "REJECT_KVM_UNAVAILABLE": "REJECT_MISSING_KVM",
    "REJECT_KVM_DENIED": "REJECT_MISSING_KVM",
    "REJECT_KVM_UNKNOWN": "REJECT_MISSING_KVM",
}
"""Each of our codes of the original's seven families, and its family."""
_TPM: Final = "hardware_tpm"
_FORBIDDEN: Final = "REJECT_FORBIDDEN_CONSTRAINT"


def family_of(objection: Objection) -> str | None:
    """Return the family that a code belongs to; None: it is of another stage."""
    code, subject = objection.code, objection.reason.subject
    if code == _FORBIDDEN:
        return f"{_FORBIDDEN}_{subject}"
    if subject == _TPM and code.startswith("REJECT_"):
        return "REJECT_MISSING_TPM"
    return FAMILIES.get(code)


def families_of(objections: Iterable[Objection]) -> set[str]:
    """Return the families of what stands against a node."""
    return {found for one in objections if (found := family_of(one)) is not None}


TOKENS: Final = {
    Backend.QEMU: "kvm_qemu",
    Backend.CLOUD_HYPERVISOR: "cloud_hypervisor",
    Backend.FIRECRACKER: "firecracker",
}
KVM_LAUNCH: Final = "ERR_LAUNCH_MISSING_CAPABILITY_KVM_QEMU"
BACKEND_CODES: Final = {
    "REJECT_MISSING_KVM": KVM_LAUNCH,
    "REJECT_KVM_UNAVAILABLE": KVM_LAUNCH,
    "REJECT_KVM_DENIED": KVM_LAUNCH,
    "REJECT_KVM_UNKNOWN": KVM_LAUNCH,
}
"""Our codes against a backend that have another name in the original."""
GENERIC_CODES: Final = {
    "REJECT_ARCHITECTURE_MISMATCH": "ERR_LAUNCH_ARCH_MISMATCH",
}
"""Our codes that block a launch whatever the backend, in the original's words."""
SECCOMP: Final = "kernel_seccomp_supported"
SECCOMP_CODE: Final = "ERR_LAUNCH_MISSING_CAPABILITY_SECCOMP"
CAPABILITIES: Final = {
    KVM_LAUNCH: "kvm_vm_launch",
    "ERR_LAUNCH_MISSING_CAPABILITY_QEMU_BINARY": "qemu_binary_present",
    "ERR_LAUNCH_MISSING_CAPABILITY_CH_BINARY": "cloud_hypervisor_binary_present",
    "ERR_LAUNCH_MISSING_CAPABILITY_FC_BINARY": "firecracker_binary_present",
    "ERR_LAUNCH_MISSING_CAPABILITY_FC_TUN": "firecracker_tun_ready",
    "ERR_LAUNCH_MISSING_CAPABILITY_FC_CGROUPS": "firecracker_cgroups_ready",
}
"""The capability behind each code against a backend (upstream 9.2)."""
BINARIES: Final = {
    "kvm_qemu": "qemu_binary_present",
    "cloud_hypervisor": "cloud_hypervisor_binary_present",
    "firecracker": "firecracker_binary_present",
}
"""The capability that version failures name."""
_KVM_KEYS: Final = (
    "kvm_qemu_kvm", "cloud_hypervisor_kvm", "firecracker_kvm", "kvm_qemu_perms",
)  # fmt: skip
HINTS: Final = {
    "architecture": "ERR_LAUNCH_ARCH_MISMATCH",
    "backend": "ERR_LAUNCH_BACKEND_NOT_SUPPORTED",
    "launch_mode": "ERR_LAUNCH_BACKEND_EXECUTION_UNSUPPORTED",
    "kernel_seccomp": SECCOMP_CODE,
    "kvm_qemu_binary": "ERR_LAUNCH_MISSING_CAPABILITY_QEMU_BINARY",
    "cloud_hypervisor_binary": "ERR_LAUNCH_MISSING_CAPABILITY_CH_BINARY",
    "firecracker_binary": "ERR_LAUNCH_MISSING_CAPABILITY_FC_BINARY",
    **dict.fromkeys(_KVM_KEYS, KVM_LAUNCH),
    "firecracker_tun": "ERR_LAUNCH_MISSING_CAPABILITY_FC_TUN",
    "firecracker_cgroups": "ERR_LAUNCH_MISSING_CAPABILITY_FC_CGROUPS",
    "runtime_version_unknown": "ERR_LAUNCH_RUNTIME_VERSION_UNKNOWN",
    "runtime_version_unparseable": "ERR_LAUNCH_RUNTIME_VERSION_UNPARSEABLE",
    "runtime_version_too_old": "ERR_LAUNCH_RUNTIME_VERSION_TOO_OLD",
    "runtime_version_mismatch": "ERR_LAUNCH_RUNTIME_VERSION_MISMATCH",
    "artifact_missing": "ERR_LAUNCH_MISSING_ARTIFACT",
    "firecracker_artifact": "ERR_LAUNCH_INVALID_FIRECRACKER_ARTIFACT_MODEL",
}
"""The cause behind each key of the original's hints (upstream 9.4)."""
