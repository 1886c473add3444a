"""Which placements have served their turn, and make room for another one of their workload."""

from collections.abc import Sequence
from typing import Any

import pytest

from schedune.api.vmplacement import VMPlacement
from schedune.api.vmworkload import VMWorkload
from schedune.launch.intent import Intent, parse_intent
from schedune.lifecycle.changes import changed_fields
from schedune.lifecycle.wants import makes_room
from schedune_testing.recordings import TIME, Object, ended

STOP = {"stop": {"reason": "Stopped", "graceSeconds": 30}}
DRY = {"mode": "DryRun"}
FULL = {"refusal": {"code": "REFUSED_LEDGER_FULL", "observed": "1", "required": "2"}}
SAME = {"workload": {"generation": 1, "uid": "w", "restartToken": "x"}}
RUNS = {"status": {"ended": None}}
TABLE: Sequence[tuple[dict[str, Any], dict[str, Object], bool]] = [
    ({}, {}, False),
    ({}, {"spec": STOP}, True),
    ({}, {"metadata": {"deletionTimestamp": TIME}}, True),
    ({}, {"status": {"ended": {"time": TIME, "reason": "GuestPanicked"}}}, False),
    ({}, {"status": {"ended": {"time": TIME, "reason": "LedgerFull"}}}, True),
    ({}, {"status": FULL}, True),
    ({}, {"spec": DRY}, True),
    ({"launchMode": "DryRun"}, {}, True),
    ({"launchMode": "DryRun"}, {"spec": DRY}, True),
    ({"launchMode": "DryRun"}, {"spec": DRY, **RUNS}, False),
    ({"launchMode": "DryRun", "restartToken": "x"}, {"spec": DRY, **RUNS}, True),
    ({"restartToken": "x"}, {}, True),
    ({"restartToken": "x"}, {"spec": SAME}, False),
    ({"restartToken": "x"}, RUNS, False),
    ({}, {"spec": STOP, **RUNS}, False),
    ({"restartPolicy": "OnFailure"}, {"spec": {"launch": None}}, True),
    ({"restartPolicy": "OnFailure"}, {"spec": {"launch": None}, **RUNS}, False),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "changes", "makes"), TABLE)
def test_what_holds_nothing_makes_room_if_it_was_told_to_or_is_not_what_is_wanted(
    spec: dict[str, Any], changes: dict[str, Object], *, makes: bool
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
    changed = changed_fields(placement, workload, intent)
    assert makes_room(workload, placement, changed) is makes
