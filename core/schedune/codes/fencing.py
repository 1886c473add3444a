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
