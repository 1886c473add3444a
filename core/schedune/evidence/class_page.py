"""The reference page of compatibility classes and constraints, from their table."""

from schedune.evidence.node_class import CLASS_RULES, CONSTRAINT_RULES, KvmAnswer

_INTRODUCTION = """\
# Compatibility classes and constraints

Generated from `core/schedune/evidence/node_class.py` by `make crds`; do not edit.

The agent derives `status.compatibilityClass` of a NodeTruth, with its reason, from the processor's
architecture and from what the strong KVM probe saw (capability `kvm_vm_launch`): a guest that ran,
not a device that exists. An administrator who knows better sets `spec.compatibilityClass` with a
name and a reason; it goes before what is derived.

A class is not guessed. Where the table gives none, workloads that name `compatibilityClasses` are
kept from the node with `REJECT_COMPATIBILITY_CLASS_UNKNOWN` until it is known; others are not.

`ArmProduction` and `X86HoldingPool` ask more than in the original system, whose agent only looked
whether the device is there; `Degraded` is a node that somebody makes whole by giving a right.
"""
_CONSTRAINTS = """\
## Constraints

A workload keeps away from a node with `forbiddenConstraints`. `CONSTRAINT_NO_KVM` stands until a
guest was seen to run, so a workload that forbids it never lands where nobody knows.
"""


def render_class_page() -> str:
    """Return the page: one table for the classes, one for the constraints."""
    lines = [
        f"| {one.architectures} | {_answers(one.answers)} | {_class(one.node_class)} |"
        f" `{one.row.code}` |"
        for one in CLASS_RULES
    ]
    constraints = [
        f"| `{one.row.code}` | `{one.type}` | {_answers(one.answers)} | {one.row.cause} |"
        for one in CONSTRAINT_RULES
    ]
    return "\n".join([
        _INTRODUCTION,
        "## Classes\n\nThe first line that fits counts.\n",
        "| architecture | KVM | class | reason |\n|---|---|---|---|",
        *lines,
        "",
        _CONSTRAINTS,
        "| constraint | type | KVM | given when |\n|---|---|---|---|",
        *constraints,
        "",
    ])  # fmt: skip


def _answers(answers: tuple[KvmAnswer, ...]) -> str:
    return " or ".join(answers) if answers else "whatever it is"


def _class(name: str | None) -> str:
    return f"`{name}`" if name else "none"
