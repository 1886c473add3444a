"""An order reaches exactly the process that it was bound to, and never a placement's own VM."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedune.api.nodetruth import OrphanAction
from schedune.api.vmworkload import Backend
from schedune.codes import recovery
from schedune.codes.row import Row
from schedune.lifecycle.orphan_orders import Deed, OrderJudgement, ignored_by, judge_order
from schedune.lifecycle.orphans import FoundProcess, HeldPlacement, ProcessKey, judge_sweep

KEY, BESIDE, STRAY = ProcessKey(7, 70, "b"), ProcessKey(8, 80, "b"), ProcessKey(9, 90, "b")
FOUND = (
    FoundProcess(KEY, Backend.QEMU, "u1"),
    FoundProcess(BESIDE, Backend.QEMU, "u1"),
    FoundProcess(STRAY, Backend.QEMU, "u2"),
)
HELD = (HeldPlacement("u1", Backend.QEMU, KEY, "ns/vm"),)


def order(key: ProcessKey, action: str, placement: str | None = None) -> OrphanAction:
    named = {"placementUID": placement} if placement else {}
    body = {"pid": key.pid, "startTime": key.start_time, "bootID": key.boot_id, "action": action}
    return OrphanAction.model_validate({**body, **named})


def judge(one: OrphanAction, held: tuple[HeldPlacement, ...] = HELD) -> OrderJudgement:
    current = {placement.uid for placement in held if placement.is_current}
    return judge_order(one, FOUND, judge_sweep(FOUND, held), current)


@pytest.mark.parametrize("key", [BESIDE, STRAY])
def test_an_orphan_is_ended_by_order(key: ProcessKey) -> None:
    judged = judge(order(key, "Terminate"))
    assert (judged.deed, judged.reason.row) == (Deed.TERMINATE, recovery.ORPHAN_TERMINATED)


def test_the_vm_of_a_placement_is_never_ended_by_such_an_order() -> None:
    judged = judge(order(KEY, "Terminate"))
    assert (judged.deed, judged.reason.row) == (Deed.NOTHING, recovery.ORPHAN_ORDER_REFUSED)


@given(st.sampled_from(["pid", "start_time", "boot_id"]), st.sampled_from(["Terminate", "Adopt"]))
def test_an_order_whose_proof_does_not_hold_to_the_letter_is_stale(part: str, action: str) -> None:
    changes: dict[str, Any] = {"pid": 99, "start_time": 99, "boot_id": "another"}
    given_order = order(BESIDE, action, "u1").model_copy(update={part: changes[part]})
    judged = judge(given_order)
    assert (judged.deed, judged.reason.row) == (Deed.NOTHING, recovery.ORPHAN_ORDER_STALE)


def test_one_of_several_that_claim_to_be_a_vm_is_adopted_into_its_own_placement() -> None:
    judged = judge(order(BESIDE, "Adopt", "u1"))
    assert (judged.deed, judged.placement_uid) == (Deed.ADOPT, "u1")
    assert judged.reason.row is recovery.ORPHAN_ADOPTED


@pytest.mark.parametrize(
    ("key", "placement"), [(STRAY, "u1"), (STRAY, "u2"), (BESIDE, None), (BESIDE, "u2")]
)
def test_nothing_is_adopted_into_a_placement_that_is_not_its_own_or_is_gone(
    key: ProcessKey, placement: str | None
) -> None:
    judged = judge(order(key, "Adopt", placement))
    assert (judged.deed, judged.reason.row) == (Deed.NOTHING, recovery.ORPHAN_ORDER_REFUSED)


def test_what_is_not_proved_is_adopted_into_the_placement_whose_marker_it_carries() -> None:
    doubtful = FoundProcess(KEY, Backend.QEMU, "u1", doubt="it is elsewhere")
    held = (HeldPlacement("u1", Backend.QEMU, None, "ns/vm"),)
    verdicts = judge_sweep([doubtful], held)
    judged = judge_order(order(KEY, "Adopt", "u1"), [doubtful], verdicts, {"u1"})
    assert (judged.deed, judged.placement_uid) == (Deed.ADOPT, "u1")
    refused = judge_order(order(KEY, "Adopt", "u1"), [doubtful], verdicts, set())
    assert refused.deed is Deed.NOTHING


def test_only_who_is_to_be_ignored_is_ignored() -> None:
    orders = [order(KEY, "Ignore"), order(BESIDE, "Terminate"), order(STRAY, "Adopt", "u2")]
    assert ignored_by(orders) == {KEY}


def test_an_orphan_that_is_to_be_ignored_is_told_so_and_nothing_is_done() -> None:
    row: Row = judge(order(STRAY, "Ignore")).reason.row
    assert row is recovery.ORPHAN_IGNORED
