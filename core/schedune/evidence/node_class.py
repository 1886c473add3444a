"""What follows from a node's facts: its compatibility class, and what stands against it.

The table below is the whole rule (upstream.md 4.2 and 4.3, with KVM that runs guests
instead of a device that exists); its page is docs/reference/node-classes.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from schedune.api.facts import BackendFact, Capability, CapabilityState, Constraint
from schedune.api.nodetruth import NodeTruthStatus
from schedune.api.text import shorten
from schedune.api.vmworkload import Acceleration
from schedune.codes import node_class as codes
from schedune.codes.probes import CAP_KVM_DENIED
from schedune.codes.row import Row

KVM: Final = "kvm_vm_launch"
"""The capability by which a node says whether KVM runs guests."""


class KvmAnswer(StrEnum):
    """What is known of KVM, as far as the table asks."""

    RUNS = "a guest ran"
    DENIED = "the agent may not open it"
    RUNS_NONE = "absent, or runs no guest"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ClassRule:
    """One line of the table."""

    architectures: str
    """amd64, arm64, both ("amd64, arm64"), "others" or "unknown"."""
    answers: tuple[KvmAnswer, ...]
    """Which answers of KVM; none named: whatever it is."""
    node_class: str | None
    """None: no class is given, and workloads that ask for one wait until it is known."""
    row: Row


_BOTH: Final = "amd64, arm64"
CLASS_RULES: Final = (
    ClassRule("unknown", (), None, codes.CLASS_UNKNOWN_ARCH),
    ClassRule("others", (), "Unsupported", codes.CLASS_UNSUPPORTED_ARCH),
    ClassRule("arm64", (KvmAnswer.RUNS,), "ArmProduction", codes.CLASS_ARM_PROD_READY),
    ClassRule("amd64", (KvmAnswer.RUNS,), "X86HoldingPool", codes.CLASS_X86_HOLDING_READY),
    ClassRule(_BOTH, (KvmAnswer.DENIED,), "Degraded", codes.CLASS_DEGRADED_KVM_PERMS),
    ClassRule(_BOTH, (KvmAnswer.RUNS_NONE,), "Unsupported", codes.CLASS_UNSUPPORTED_NO_KVM),
    ClassRule(_BOTH, (KvmAnswer.UNKNOWN,), None, codes.CLASS_UNKNOWN_KVM),
)
"""The first line that fits says the class."""


@dataclass(frozen=True, slots=True)
class ConstraintRule:
    """One constraint, and for which answers of KVM a node carries it."""

    row: Row
    type: str
    answers: tuple[KvmAnswer, ...]
    expected: str


CONSTRAINT_RULES: Final = (
    ConstraintRule(
        codes.CONSTRAINT_NO_KVM,
        "VirtualizationDisabled",
        (KvmAnswer.DENIED, KvmAnswer.RUNS_NONE, KvmAnswer.UNKNOWN),
        "runs guests",
    ),
    ConstraintRule(
        codes.CONSTRAINT_KVM_PERMS, "VirtualizationDenied", (KvmAnswer.DENIED,), "may be opened"
    ),
)
"""Whoever forbids CONSTRAINT_NO_KVM needs KVM, so it stands until a guest was seen to run."""


def derive(facts: NodeTruthStatus) -> NodeTruthStatus:
    """Add what follows from the facts: the class, the constraints, what KVM rules out."""
    kvm = next((one for one in facts.capabilities if one.name == KVM), None)
    answer = answer_of(kvm)
    rule = rule_for(facts.cpu.architecture if facts.cpu else "", answer)
    return facts.model_copy(
        update={
            "backends": [_with_acceleration(one, answer) for one in facts.backends],
            "compatibility_class": rule.node_class,
            "compatibility_reasons": [rule.row.code],
            "constraints": list(_constraints(kvm, answer)),
        }
    )


def answer_of(kvm: Capability | None) -> KvmAnswer:
    """Fold what a node says of KVM."""
    if kvm is None or kvm.state is CapabilityState.UNKNOWN:
        return KvmAnswer.UNKNOWN
    if kvm.state is CapabilityState.SUPPORTED:
        return KvmAnswer.RUNS
    denied = kvm.reason_code == CAP_KVM_DENIED.code
    return KvmAnswer.DENIED if denied else KvmAnswer.RUNS_NONE


def rule_for(architecture: str, answer: KvmAnswer) -> ClassRule:
    """Return the line of the table that holds."""
    known = architecture if architecture in ("amd64", "arm64") else "others"
    held = "unknown" if architecture in ("", "Unknown") else known
    return next(
        rule
        for rule in CLASS_RULES
        if held in rule.architectures.split(", ") and (not rule.answers or answer in rule.answers)
    )


def _constraints(kvm: Capability | None, answer: KvmAnswer) -> Iterator[Constraint]:
    seen = shorten((kvm.value or kvm.message) if kvm else "unknown", 64)
    for rule in CONSTRAINT_RULES:
        if answer in rule.answers:
            yield Constraint(
                code=rule.row.code, type=rule.type, observed=seen, expected=rule.expected
            )


def _with_acceleration(fact: BackendFact, answer: KvmAnswer) -> BackendFact:
    """Keep KVM only where a guest ran: compiled in is not working."""
    runs = answer is KvmAnswer.RUNS
    kept = [one for one in fact.accelerations if runs or one != Acceleration.KVM.value]
    return fact.model_copy(update={"accelerations": kept})
