"""Rows about VMs whose node somebody says is off: taken for ended, or not yet."""

from typing import Final

from schedune.codes.row import Actor, Precedence, Row, Stage

NODE_FENCED: Final = Row(
    "NODE_FENCED", "NodeFenced", Stage.RECOVERY, Actor.NOBODY, Precedence.INFORMATION,
    "the VM counts as ended: {observed}, and {required}",
    "",
    "No Node has the UID that the placement is bound to, or the Node carries the taint node.kubernetes.io/out-of-service: somebody asserts that the machine is off. And its Lease was silent for as long as it counts, watched without a gap. The placement is ended in the history with this evidence, and the VM is placed anew.",
)  # fmt: skip
FENCE_CONTRADICTED: Final = Row(
    "FENCE_CONTRADICTED", "FenceContradicted", Stage.RECOVERY, Actor.ADMINISTRATOR,
    Precedence.INFORMATION,
    "{observed}, yet {required}: the VM is not moved",
    "switch the machine off, or take the assertion back; a VM that runs on is never started twice",
    "Somebody asserts that a machine is off (its Node is gone, or carries the taint node.kubernetes.io/out-of-service), and the Lease of the same machine is renewed all the same, or a node that is heard of lists a VM of this workload.",
)  # fmt: skip
VM_RELEASED: Final = Row(
    "VM_RELEASED", "Released", Stage.RECOVERY, Actor.NOBODY, Precedence.INFORMATION,
    "the VM counts as ended: {observed}: {required}",
    "",
    "An administrator called `schedune release` and so asserted that the VM is off. Nothing checks that: the history keeps who said it and why, and the VM is placed anew.",
)  # fmt: skip
RELEASE_CONTRADICTED: Final = Row(
    "RELEASE_CONTRADICTED", "ReleaseContradicted", Stage.RECOVERY, Actor.ADMINISTRATOR,
    Precedence.INFORMATION,
    "{observed}, yet {required}: the VM is not released",
    "end the VM by its VMWorkload; to take the assertion back: kubectl annotate vmp NAME schedune.io/release-",
    "`schedune release` was called for a VM whose agent is heard of and at work on it, or of which another node that is heard of says that it runs there.",
)  # fmt: skip
