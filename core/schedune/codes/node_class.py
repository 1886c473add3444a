"""Rows about what follows from a node's facts: its compatibility class and its constraints."""

from typing import Final

from schedune.codes.row import observed

CLASS_ARM_PROD_READY: Final = observed(
    "CLASS_ARM_PROD_READY", "ArmProductionReady", "arm64 with working KVM", "Class ArmProduction."
)
CLASS_X86_HOLDING_READY: Final = observed(
    "CLASS_X86_HOLDING_READY", "X86HoldingReady", "amd64 with working KVM", "Class X86HoldingPool."
)
CLASS_DEGRADED_KVM_PERMS: Final = observed(
    "CLASS_DEGRADED_KVM_PERMS",
    "DegradedKVMDenied",
    "KVM is there, but the agent may not open it",
    "Class Degraded: somebody must give the agent the right, then the node is whole.",
    "see capability kvm_vm_launch",
)
CLASS_UNSUPPORTED_NO_KVM: Final = observed(
    "CLASS_UNSUPPORTED_NO_KVM",
    "UnsupportedNoKVM",
    "no working KVM",
    "Class Unsupported: KVM is absent, or its device runs no guest.",
)
CLASS_UNSUPPORTED_ARCH: Final = observed(
    "CLASS_UNSUPPORTED_ARCH",
    "UnsupportedArchitecture",
    "an architecture without a class",
    "Class Unsupported: neither amd64 nor arm64.",
)
CLASS_UNKNOWN_KVM: Final = observed(
    "CLASS_UNKNOWN_KVM",
    "ClassUnknownKVM",
    "nobody knows whether KVM works",
    "No class: the KVM probe gave no answer, and a class would be a guess.",
    "see capability kvm_vm_launch",
)
CLASS_UNKNOWN_ARCH: Final = observed(
    "CLASS_UNKNOWN_ARCH",
    "ClassUnknownArchitecture",
    "nobody knows the architecture",
    "No class: the processor could not be read.",
    "see the probe cpu in status.probes",
)
CONSTRAINT_NO_KVM: Final = observed(
    "CONSTRAINT_NO_KVM",
    "NoKVM",
    "KVM does not work here: {observed}",
    "No guest was seen to run under KVM; a KVM of which nothing is known counts as well.",
    "see capability kvm_vm_launch",
)
CONSTRAINT_KVM_PERMS: Final = observed(
    "CONSTRAINT_KVM_PERMS",
    "KVMNotPermitted",
    "the agent may not open KVM: {observed}",
    "The KVM device is there, and opening it is denied.",
    "see capability kvm_vm_launch",
)
