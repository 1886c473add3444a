"""Rows with which the agent explains a fact."""

from typing import Final

from schedune.codes.row import observed as _row

CAP_KVM_RUNS: Final = _row(
    "CAP_KVM_SUPPORTED",
    "KVMRunsGuests",
    "a long-mode guest ran and answered: {observed}",
    "The strong probe ran a guest under KVM.",
)
CAP_KVM_MISSING: Final = _row(
    "CAP_KVM_MISSING",
    "KVMDeviceMissing",
    "there is no KVM device: {observed}",
    "Opening /dev/kvm says that there is none.",
    "load kvm_intel or kvm_amd, or enable virtualization in firmware",
)
CAP_KVM_DENIED: Final = _row(
    "CAP_KVM_NOT_OPENABLE_PERMS",
    "KVMDenied",
    "the agent may not open the KVM device: {observed}",
    "EACCES or EPERM on open.",
    "add the agent's user to the device's group",
)
CAP_KVM_RUNS_NO_GUEST: Final = _row(
    "CAP_KVM_RUNS_NO_GUEST",
    "KVMRunsNoGuest",
    "the KVM device opens, but runs no guest: {observed}",
    "The strong probe's guest did not run as it must.",
    "use a machine with hardware virtualization, or nested virtualization that is switched on",
)
CAP_KVM_ERROR: Final = _row(
    "CAP_KVM_PROBE_FAILED",
    "KVMProbeFailed",
    "the KVM probe failed: {observed}",
    "An ioctl failed or the probe could not run.",
    "read the message",
)
CAP_QEMU_PRESENT: Final = _row(
    "CAP_QEMU_BINARY_PRESENT",
    "QEMUPresent",
    "QEMU answered: {observed}",
    "The binary was asked by QMP.",
)
CAP_QEMU_MISSING: Final = _row(
    "CAP_QEMU_BINARY_MISSING",
    "QEMUAbsent",
    "no {observed} on this node",
    "No QEMU for the node's architecture on the search path.",
    "install qemu-system for the node's architecture",
)
CAP_QEMU_UNANSWERED: Final = _row(
    "CAP_QEMU_UNANSWERED",
    "QEMUUnanswered",
    "QEMU is there but did not answer: {observed}",
    "The binary failed, hung or gave nonsense.",
    "run the binary by hand",
)
CAP_IMAGES_LISTED: Final = _row(
    "CAP_IMAGES_LISTED",
    "ImagesListed",
    "all image roots were listed: {observed}",
    "Every image root is a folder that could be read.",
)
CAP_IMAGE_ROOT_MISSING: Final = _row(
    "CAP_IMAGE_ROOT_MISSING",
    "ImageRootMissing",
    "an image root is missing: {observed}",
    "A folder of imageRoots does not exist; it holds no files, the others do.",
    "make the folder, or correct imageRoots in the agent's settings",
)
CAP_IMAGE_ROOT_UNREADABLE: Final = _row(
    "CAP_IMAGE_ROOT_UNREADABLE",
    "ImageRootUnreadable",
    "an image root cannot be listed: {observed}",
    "A path of imageRoots is no folder, or may not be read: nobody knows which files it holds.",
    "make it a folder that the agent may read, or correct imageRoots in the agent's settings",
)
PROBE_FAILED: Final = _row(
    "PROBE_FAILED",
    "ProbeFailed",
    "{observed}",
    "A probe raised an error; its facts are Unknown.",
    "read the message",
)
PROBE_TIMED_OUT: Final = _row(
    "PROBE_TIMED_OUT",
    "ProbeTimedOut",
    "gave no answer in time: {observed}",
    "A probe did not end by its deadline; its facts are Unknown.",
    "see what it waits for with `schedune doctor` on the node",
)
