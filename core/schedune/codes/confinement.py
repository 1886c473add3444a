"""Rows about what a VM's process may do on its node, and what it may use of it."""

from typing import Final

from schedune.codes.row import Actor, Precedence, Row, Stage


def _row(
    code: str,
    reason: str,
    sentence: str,
    cause: str,
    remedy: str,
    actor: Actor = Actor.ADMINISTRATOR,
) -> Row:
    return Row(
        code, reason, Stage.EXECUTION, actor, Precedence.INFORMATION, sentence, remedy, cause
    )


NO_VM_USER: Final = _row(
    "REFUSED_NO_VM_USER", "NoVMUser", "all {required} users that this node has for VMs are taken",
    "Each VM runs as a user of its own, and every number of the agent's vmUsers has a VM or a living process.",
    "raise vmUsers.count in the agent's settings; the operator places the VM elsewhere meanwhile",
)  # fmt: skip
DENIED_TO_VM_USER: Final = _row(
    "ERR_LAUNCH_DENIED_TO_VM_USER", "DeniedToVMUser", "the VM's own user {required} cannot open {observed}",
    "The VM runs as a user of its own (vmUsers of the agent's settings), whom the node lets open neither this file nor, maybe, the folders above it.",
    "let others read the file (chmod o+r) and enter its folders (chmod o+x); for /dev/kvm: chgrp kvm /dev/kvm and chmod 0660, as udev's own rule does",
)  # fmt: skip
SHARED_USER: Final = _row(
    "LIMIT_SHARED_USER", "SharedUser", "the VM runs as user {observed}, as its agent does: it has no user of its own",
    "The agent has no vmUsers, or is not root. Whoever breaks out of this VM can reach what the agent and its other VMs own on the node.",
    "set vmUsers in the agent's settings and run the agent as root (docs/security.md)",
)  # fmt: skip
UNBOUNDED: Final = _row(
    "LIMIT_RESOURCES_UNBOUNDED", "ResourcesUnbounded", "the node does not hold the VM to its share: {observed}",
    "The VM has no control group of its own, its kernel lacks a controller or refused the limit, or when it was found again it had been moved out of its group.",
    "run the agent as root with the host's /sys/fs/cgroup writable, and let the controllers memory, pids and cpu be used there; a VM that was moved is held again once it is started anew (spec.restartToken)",
)  # fmt: skip
OUT_OF_MEMORY: Final = _row(
    "ERR_EXEC_OUT_OF_MEMORY", "OutOfMemory", "the VM needed more memory than it may use and was ended by the node's kernel: {observed}",
    "Guest and VMM together touched more than spec.resources.memory and the VMM's overhead allow: the limit of the VM's control group.",
    "raise spec.resources.memory above what the guest touches: it never uses all of it then, and what is left over is room for its VMM", Actor.USER,
)  # fmt: skip
