"""What is kept of a console: the last of it, bounded on disk, and no trap for who reads it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schedune_agent.vmm.console_log import ConsoleLog, escape, last_lines

HALF = 1000


def bytes_on_disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def test_a_guest_that_never_stops_writing_takes_no_more_room(tmp_path: Path) -> None:
    log, written = ConsoleLog(tmp_path, HALF), b""
    for number in range(3000):
        line = b"tick %d\n" % number
        log.append(line)
        written += line
        assert bytes_on_disk(tmp_path) <= 2 * HALF
    kept = log.whole()
    assert written.endswith(kept)
    assert len(kept) >= HALF - len(line)


def test_of_more_than_fits_at_once_the_last_is_kept(tmp_path: Path) -> None:
    log = ConsoleLog(tmp_path, HALF)
    log.append(b"x" * 5 * HALF + b"\nthe end\n")
    assert bytes_on_disk(tmp_path) <= HALF
    assert log.tail(1) == ("the end",)


def test_what_was_kept_is_there_for_the_next_agent(tmp_path: Path) -> None:
    ConsoleLog(tmp_path).append(b"one\ntwo\n")
    ConsoleLog(tmp_path).append(b"three\n")
    assert ConsoleLog(tmp_path).tail(2) == ("two", "three")


def test_an_incarnation_is_not_told_what_the_one_before_it_wrote(tmp_path: Path) -> None:
    log = ConsoleLog(tmp_path)
    log.begin(1)
    log.append(b"it was me\n")
    log.begin(2)
    assert log.tail(20) == ()
    log.append(b"I am new\n")
    assert log.tail(20) == ("I am new",)
    assert b"it was me" in log.whole()


def test_a_console_of_which_nothing_was_kept_is_empty(tmp_path: Path) -> None:
    log = ConsoleLog(tmp_path / "absent")
    assert (log.whole(), log.tail(20)) == (b"", ())
    log.append(b"nowhere to go\n")
    assert log.whole() == b""


def test_a_full_disk_loses_console_and_nothing_else(
    tmp_path: Path, full_disk: Callable[[], AbstractContextManager[None]]
) -> None:
    log = ConsoleLog(tmp_path)
    with full_disk():
        for _ in range(3):
            log.append(b"more than a hundred bytes " * 10)
    log.append(b"\nthere is room again\n")
    assert log.tail(1) == ("there is room again",)


def test_a_link_in_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    folder = tmp_path / "kept"
    folder.mkdir()
    (folder / "console.log").symlink_to(victim)
    ConsoleLog(folder).append(b"overwritten\n")
    assert victim.read_text() == "untouched"


def test_what_would_drive_a_terminal_is_shown_and_not_sent() -> None:
    assert escape(b"\x1b]0;owned\x07 caf\xc3\xa9 \xff \\") == r"\x1b]0;owned\x07 caf\xe9 \xff \\"


def test_why_a_kernel_panicked_is_told_though_its_registers_come_behind_it() -> None:
    before, behind = [b"fine %d" % n for n in range(40)], [b"RIP %d" % n for n in range(40)]
    panic = b"[ 3.03] Kernel panic - not syncing: sysrq triggered crash"
    lines = last_lines(b"\n".join([*before, panic, *behind]), 20)
    assert len(lines) == 20
    assert lines[0] == panic.decode()
    assert lines[1:10] == tuple(f"RIP {n}" for n in range(9))
    assert lines[10:] == ("...", *(f"RIP {n}" for n in range(31, 40)))


def test_a_short_panic_is_told_with_what_came_before_it() -> None:
    lines = last_lines(b"one\ntwo\nKernel panic - not syncing: VFS\nRIP\n", 3)
    assert lines == ("two", "Kernel panic - not syncing: VFS", "RIP")


@given(st.binary(max_size=3000), st.integers(0, 30))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_guest_writes_is_told_in_short_printable_lines(content: bytes, n: int) -> None:
    lines = last_lines(content, n)
    assert len(lines) <= n
    assert all(len(line) <= 200 and line.isascii() and line.isprintable() for line in lines)
