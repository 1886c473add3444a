"""Can the node do what is needed? Five ways of no, kept apart."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from schedune.api.nodetruth import CapabilityState
from schedune.codes import device_probes, eligibility, placement, probes, security_probes
from schedune.codes.row import Reason, Row
from schedune.evidence.node_class import KVM as _KVM_LAUNCH
from schedune.fleet.profile import Facts

KVM: Final = _KVM_LAUNCH
TPM: Final = "hardware_tpm"
SECCOMP: Final = "kernel_seccomp_supported"
_DENIED: Final = frozenset({
    probes.CAP_KVM_DENIED.code,
    device_probes.CAP_DEVICE_DENIED.code,
    device_probes.CAP_NET_ADMIN_MISSING.code,
    security_probes.CAP_CGROUPS_DENIED.code,
})  # fmt: skip
"""Reason codes of a capability that is there and not permitted."""

Answer = str
"""Unsupported, Unavailable, Denied or Unknown; "" is yes."""
YES: Final = ""
DENIED: Final = "Denied"
STALE: Final = "Stale"
_GENERAL: Final[Mapping[Answer, Row]] = MappingProxyType({
    CapabilityState.UNSUPPORTED.value: placement.CAPABILITY_UNSUPPORTED,
    CapabilityState.UNAVAILABLE.value: placement.CAPABILITY_UNAVAILABLE,
    DENIED: placement.CAPABILITY_DENIED,
    CapabilityState.UNKNOWN.value: placement.CAPABILITY_UNKNOWN,
    STALE: placement.CAPABILITY_STALE,
})  # fmt: skip
_KVM: Final[Mapping[Answer, Row]] = MappingProxyType({
    CapabilityState.UNSUPPORTED.value: eligibility.KVM_MISSING,
    CapabilityState.UNAVAILABLE.value: eligibility.KVM_UNAVAILABLE,
    DENIED: eligibility.KVM_DENIED,
    CapabilityState.UNKNOWN.value: eligibility.KVM_UNKNOWN,
})  # fmt: skip
_SPECIAL: Final[Mapping[tuple[str, Answer], Row]] = MappingProxyType({
    **{(KVM, answer): row for answer, row in _KVM.items()},
    (TPM, CapabilityState.UNSUPPORTED.value): placement.TPM_MISSING,
    (SECCOMP, CapabilityState.UNSUPPORTED.value): placement.SECCOMP_MISSING,
})  # fmt: skip
_WANTED: Final[Mapping[str, str]] = MappingProxyType({KVM: "a KVM that runs guests"})

State = tuple[CapabilityState, str] | None
"""State and reason code; None: the truth does not mention it."""


def answer_of(state: State) -> Answer:
    """Fold what is known into one of the ways of no, or yes."""
    if state is None:
        return CapabilityState.UNKNOWN.value
    found, code = state
    if found is CapabilityState.SUPPORTED:
        return YES
    if found is CapabilityState.UNAVAILABLE and code in _DENIED:
        return DENIED
    return found.value


def row_of(name: str, answer: Answer) -> Row:
    """Return the code for one way of no of one capability."""
    return _SPECIAL.get((name, answer), _GENERAL[answer])


def testify(name: str, answer: Answer, facts: Facts | None) -> Reason:
    """Return the reason with what the node said."""
    found = facts.capabilities.get(name) if facts else None
    observed = (found.message or found.reason_code) if found else "the node has not said"
    return Reason(row_of(name, answer), observed, _WANTED.get(name, name), name)


def judge_capability(name: str, facts: Facts) -> Reason | None:
    """Return what stands against relying on a capability, its age apart."""
    found = facts.capabilities.get(name)
    answer = answer_of((found.state, found.reason_code) if found else None)
    return testify(name, answer, facts) if answer else None
