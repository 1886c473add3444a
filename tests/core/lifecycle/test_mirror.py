"""What a workload is told of its placement, from what the agent said."""

import pytest

from schedune.api.vmplacement import VMPlacement
from schedune.codes.intent import INVALID_FIELD
from schedune.codes.row import Reason
from schedune.lifecycle.mirror import mirror
from schedune_testing.manifests import placement as a_placement

WAITS = "PREPARATION_WAITS", "waiting for the image roots: no answer within 5 s"
GONE = "ERR_EXEC_DISK_GONE", "a Persistent disk that this VM had is not there"
PREPARES = "PREPARING", "the launch is being prepared"


def ready_of(state: str, *last: str) -> str:
    code, message = last
    entry = {
        "time": "2026-11-28T12:00:00Z",
        "from": state,
        "to": state,
        "code": code,
        "message": message,
    }
    status = {"state": state, "trace": [entry]}
    placement = VMPlacement.model_validate({**a_placement(), "status": status})
    return mirror(placement, [], None, silent_since=None, is_silent=False).ready.message


@pytest.mark.parametrize("state", ["Preparing", "Launching"])
def test_who_waits_for_what_gives_no_answer_is_told_for_what(state: str) -> None:
    node = a_placement()["spec"]["nodeName"]
    assert ready_of(state, *PREPARES) == f"the VM is {state} on {node}"
    for told in (WAITS, GONE):
        assert ready_of(state, *told) == f"the VM is {state} on {node}, {told[1]}"


def test_a_refused_spec_leaves_a_running_vm_ready_and_is_told_beside_it() -> None:
    told = [Reason(INVALID_FIELD, "1Mi", "must be at least 16Mi", f"spec.{n}") for n in range(9)]
    status = {"state": "Running"}
    placement = VMPlacement.model_validate({**a_placement(), "status": status})
    found = mirror(placement, ["x"], None, silent_since=None, is_silent=False, refusals=told)
    assert (found.ready.status, found.ready.row.reason) == ("True", "Running")
    assert (found.settled, found.stalled) == (True, False)
    assert (found.up_to_date.status, found.up_to_date.row) == ("False", INVALID_FIELD)
    assert all(
        f"spec.{n}: 1Mi: must be at least 16Mi" in found.up_to_date.message for n in range(9)
    )
    assert found.why[0] == found.ready.message
    assert found.why[1].startswith("The spec is refused, INVALID_FIELD: spec.0: 1Mi: must be")
    assert len(found.why) <= 12
    assert any(line.startswith("Placed on ") for line in found.why)
