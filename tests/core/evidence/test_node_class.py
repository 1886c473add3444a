"""The class and the constraints follow from facts by one table, and are never guessed."""

from datetime import UTC, datetime
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedune.api.nodetruth import (
    BackendFact,
    Capability,
    CapabilityState,
    CPUFacts,
    NodeTruthStatus,
)
from schedune.api.vmworkload import Backend
from schedune.codes import probes
from schedune.evidence.class_page import render_class_page
from schedune.evidence.node_class import (
    CLASS_RULES,
    CONSTRAINT_RULES,
    KVM,
    KvmAnswer,
    derive,
    rule_for,
)

_NOW = datetime(2026, 11, 25, tzinfo=UTC)
_RUNS = (CapabilityState.SUPPORTED, probes.CAP_KVM_RUNS, "ok")
_ABSENT = (CapabilityState.UNSUPPORTED, probes.CAP_KVM_MISSING, "absent")
_DENIED = (CapabilityState.UNAVAILABLE, probes.CAP_KVM_DENIED, "denied")
_RUNS_NONE = (CapabilityState.UNAVAILABLE, probes.CAP_KVM_RUNS_NO_GUEST, "emulated")
_SILENT = (CapabilityState.UNKNOWN, probes.CAP_KVM_ERROR, "silent")


def _facts(architecture: str | None, kvm: tuple | None) -> NodeTruthStatus:
    held = []
    if kvm is not None:
        state, row, value = kvm
        held = [
            Capability(name=KVM, state=state, reason_code=row.code, value=value, observed_time=_NOW)
        ]
    cpu = CPUFacts(architecture=architecture, cores=1) if architecture is not None else None
    both = BackendFact(name=Backend.QEMU, path="/usr/bin/qemu", accelerations=["KVM", "Emulated"])
    return NodeTruthStatus(capabilities=held, cpu=cpu, backends=[both])


@pytest.mark.parametrize(
    ("architecture", "kvm", "node_class", "code"),
    [
        ("arm64", _RUNS, "ArmProduction", "CLASS_ARM_PROD_READY"),
        ("amd64", _RUNS, "X86HoldingPool", "CLASS_X86_HOLDING_READY"),
        ("amd64", _DENIED, "Degraded", "CLASS_DEGRADED_KVM_PERMS"),
        ("arm64", _ABSENT, "Unsupported", "CLASS_UNSUPPORTED_NO_KVM"),
        ("amd64", _RUNS_NONE, "Unsupported", "CLASS_UNSUPPORTED_NO_KVM"),
        ("amd64", _SILENT, None, "CLASS_UNKNOWN_KVM"),
        ("arm64", None, None, "CLASS_UNKNOWN_KVM"),
        ("riscv64", _RUNS, "Unsupported", "CLASS_UNSUPPORTED_ARCH"),
        (None, _RUNS, None, "CLASS_UNKNOWN_ARCH"),
        ("Unknown", _RUNS, None, "CLASS_UNKNOWN_ARCH"),
    ],
)
def test_the_class_says_what_the_node_is_for_and_why(
    architecture: str | None, kvm: tuple | None, node_class: str | None, code: str
) -> None:
    found = derive(_facts(architecture, kvm))
    assert (found.compatibility_class, found.compatibility_reasons) == (node_class, [code])


@pytest.mark.parametrize(
    ("kvm", "carried"),
    [
        (_RUNS, []),
        (_ABSENT, [("CONSTRAINT_NO_KVM", "absent")]),
        (_RUNS_NONE, [("CONSTRAINT_NO_KVM", "emulated")]),
        (_DENIED, [("CONSTRAINT_NO_KVM", "denied"), ("CONSTRAINT_KVM_PERMS", "denied")]),
        (_SILENT, [("CONSTRAINT_NO_KVM", "silent")]),
        (None, [("CONSTRAINT_NO_KVM", "unknown")]),
    ],
)
def test_a_constraint_stands_until_the_opposite_was_seen(
    kvm: tuple | None, carried: list[tuple[str, str]]
) -> None:
    found = derive(_facts("amd64", kvm))
    assert [(one.code, one.observed) for one in found.constraints] == carried


@pytest.mark.parametrize("kvm", [_RUNS, _ABSENT, _DENIED, _RUNS_NONE, _SILENT, None])
def test_a_backend_has_kvm_only_where_a_guest_ran(kvm: tuple | None) -> None:
    (backend,) = derive(_facts("amd64", kvm)).backends
    assert backend.accelerations == (["KVM", "Emulated"] if kvm is _RUNS else ["Emulated"])


@given(architecture=st.text(max_size=16), answer=st.sampled_from(KvmAnswer))
def test_the_table_has_exactly_one_line_for_whatever_a_node_says(
    architecture: str, answer: KvmAnswer
) -> None:
    rule = rule_for(architecture, answer)
    assert rule in CLASS_RULES
    if rule.node_class in ("ArmProduction", "X86HoldingPool"):
        assert answer is KvmAnswer.RUNS


def test_no_line_of_the_table_is_idle_and_none_is_left_out_of_its_page() -> None:
    met = {
        rule_for(architecture, answer).row.code
        for architecture, answer in product(("", "amd64", "arm64", "s390x"), KvmAnswer)
    }
    assert met == {rule.row.code for rule in CLASS_RULES}
    page = render_class_page()
    for row in [one.row for one in (*CLASS_RULES, *CONSTRAINT_RULES)]:
        assert f"`{row.code}`" in page
