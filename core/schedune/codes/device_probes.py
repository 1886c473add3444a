"""Rows about KVM's surroundings and other devices of a node."""

from typing import Final

from schedune.codes.row import observed

CAP_FACT_UNREADABLE: Final = observed(
    "CAP_FACT_UNREADABLE",
    "FactUnreadable",
    "cannot tell: {observed}",
    "What the kernel says about it is missing, cannot be read, or is nonsense.",
    "read the file that the message names, as the agent's user",
)
CAP_KVM_DEVICE_PRESENT: Final = observed(
    "CAP_KVM_DEVICE_PRESENT",
    "KVMDevicePresent",
    "there is a KVM device",
    "/dev/kvm is a character device; whether it runs guests is another question (kvm_vm_launch).",
)
CAP_KVM_NESTED_ON: Final = observed(
    "CAP_KVM_NESTED_ON",
    "KVMNestedOn",
    "guests may run guests",
    "The parameter `nested` of KVM's module is on.",
)
CAP_KVM_NESTED_OFF: Final = observed(
    "CAP_KVM_NESTED_OFF",
    "KVMNestedOff",
    "nested virtualization is off: {observed}",
    "The parameter `nested` of KVM's module is off.",
    "load kvm_intel or kvm_amd with nested=1",
)
CAP_CONFIDENTIAL_READY: Final = observed(
    "CAP_CONFIDENTIAL_READY",
    "ConfidentialReady",
    "KVM offers it",
    "KVM names this kind of confidential guest, or its module's parameter is on and /dev/sev is there.",
)
CAP_CONFIDENTIAL_OFF: Final = observed(
    "CAP_CONFIDENTIAL_OFF",
    "ConfidentialOff",
    "KVM does not offer it",
    "KVM answers and does not name this kind of confidential guest.",
)
CAP_FIRECRACKER_TUN_READY: Final = observed(
    "CAP_FIRECRACKER_TUN_READY",
    "TunReady",
    "taps can be made",
    "/dev/net/tun opened and said that it makes taps, and the agent holds CAP_NET_ADMIN.",
)
CAP_FIRECRACKER_TUN_MISSING: Final = observed(
    "CAP_FIRECRACKER_TUN_MISSING",
    "TunMissing",
    "there is no tun device",
    "Opening /dev/net/tun says that there is none.",
    "load the module tun",
)
CAP_NET_ADMIN_MISSING: Final = observed(
    "CAP_NET_ADMIN_MISSING",
    "NetAdminMissing",
    "no tap can be made: {observed}",
    "The tun device is there, but the agent does not hold CAP_NET_ADMIN.",
    "give the agent the capability NET_ADMIN",
)
CAP_DEVICE_READY: Final = observed(
    "CAP_DEVICE_READY",
    "DeviceReady",
    "it opens and answers",
    "The device was opened and answered its own question.",
)
CAP_DEVICE_MISSING: Final = observed(
    "CAP_DEVICE_MISSING",
    "DeviceMissing",
    "there is no such device",
    "Opening the device says that there is none.",
    "load the device's kernel module",
)
CAP_DEVICE_DENIED: Final = observed(
    "CAP_DEVICE_NOT_OPENABLE_PERMS",
    "DeviceDenied",
    "the agent may not open it: {observed}",
    "EACCES or EPERM on open.",
    "let the agent's user, and the container's device rules, open the device",
)
CAP_DEVICE_SILENT: Final = observed(
    "CAP_DEVICE_UNANSWERED",
    "DeviceUnanswered",
    "it gave no usable answer: {observed}",
    "The device did not come back in time, failed, or is none.",
    "see what is in the device's place, and the kernel's log",
)
CAP_IOMMU_READY: Final = observed(
    "CAP_IOMMU_READY",
    "IOMMUReady",
    "devices can be passed through",
    "The kernel lists IOMMU groups, and VFIO or iommufd opens.",
)
CAP_IOMMU_MISSING: Final = observed(
    "CAP_IOMMU_MISSING",
    "IOMMUMissing",
    "the kernel lists no IOMMU group",
    "/sys/kernel/iommu_groups is empty or missing.",
    "switch the IOMMU on in firmware and on the kernel's command line",
)
CAP_TPM_PRESENT: Final = observed(
    "CAP_TPM_PRESENT", "TPMPresent", "there is a TPM", "The kernel lists a TPM."
)
CAP_TPM_MISSING: Final = observed(
    "CAP_TPM_MISSING",
    "TPMAbsent",
    "the kernel lists no TPM",
    "/sys/class/tpm is empty or missing.",
    "switch the TPM on in firmware",
)
