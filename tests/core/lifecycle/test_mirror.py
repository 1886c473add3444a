"""What a workload is told of its placement, from what the agent said."""

import pytest

from schedune.api.vmplacement import VMPlacement
from schedune.lifecycle.mirror import mirror
from schedune_testing.manifests import placement as a_placement

WAITS = "PREPARATION_WAITS", "waiting for the image roots: no answer within 5 s"
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
    assert ready_of(state, *WAITS) == f"the VM is {state} on {node}, {WAITS[1]}"
