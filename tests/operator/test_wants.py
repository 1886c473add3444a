"""The operator and the command line agree on which placements make room for another one."""

from collections.abc import Sequence
from typing import Any

import pytest

from schedune.api.vmplacement import VMPlacement
from schedune.api.vmworkload import VMWorkload
from schedune.launch.intent import Intent, parse_intent
from schedune.lifecycle.changes import changed_fields
from schedune.lifecycle.wants import makes_room
from schedune_operator.reconciler import Reconciler
from schedune_testing.recordings import TIME, Object, ended

STOP = {"stop": {"reason": "Stopped", "graceSeconds": 30}}
DRY = {"mode": "DryRun"}
FULL = {"refusal": {"code": "REFUSED_LEDGER_FULL", "observed": "1", "required": "2"}}
SAME = {"workload": {"generation": 1, "uid": "w", "restartToken": "x"}}
TABLE: Sequence[tuple[dict[str, Any], dict[str, Object]]] = [
    ({}, {}),
    ({}, {"spec": STOP}),
    ({}, {"metadata": {"deletionTimestamp": TIME}}),
    ({}, {"status": {"ended": {"time": TIME, "reason": "GuestPanicked"}}}),
    ({}, {"status": {"ended": {"time": TIME, "reason": "LedgerFull"}}}),
    ({}, {"status": FULL}),
    ({}, {"spec": DRY}),
    ({"launchMode": "DryRun"}, {}),
    ({"launchMode": "DryRun"}, {"spec": DRY}),
    ({"launchMode": "DryRun"}, {"spec": DRY, "status": {"ended": None}}),
    ({"restartToken": "x"}, {}),
    ({"restartToken": "x"}, {"spec": SAME}),
    ({"restartPolicy": "OnFailure"}, {"spec": {"launch": None}}),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "changes"), TABLE)
def test_both_say_the_same_of_what_holds_nothing(
    spec: dict[str, Any], changes: dict[str, Object]
) -> None:
    found, bound = ended("vm", "a", **spec)
    _, other = ended("vm", "a", resources={"vcpus": 1, "memory": "1Gi"})
    for part, fields in changes.items():
        bound[part] |= fields
    if bound["spec"]["launch"] is None:
        bound["spec"]["launch"] = other["spec"]["launch"]
    workload, placement = VMWorkload.model_validate(found), VMPlacement.model_validate(bound)
    intent = parse_intent(workload)
    assert isinstance(intent, Intent)
    assert makes_room(workload, intent, placement) is by_operator(workload, intent, placement)


def by_operator(workload: VMWorkload, intent: Intent, placement: VMPlacement) -> bool:
    changed = changed_fields(placement, workload, intent)
    is_finished: Any = Reconciler._is_finished  # it reads nothing of the reconciler itself
    return bool(is_finished(None, workload, placement, changed))
