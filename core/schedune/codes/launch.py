"""Rows that reject a backend on a node: what launch validation finds."""

from typing import Final

from schedune.codes.row import Actor, Precedence, Stage, rejecting

_launch: Final = rejecting(Stage.LAUNCH_VALIDATION)

BACKEND_MISSING: Final = _launch(
    "ERR_LAUNCH_MISSING_CAPABILITY_QEMU_BINARY", "QEMUMissing", Actor.ADMINISTRATOR, Precedence.NOT_NOW,
    "the node has {observed} (needs {required})",
    "install qemu-system for the node's architecture",
    "No QEMU for guests of the node's architecture was found.",
)  # fmt: skip
BACKEND_NOT_SUPPORTED_YET: Final = _launch(
    "BACKEND_NOT_SUPPORTED_YET", "BackendNotSupportedYet", Actor.USER, Precedence.MISCONFIGURED,
    "{subject} may not be used here (usable: {required})",
    "add QEMU to spec.backend.preference",
    "The scheduling policy does not list the backend: its default is what this version launches.",
)  # fmt: skip
ACCELERATION_UNAVAILABLE: Final = _launch(
    "ERR_LAUNCH_ACCELERATION_UNAVAILABLE", "AccelerationUnavailable", Actor.ADMINISTRATOR,
    Precedence.NOT_NOW,
    "{subject} offers {observed} on this node (needs {required})",
    "install a build of the VMM that has this acceleration, or change spec.acceleration",
    "The binary, asked itself, does not have the acceleration.",
)  # fmt: skip
MACHINE_TYPE_MISSING: Final = _launch(
    "ERR_LAUNCH_MACHINE_TYPE_MISSING", "MachineTypeMissing", Actor.ADMINISTRATOR, Precedence.NOT_NOW,
    "{subject} has no machine type {required}",
    "install a build of QEMU that has this machine type",
    "QEMU, asked itself, does not list the machine type.",
)  # fmt: skip
DEVICE_MISSING: Final = _launch(
    "ERR_LAUNCH_DEVICE_MISSING", "DeviceMissing", Actor.ADMINISTRATOR, Precedence.NOT_NOW,
    "{subject} lacks {observed}",
    "install a build of QEMU that has these devices",
    "QEMU, asked itself, does not list a device that the launch needs.",
)  # fmt: skip
VERSION_UNKNOWN: Final = _launch(
    "ERR_LAUNCH_RUNTIME_VERSION_UNKNOWN", "BackendVersionUnknown", Actor.ADMINISTRATOR,
    Precedence.NOT_YET_KNOWN,
    "the version of {subject} is unknown (needs {required})",
    "run the binary with --version on the node",
    "A version is demanded and the binary did not tell its own.",
)  # fmt: skip
VERSION_TOO_OLD: Final = _launch(
    "ERR_LAUNCH_RUNTIME_VERSION_TOO_OLD", "BackendVersionTooOld", Actor.USER, Precedence.NOT_NOW,
    "{subject} is {observed}, at least {required} is needed",
    "upgrade it on the node, or lower spec.backend.versions",
    "The binary's version is below the demanded minimum.",
)  # fmt: skip
VERSION_MISMATCH: Final = _launch(
    "ERR_LAUNCH_RUNTIME_VERSION_MISMATCH", "BackendVersionMismatch", Actor.USER, Precedence.NOT_NOW,
    "{subject} is {observed}, exactly {required} is needed",
    "install that version on the node, or change spec.backend.versions",
    "The binary's version is not the one demanded.",
)  # fmt: skip
CLOUD_HYPERVISOR_MISSING: Final = _launch(
    "ERR_LAUNCH_MISSING_CAPABILITY_CH_BINARY", "CloudHypervisorMissing", Actor.ADMINISTRATOR, Precedence.NOT_NOW,
    "the node has {observed} (needs {required})",
    "install cloud-hypervisor for the node's architecture",
    "No Cloud Hypervisor for guests of the node's architecture was found.",
)  # fmt: skip
FIRECRACKER_MISSING: Final = _launch(
    "ERR_LAUNCH_MISSING_CAPABILITY_FC_BINARY", "FirecrackerMissing", Actor.ADMINISTRATOR, Precedence.NOT_NOW,
    "the node has {observed} (needs {required})",
    "install firecracker for the node's architecture",
    "No Firecracker for guests of the node's architecture was found.",
)  # fmt: skip
BACKEND_UNKNOWN: Final = _launch(
    "ERR_LAUNCH_BACKEND_UNKNOWN", "BackendUnknown", Actor.ADMINISTRATOR, Precedence.NOT_YET_KNOWN,
    "nobody knows whether {subject} is usable: {observed}",
    "check the probe of that name in the node's NodeTruth",
    "The probe of the binary failed, or what it found is too old to be believed.",
)  # fmt: skip
FIRECRACKER_TUN_MISSING: Final = _launch(
    "ERR_LAUNCH_MISSING_CAPABILITY_FC_TUN", "TunMissing", Actor.ADMINISTRATOR, Precedence.NOT_NOW,
    "{subject} needs /dev/net/tun: {observed}",
    "load the module tun on the node",
    "The capability firecracker_tun_ready is not Supported, and the backend needs it.",
)  # fmt: skip
FIRECRACKER_CGROUPS_MISSING: Final = _launch(
    "ERR_LAUNCH_MISSING_CAPABILITY_FC_CGROUPS", "CgroupsMissing", Actor.ADMINISTRATOR, Precedence.NOT_NOW,
    "{subject} needs cgroup v2: {observed}",
    "boot the node with the unified cgroup hierarchy",
    "The capability firecracker_cgroups_ready is not Supported, and the backend needs it.",
)  # fmt: skip
VERSION_UNPARSEABLE: Final = _launch(
    "ERR_LAUNCH_RUNTIME_VERSION_UNPARSEABLE", "BackendVersionUnparseable", Actor.USER, Precedence.MISCONFIGURED,
    "no version can be read out of {observed} (compared with {required}, for {subject})",
    "write spec.backend.versions as MAJOR.MINOR or MAJOR.MINOR.PATCH, or run the binary with --version on the node",
    "The version that the binary told, or the one that is demanded, holds no number.",
)  # fmt: skip
BACKEND_CLASS: Final = _launch(
    "ERR_LAUNCH_BACKEND_NOT_SUPPORTED", "BackendNotForClass", Actor.USER, Precedence.MISCONFIGURED,
    "{subject} runs {required}, the workload is a {observed}",
    "prefer another backend, or make a workload of that runtimeClass",
    "The backend cannot run the workload's runtimeClass at all.",
)  # fmt: skip
VERSION_BELOW_FLOOR: Final = _launch(
    "ERR_LAUNCH_RUNTIME_VERSION_BELOW_FLOOR", "BackendVersionBelowFloor", Actor.ADMINISTRATOR,
    Precedence.MISCONFIGURED,
    "{subject} is {observed}; below {required} a guest can break out",
    "upgrade it on the node",
    "The binary is older than the version floor of the scheduling policy.",
)  # fmt: skip
EMULATION_IMPOSSIBLE: Final = _launch(
    "ERR_LAUNCH_NO_EMULATION", "NoEmulation", Actor.USER, Precedence.IMPOSSIBLE,
    "{subject} cannot emulate; it runs under KVM only",
    "add QEMU to spec.backend.preference, or ask for KVM",
    "spec.acceleration is Emulated and the backend has no emulation.",
)  # fmt: skip
STORAGE_FORMAT_INVALID: Final = _launch(
    "ERR_LAUNCH_INVALID_STORAGE_FORMAT", "StorageFormatInvalid", Actor.USER, Precedence.IMPOSSIBLE,
    "{subject} cannot use a disk of format {observed} (needs {required})",
    "convert the disk, or prefer a backend that reads this format",
    "A disk's format is none that the backend, at this version, can use safely.",
)  # fmt: skip
ARTIFACT_MODEL_INVALID: Final = _launch(
    "ERR_LAUNCH_INVALID_FIRECRACKER_ARTIFACT_MODEL", "ArtifactModelInvalid", Actor.USER, Precedence.IMPOSSIBLE,
    "{subject} boots a kernel directly, the workload has {observed} (needs {required})",
    "give boot.kernel and a root: an initrd or a disk",
    "Firecracker needs a kernel and something to use as root.",
)  # fmt: skip
NOTHING_TO_BOOT: Final = _launch(
    "ERR_LAUNCH_MISSING_ARTIFACT", "NothingToBoot", Actor.USER, Precedence.MISCONFIGURED,
    "firmware boots from a disk and the workload has none",
    "add a disk to spec.disks, or boot a kernel directly",
    "boot.firmware is given and spec.disks is empty.",
)  # fmt: skip
KERNEL_FORMAT_INVALID: Final = _launch(
    "ERR_LAUNCH_KERNEL_FORMAT", "KernelFormatInvalid", Actor.USER, Precedence.IMPOSSIBLE,
    "{subject} cannot boot a kernel of format {observed} (needs {required})",
    "use a kernel in that format, or prefer a backend that boots this one",
    "The format of the kernel's bytes is none that the backend boots.",
)  # fmt: skip
NETWORK_TYPE_INVALID: Final = _launch(
    "ERR_LAUNCH_NETWORK_TYPE", "NetworkTypeInvalid", Actor.USER, Precedence.IMPOSSIBLE,
    "{subject} has no network of type {observed} (needs {required})",
    "use type Tap, or prefer QEMU",
    "A network of type User, which QEMU alone has.",
)  # fmt: skip
PROBE_IMPOSSIBLE: Final = _launch(
    "ERR_LAUNCH_READINESS_PROBE", "ReadinessProbeImpossible", Actor.USER, Precedence.IMPOSSIBLE,
    "{subject} cannot ask a guest by {observed} (it can by {required})",
    "choose another spec.readiness.probe, leave it out, or prefer another backend",
    "The way of spec.readiness.probe into the guest is none that the backend has.",
)  # fmt: skip
TOO_MANY_VCPUS: Final = _launch(
    "ERR_LAUNCH_TOO_MANY_VCPUS", "TooManyVCPUs", Actor.USER, Precedence.IMPOSSIBLE,
    "{subject} gives a guest at most {required} vCPUs, {observed} are asked for",
    "ask for fewer vCPUs, or prefer another backend",
    "spec.resources.vcpus is beyond what the backend can give.",
)  # fmt: skip
MEMORY_TOO_SMALL: Final = _launch(
    "ERR_LAUNCH_MEMORY_TOO_SMALL", "MemoryTooSmall", Actor.USER, Precedence.IMPOSSIBLE,
    "{subject} starts a kernel with at least {required} of memory, {observed} are asked for",
    "raise spec.resources.memory, or prefer another backend",
    "spec.resources.memory is below what the backend needs to load a kernel.",
)  # fmt: skip
KERNEL_EXCEEDS_MEMORY: Final = _launch(
    "ERR_LAUNCH_KERNEL_EXCEEDS_MEMORY", "KernelExceedsMemory", Actor.USER, Precedence.IMPOSSIBLE,
    "{subject} takes at least {required} of memory to start, {observed} are asked for",
    "raise spec.resources.memory, or boot a smaller kernel or initrd",
    "spec.resources.memory is below what the kernel's own header, with the size of its initrd, says that it takes.",
)  # fmt: skip
HUGEPAGES_UNSUPPORTED: Final = _launch(
    "ERR_LAUNCH_HUGEPAGE_SIZE", "HugepageSizeUnsupported", Actor.USER, Precedence.IMPOSSIBLE,
    "{subject} cannot use huge pages of {observed} (needs {required})",
    "ask for another size of spec.resources.hugepages, or prefer another backend",
    "The backend does not have huge pages of this size.",
)  # fmt: skip
