"""The words a VMWorkload and a VMPlacement choose from."""

from enum import StrEnum


class RuntimeClass(StrEnum):
    """How much machine a VM expects."""

    VIRTUAL_MACHINE = "VirtualMachine"
    MICRO_VM = "MicroVM"


class Architecture(StrEnum):
    """CPU architectures, spelt as in the label ``kubernetes.io/arch``."""

    AMD64 = "amd64"
    ARM64 = "arm64"
    ANY = "Any"


class Acceleration(StrEnum):
    """Whether the guest runs on the CPU (KVM) or is emulated: no isolation boundary."""

    KVM = "KVM"
    EMULATED = "Emulated"


class Backend(StrEnum):
    """The kinds of VMM that Schedune launches."""

    QEMU = "QEMU"
    CLOUD_HYPERVISOR = "CloudHypervisor"
    FIRECRACKER = "Firecracker"


class LaunchMode(StrEnum):
    """How far a launch goes."""

    EXECUTE = "Execute"
    DRY_RUN = "DryRun"
    VALIDATE = "Validate"


class RunState(StrEnum):
    """Whether the VM shall run."""

    RUNNING = "Running"
    STOPPED = "Stopped"


class RestartPolicy(StrEnum):
    """What follows when the guest ends."""

    ALWAYS = "Always"
    ON_FAILURE = "OnFailure"
    NEVER = "Never"


class Probe(StrEnum):
    """How a guest is asked whether it is ready."""

    VIRTIO_SERIAL = "VirtioSerial"
    VSOCK = "Vsock"
    GUEST_AGENT = "GuestAgent"
    TCP = "TCP"
    CONSOLE = "Console"


class DiskFormat(StrEnum):
    """How a disk's bytes are laid out; always given, never probed by the VMM."""

    RAW = "Raw"
    QCOW2 = "Qcow2"


class DiskAccess(StrEnum):
    """What becomes of the guest's writes."""

    READ_ONLY = "ReadOnly"
    EPHEMERAL = "Ephemeral"
    PERSISTENT = "Persistent"
