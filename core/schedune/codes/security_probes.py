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
    "The kernel has mount, network, process and user namespaces.",
)
CAP_NAMESPACES_MISSING: Final = observed(
    "CAP_NAMESPACES_MISSING",
    "NamespacesMissing",
    "namespaces are missing: {observed}",
    "The kernel has no mount, network, process or user namespaces.",
    "use a kernel with these namespaces",
)
CAP_USER_NAMESPACES_ALLOWED: Final = observed(
    "CAP_USER_NAMESPACES_ALLOWED",
    "UserNamespacesAllowed",
    "users may make them",
    "Neither the limit, nor the distribution's switch, nor AppArmor forbids user namespaces.",
)
CAP_USER_NAMESPACES_FORBIDDEN: Final = observed(
    "CAP_USER_NAMESPACES_FORBIDDEN",
    "UserNamespacesForbidden",
    "users may not make them: {observed}",
    "The limit is 0, or the distribution's switch or AppArmor forbids user namespaces.",
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
CAP_NO_NEW_PRIVILEGES: Final = observed(
    "CAP_NO_NEW_PRIVILEGES_SUPPORTED",
    "NoNewPrivilegesSupported",
    "VMs can be kept from gaining rights",
    "The kernel has no_new_privs; the value is 1 where the agent itself runs under it.",
)
CAP_NO_NEW_PRIVILEGES_MISSING: Final = observed(
    "CAP_NO_NEW_PRIVILEGES_MISSING",
    "NoNewPrivilegesMissing",
    "the kernel does not know no_new_privs",
    "The status of a process does not name it.",
    "use a newer kernel",
)
