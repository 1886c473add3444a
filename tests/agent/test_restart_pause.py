"""The pause before a restart is a fact: nobody who asks earlier, or anew, shortens it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedune.api.vmplacement import Exit, PlacementState, TraceEntry, VMPlacement
from schedune.codes import execution as codes
from schedune.lifecycle.restart import pause_before
from schedune_agent.node import Node
from schedune_agent.placement_worker import PlacementWorker
from schedune_agent.record import LaunchRecord

S = PlacementState
NewPlacement = Callable[..., VMPlacement]
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
UID = "11111111-2222-3333-4444-555555555555"
KILLED = codes.VMM_KILLED.reason


def exited(at: datetime, reason: str = KILLED, quick_ends: int = 1) -> LaunchRecord:
    return LaunchRecord(
        placement_uid=UID,
        workload_uid="w",
        namespace="default",
        name="vm",
        state=S.EXITED,
        quick_ends=quick_ends,
        last_exit=Exit(reason=reason, time=at),
    )


def running_since(since: datetime, quick_ends: int) -> LaunchRecord:
    moves = [(S.PENDING, since), (S.STARTING, since), (S.RUNNING, since)]
    trace = [TraceEntry(time=at, to=to, code="MOVED") for to, at in moves]
    return exited(since).model_copy(
        update={"state": S.RUNNING, "trace": trace, "quick_ends": quick_ends, "last_exit": None}
    )


def from_disk(record: LaunchRecord) -> LaunchRecord:
    return LaunchRecord.model_validate_json(record.model_dump_json(by_alias=True))


@given(
    ends=st.integers(1, 20),
    microseconds=st.integers(0, 999_999),
    off_by=st.integers(-1500, 1500).map(lambda milliseconds: milliseconds / 1000),
)
def test_the_pause_is_never_shorter_than_it_should_be_and_the_same_for_a_new_agent(
    ends: int, microseconds: int, off_by: float
) -> None:
    record = exited(NOON + timedelta(microseconds=microseconds), quick_ends=ends)
    assert record.last_exit is not None
    pause = pause_before(ends, KILLED)
    asked_after = max(0.0, pause + off_by)
    now = record.last_exit.time + timedelta(seconds=asked_after)
    left = record.pause_left(now)
    assert left == from_disk(record).pause_left(now)
    assert (left == 0) <= (asked_after >= pause)
    assert left <= max(0, pause - asked_after) + 1.001


@given(
    wakes=st.lists(st.floats(0, 5), max_size=40), new_agent_at=st.sets(st.integers(0, 40)),
)  # fmt: skip
def test_waking_early_and_beginning_anew_do_not_bring_the_restart_nearer(
    wakes: list[float], new_agent_at: set[int]
) -> None:
    record, now = exited(NOON, quick_ends=6), NOON
    for number, seconds in enumerate(wakes):
        now += timedelta(seconds=seconds)
        record = from_disk(record) if number in new_agent_at else record
        if record.pause_left(now) == 0:
            assert now - NOON >= timedelta(seconds=32)
            return


@pytest.mark.parametrize(
    ("minutes", "counted"), [(0, 8), (9, 8), (10, 1), (600, 1)], ids=["at-once", "9", "10", "600"]
)
def test_ten_minutes_of_readiness_begin_the_count_anew(minutes: int, counted: int) -> None:
    record = running_since(NOON, quick_ends=7)
    now = NOON + timedelta(minutes=minutes)
    assert record.count_quick_end(KILLED, now) == counted


def test_a_guest_that_never_was_ready_counts_however_long_it_tried() -> None:
    record = running_since(NOON, quick_ends=2).model_copy(update={"trace": [], "state": S.STARTING})
    assert record.count_quick_end(KILLED, NOON + timedelta(hours=1)) == 3


def test_a_reboot_has_no_pause_and_counts_as_no_end() -> None:
    record = exited(NOON, codes.GUEST_REBOOTED.reason, quick_ends=9)
    assert record.pause_left(NOON) == 0
    assert record.count_quick_end(codes.GUEST_REBOOTED.reason, NOON) == 9


def test_a_clock_that_was_set_back_keeps_no_vm_down() -> None:
    assert exited(NOON, quick_ends=3).pause_left(NOON - timedelta(hours=3)) == 0


async def test_a_worker_that_is_woken_by_its_own_report_waits_all_the_same(
    node: Node, new_placement: NewPlacement, clock: Callable[[], datetime]
) -> None:
    worker = PlacementWorker(node, new_placement(), exited(NOON, quick_ends=4))
    for _ in range(8):
        assert await worker.step() > 0
        clock.pass_seconds(1)
    assert worker.record.state is S.EXITED
    clock.pass_seconds(1)
    await worker.step()
    assert worker.record.state is S.PREPARING
