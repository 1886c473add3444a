"""What a node says of a capability is yes, or one of the ways of no, kept apart."""

import pytest

from schedune.api.nodetruth import CapabilityState
from schedune.codes import device_probes, probes, security_probes, vmm_probes
from schedune.codes.row import Row
from schedune.launch.capabilities import DENIED, YES, answer_of


@pytest.mark.parametrize(
    ("state", "row", "answer"),
    [
        (CapabilityState.SUPPORTED, device_probes.CAP_DEVICE_READY, YES),
        (CapabilityState.UNSUPPORTED, device_probes.CAP_DEVICE_MISSING, "Unsupported"),
        (CapabilityState.UNKNOWN, device_probes.CAP_DEVICE_SILENT, "Unknown"),
        (CapabilityState.UNAVAILABLE, probes.CAP_KVM_DENIED, DENIED),
        (CapabilityState.UNAVAILABLE, device_probes.CAP_DEVICE_DENIED, DENIED),
        (CapabilityState.UNAVAILABLE, device_probes.CAP_NET_ADMIN_MISSING, DENIED),
        (CapabilityState.UNAVAILABLE, security_probes.CAP_CGROUPS_DENIED, DENIED),
        (CapabilityState.UNAVAILABLE, probes.CAP_KVM_RUNS_NO_GUEST, "Unavailable"),
        (CapabilityState.UNAVAILABLE, vmm_probes.CAP_VMM_UNTRUSTED, "Unavailable"),
    ],
)
def test_a_missing_right_is_told_from_a_thing_that_does_not_work(
    state: CapabilityState, row: Row, answer: str
) -> None:
    assert answer_of((state, row.code)) == answer


def test_what_a_node_does_not_mention_is_unknown() -> None:
    assert answer_of(None) == "Unknown"
