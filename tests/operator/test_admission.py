"""What the webhook proves itself by, and what it says of an object."""

import ssl
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509

from schedune.api.scheduling_policy import SchedulingPolicy
from schedune.fleet.fleet import Fleet
from schedune_operator.admission.answer import LONGEST_WARNING, Verdict, judge, review_of
from schedune_operator.admission.identity import (
    MOST_AUTHORITIES,
    make_identity,
    merged_bundle,
)
from schedune_testing.nodes import NOW, facts, node, workload

DAY_S = 86400.0
SAID = ["schedune-webhook.schedune-system.svc", "127.0.0.1", "::1"]


def parsed(bundle: bytes) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(bundle)


def test_a_certificate_is_signed_by_its_own_authority_for_the_names_it_is_called_by() -> None:
    identity = make_identity(SAID, NOW, DAY_S)
    (authority,), (certificate,) = parsed(identity.authority), parsed(identity.certificate)
    certificate.verify_directly_issued_by(authority)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == SAID[:1]
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == SAID[1:]
    identity.serve_by(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))


@pytest.mark.parametrize(("hours", "is_old"), [(0, False), (15, False), (16, True), (30, True)])
def test_the_next_certificate_is_due_when_two_thirds_are_over(hours: int, *, is_old: bool) -> None:
    identity = make_identity(SAID, NOW, DAY_S)
    assert identity.is_old(NOW + timedelta(hours=hours)) is is_old


@pytest.mark.parametrize(
    ("minutes", "is_valid"), [(-6, False), (-4, True), (0, True), (1440, False)]
)
def test_a_certificate_of_a_clock_that_was_ahead_is_followed_by_the_next(
    minutes: int, *, is_valid: bool
) -> None:
    identity = make_identity(SAID, NOW, DAY_S)
    now = NOW + timedelta(minutes=minutes)
    assert identity.is_valid(now) is is_valid
    assert identity.is_old(now) is not is_valid


def test_a_bundle_holds_ours_and_all_others_that_are_not_over_once() -> None:
    ours, theirs = (make_identity(SAID, NOW, DAY_S) for _ in range(2))
    over = make_identity(SAID, NOW - timedelta(days=2), DAY_S)
    held = merged_bundle(theirs.authority + over.authority, [ours.authority], NOW)
    assert set(parsed(held)) == {*parsed(ours.authority), *parsed(theirs.authority)}
    assert merged_bundle(held, [ours.authority], NOW) == held, "nothing is written twice"
    assert merged_bundle(held, [theirs.authority], NOW) == held, "no two operators take turns"


def test_what_is_no_bundle_is_replaced_and_a_long_one_is_cut_but_never_ours() -> None:
    ours = make_identity(SAID, NOW - timedelta(hours=20), DAY_S)
    assert merged_bundle(b"nonsense", [ours.authority], NOW) == ours.authority
    others = b"".join(make_identity(SAID, NOW, DAY_S).authority for _ in range(MOST_AUTHORITIES))
    cut = parsed(merged_bundle(others, [ours.authority], NOW))
    assert len(cut) == MOST_AUTHORITIES
    assert parsed(ours.authority)[0] in cut


def said(*nodes: Any, refuses: bool = False, **spec: Any) -> Verdict:
    return judge(workload(**spec), Fleet.of(nodes), SchedulingPolicy(), NOW, refuses=refuses)


SIX: dict[str, Any] = {"capacity": {"vcpus": 8, "memory": "6Gi", "basis": "Declared"}}


def test_what_a_node_can_run_is_not_talked_about() -> None:
    assert said(node("a")) == Verdict()


def test_what_is_missing_on_the_nearest_node_is_told_as_an_amount() -> None:
    no_kvm = facts("b", **SIX, capabilities=[])
    told = said(
        node("a", facts("a", **SIX)), node("b", no_kvm), resources={"vcpus": 10, "memory": "1Gi"}
    )
    assert told.warning == "0/2 nodes can run this now; nearest a (vcpus short by 2)"
    assert not told.is_refused


def test_in_a_namespace_that_refuses_the_same_is_a_refusal() -> None:
    big = {"vcpus": 2, "memory": "8Gi"}
    told = said(node("a", facts("a", **SIX)), refuses=True, resources=big)
    assert told.is_refused
    assert told.warning.startswith("0/1 nodes can run this now; nearest a (memory short by 2")
    answer = review_of("u", told)["response"]
    assert (answer["uid"], answer["allowed"]) == ("u", False)
    assert answer["status"]["message"] == told.warning


def test_what_is_not_to_run_needs_no_node() -> None:
    assert said(runState="Stopped") == Verdict()


def test_what_the_operator_will_not_serve_is_told_in_its_words() -> None:
    told = said(node("a"), resources={"vcpus": 1, "memory": "8Mi"})
    assert "must be at least 16Mi" in told.warning


def test_an_object_that_cannot_be_read_is_no_error_of_ours() -> None:
    raw = {"kind": "VMWorkload", "metadata": {"name": "x"}, "spec": 7}
    told = judge(raw, Fleet.of([]), SchedulingPolicy(), datetime.now(UTC), refuses=False)
    assert told.warning


def test_a_warning_is_never_longer_than_the_server_shows() -> None:
    everything: dict[str, Any] = {
        "placement": {
            "nodeSelector": {f"label-{number}": "x" * 60 for number in range(9)},
            "requiredCapabilities": ["hardware_tpm"],
        }
    }
    assert 100 < len(said(node("a"), **everything).warning) <= LONGEST_WARNING
