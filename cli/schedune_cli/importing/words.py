"""The original's words and ours."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from schedune.api.vmworkload import Architecture, Backend, LaunchMode, RuntimeClass

SCHEMA_VERSION: Final = MappingProxyType({"v1alpha1": "v1alpha1"})
ARCHITECTURES: Final[Mapping[str, Architecture]] = MappingProxyType({
    "x86_64": Architecture.AMD64, "aarch64": Architecture.ARM64,
})  # fmt: skip
WANTED_ARCHITECTURES: Final[Mapping[str, Architecture]] = MappingProxyType({
    **ARCHITECTURES, "any": Architecture.ANY,
})  # fmt: skip
RUNTIME_CLASSES: Final[Mapping[str, RuntimeClass]] = MappingProxyType(
    {one.value: one for one in RuntimeClass}
)
BACKENDS: Final[Mapping[str, Backend]] = MappingProxyType({
    "cloud_hypervisor": Backend.CLOUD_HYPERVISOR,
    "kvm_qemu": Backend.QEMU,
    "firecracker": Backend.FIRECRACKER,
})  # fmt: skip
LAUNCH_MODES: Final[Mapping[str, LaunchMode]] = MappingProxyType(
    {one.value: one for one in LaunchMode}
)
PLAN_MODES: Final[Mapping[str, LaunchMode]] = MappingProxyType({
    "validate": LaunchMode.VALIDATE, "dry_run": LaunchMode.DRY_RUN,
})  # fmt: skip
TPM: Final = "hardware_tpm"
SECCOMP: Final = "kernel_seccomp_supported"
