"""Rows about what the node's kernel offers for keeping VMs apart."""

from typing import Final

from schedune.codes.row import observed

CAP_SECCOMP_SUPPORTED: Final = observed(
    "CAP_SECCOMP_SUPPORTED",
    "SeccompSupported",
    "filters can kill and trap",
    "The kernel lists the actions that VMMs' filters need.",
)
CAP_SECCOMP_MISSING: Final = observed(
    "CAP_SECCOMP_MISSING",
    "SeccompAbsent",
    "no seccomp filters: {observed}",
    "The kernel lists no seccomp actions, or not those that VMMs' filters need.",
    "use a kernel with CONFIG_SECCOMP_FILTER",
)
CAP_LANDLOCK_SUPPORTED: Final = observed(
    "CAP_LANDLOCK_SUPPORTED",
    "LandlockSupported",
    "rules can be made",
    "The kernel told its Landlock ABI, which is the value; Cloud Hypervisor needs 3.",
)
CAP_LANDLOCK_MISSING: Final = observed(
    "CAP_LANDLOCK_MISSING",
    "LandlockAbsent",
    "no Landlock: {observed}",
    "The kernel was built without Landlock, or started without it.",
    "add landlock to the kernel's parameter lsm=",
)
CAP_NAMESPACES_SUPPORTED: Final = observed(
    "CAP_NAMESPACES_SUPPORTED",
    "NamespacesSupported",
    "all that is needed are there",
    "The kernel has mount, network, process and user namespaces; the value is how many of the"
    " last one user may make.",
)
CAP_NAMESPACES_MISSING: Final = observed(
    "CAP_NAMESPACES_MISSING",
    "NamespacesMissing",
    "namespaces are missing: {observed}",
    "The kernel has no mount, network, process or user namespaces.",
    "use a kernel with these namespaces",
)
CAP_NAMESPACES_ROOT_ONLY: Final = observed(
    "CAP_NAMESPACES_ROOT_ONLY",
    "NamespacesRootOnly",
    "users without rights may not make them: {observed}",
    "All namespaces are there, but the limit, the distribution's switch or AppArmor forbids user"
    " namespaces to those without rights; the agent as root does not need them.",
    "change the setting that the message names, if VMs shall run without root",
)
CAP_CGROUPS_READY: Final = observed(
    "CAP_FIRECRACKER_CGROUPS_READY",
    "ControlGroupsReady",
    "VMs get groups of their own",
    "The agent made its control group in every hierarchy.",
)
CAP_CGROUPS_MISSING: Final = observed(
    "CAP_FIRECRACKER_CGROUPS_MISSING",
    "ControlGroupsMissing",
    "no control groups are mounted: {observed}",
    "No hierarchy of control groups is mounted where the agent looks.",
    "mount /sys/fs/cgroup into the agent",
)
CAP_CGROUPS_DENIED: Final = observed(
    "CAP_CGROUPS_NOT_WRITABLE",
    "ControlGroupsDenied",
    "the agent makes no control groups: {observed}",
    "A hierarchy of control groups cannot be written by the agent, or its settings forbid it.",
    "mount /sys/fs/cgroup writable, run the agent as root, and leave `containment` at Auto",
)
