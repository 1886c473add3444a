"""Every move of a placement on disk: also those that its record no longer holds."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from schedune.api.vmplacement import PlacementState, TraceEntry
from schedune.codes import execution as codes
from schedune.codes.row import Reason
from schedune.lifecycle.transitions import note
from schedune_agent.trace_log import TraceLog

BEGIN = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def moves(count: int, first: int = 0) -> list[TraceEntry]:
    return [
        note(
            PlacementState.RUNNING,
            Reason(codes.GUEST_SILENT, f"{number}"),
            BEGIN + timedelta(seconds=number),
        )
        for number in range(first, first + count)
    ]


def told(log: TraceLog) -> list[str]:
    return [entry.message.rpartition(" ")[2] for entry in log.entries()]


def test_all_moves_are_kept_though_a_record_holds_the_last_only(tmp_path: Path) -> None:
    log, trace = TraceLog(tmp_path), list[TraceEntry]()
    for number in range(200):
        fresh = moves(1, number)
        trace = [*trace, *fresh][-64:]
        log.add(fresh, trace)
    assert told(TraceLog(tmp_path)) == [str(number) for number in range(200)]


def test_the_same_move_twice_in_a_second_is_told_twice(tmp_path: Path) -> None:
    log, once = TraceLog(tmp_path), moves(1)
    log.add(once, once)
    log.add(once, [*once, *once])
    assert told(log) == ["0", "0"]


def test_a_move_that_a_crash_kept_from_the_file_comes_with_the_next(tmp_path: Path) -> None:
    TraceLog(tmp_path).add(moves(3), moves(3))
    trace = moves(6)
    TraceLog(tmp_path).add(trace[-1:], trace)
    assert told(TraceLog(tmp_path)) == ["0", "1", "2", "3", "4", "5"]


def test_a_line_that_a_crash_cut_is_written_again(tmp_path: Path) -> None:
    TraceLog(tmp_path).add(moves(2), moves(2))
    path = tmp_path / "trace.log"
    path.write_bytes(path.read_bytes()[:-10])
    TraceLog(tmp_path).add(moves(1, 2), moves(3))
    assert told(TraceLog(tmp_path)) == ["0", "1", "2"]


def test_moves_that_a_full_disk_refused_come_with_the_next(
    tmp_path: Path, full_disk: Callable[[], AbstractContextManager[None]]
) -> None:
    log = TraceLog(tmp_path)
    log.add(moves(1), moves(1))
    with full_disk():
        log.add(moves(1, 1), moves(2))
    log.add(moves(1, 2), moves(3))
    assert told(TraceLog(tmp_path)) == ["0", "1", "2"]


def test_the_file_is_bounded_whatever_happens_to_a_vm(tmp_path: Path) -> None:
    log = TraceLog(tmp_path, half_bytes=2000)
    for number in range(300):
        log.add(moves(1, number), moves(1, number))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 4000
    assert told(log)[-1] == "299"
