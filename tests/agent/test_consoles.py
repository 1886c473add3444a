"""``schedune logs`` and ``schedune console``: what is kept on this node, for whoever may see it."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from schedune.api.vmplacement import Ended, PlacementState
from schedune.codes import execution as codes
from schedune.codes.row import Reason
from schedune.lifecycle.transitions import move
from schedune_agent.record import LaunchRecord, RecordStore, record_file
from schedune_agent.vmm.console_log import ConsoleLog
from schedune_testing.recordings import run

S = PlacementState
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
NewRecord = Callable[..., ConsoleLog]


def a_record(uid: str, *, ended: bool = False, age_s: int = 0) -> LaunchRecord:
    now = NOW - timedelta(seconds=age_s)
    return LaunchRecord(
        placement_uid=uid,
        workload_uid="workload",
        namespace="default",
        name="hello",
        state=S.RUNNING,
        trace=[move(None, S.PENDING, Reason(codes.PREPARING), now)],
        ended=Ended(time=now, reason="GuestPoweredOff") if ended else None,
    )


@pytest.fixture
def new_record(tmp_path: Path) -> NewRecord:
    def make(uid: str = "uid-1", *, ended: bool = False, age_s: int = 0) -> ConsoleLog:
        RecordStore(tmp_path).save(a_record(uid, ended=ended, age_s=age_s))
        return ConsoleLog(record_file(tmp_path, uid).parent)

    return make


def logs(folder: Path, *options: str) -> str:
    done = run("logs", "default/hello", "--state-directory", str(folder), *options)
    assert done.exit_code == 0, done.stderr
    return done.stdout


@contextmanager
def later(act: Callable[[], object]) -> Iterator[None]:
    """Do something in a moment, while a command waits for it."""
    timer = threading.Timer(1.0, act)
    timer.start()
    try:
        yield
    finally:
        timer.join()


def test_what_a_vm_wrote_is_printed_also_after_its_end(
    tmp_path: Path, new_record: NewRecord
) -> None:
    new_record(ended=True).append(b"one\r\ntwo\r\nlogin: ")
    assert logs(tmp_path) == "one\ntwo\nlogin: \n"
    assert logs(tmp_path, "--tail", "2") == "two\nlogin: \n"


def test_nothing_on_the_console_drives_the_terminal_that_shows_it(
    tmp_path: Path, new_record: NewRecord
) -> None:
    new_record().append(b"\x1b[1;32mOK\x1b[0m \x1b]52;c;ZXZpbA==\x07 \x9b2J\n")
    assert logs(tmp_path) == "OK \\x1b]52;c;ZXZpbA==\\x07 \\x9b2J\n"


def test_of_several_vms_of_a_name_the_living_one_is_meant_and_else_the_last(
    tmp_path: Path, new_record: NewRecord
) -> None:
    new_record("uid-1", ended=True, age_s=20).append(b"first\n")
    new_record("uid-2", ended=True, age_s=10).append(b"second\n")
    assert logs(tmp_path) == "second\n"
    new_record("uid-0", age_s=30).append(b"alive\n")
    assert logs(tmp_path) == "alive\n"


def test_who_follows_sees_what_comes_until_the_vm_ends(
    tmp_path: Path, new_record: NewRecord
) -> None:
    log = new_record()
    log.append(b"before\n")

    def go_on() -> None:
        log.append(b"after\n")
        time.sleep(1)
        RecordStore(tmp_path).save(a_record("uid-1", ended=True))

    with later(go_on):
        told = logs(tmp_path, "--follow")
    assert told == "before\nafter\n"


def test_who_follows_reads_every_byte_once_though_the_files_change_places(tmp_path: Path) -> None:
    log, written, read = ConsoleLog(tmp_path, half_bytes=1000), b"", b""
    reader = log.reader()
    for number in range(500):
        line = b"tick %d\n" % number
        log.append(line)
        written += line
        if number % 7 == 0:
            read += reader.read()
    assert read + reader.read() == written


def test_a_vm_that_is_not_here_is_said_to_be_elsewhere(tmp_path: Path) -> None:
    done = run("logs", "default/hello", "--state-directory", str(tmp_path))
    assert done.exit_code == 1
    assert "no record of a VM default/hello" in done.stderr
    assert "kubectl get vmp -n default hello -o wide" in done.stderr


@pytest.mark.parametrize("name", ["hello", "default/", "/hello", "a/b/c"])
def test_a_name_without_its_namespace_is_refused_with_how_to_write_it(name: str) -> None:
    done = run("logs", name)
    assert done.exit_code == 2
    assert "NAMESPACE/NAME" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can try it as somebody else")
def test_who_may_not_look_is_told_as_whom_to_look(tmp_path: Path, new_record: NewRecord) -> None:
    new_record().append(b"secret\n")
    os.seteuid(65534)
    try:
        done = run("logs", "default/hello", "--state-directory", str(tmp_path))
    finally:
        os.seteuid(0)
    assert done.exit_code == 2
    assert "may not be read by this user" in done.stderr
    assert "secret" not in done.output


def test_a_vm_at_which_nobody_can_sit_is_said_to_be_watched(
    tmp_path: Path, new_record: NewRecord
) -> None:
    new_record()
    places = ("--state-directory", str(tmp_path), "--run-directory", str(tmp_path))
    done = run("console", "default/hello", *places)
    assert done.exit_code == 2
    assert "no seat at this console: nobody answers" in done.stderr
    assert "`schedune logs --follow default/hello` shows it" in done.stderr


def test_a_record_that_cannot_be_read_is_left_to_the_agent(
    tmp_path: Path, new_record: NewRecord
) -> None:
    new_record("uid-1").append(b"mine\n")
    path = record_file(tmp_path, "uid-2")
    path.parent.mkdir()
    path.write_bytes(b"{")
    assert logs(tmp_path) == "mine\n"
    assert path.read_bytes() == b"{"


def test_who_has_seen_enough_ends_it_without_an_error(
    tmp_path: Path, new_record: NewRecord
) -> None:
    """As head does; what is kept is more than a pipe holds."""
    new_record().append(b"a line that is long\n" * 12_000)
    program = "from schedune_cli.main import main; main()"
    argv = [sys.executable, "-c", program, "logs", "default/hello"]
    with subprocess.Popen(
        [*argv, "--state-directory", tmp_path], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as done:
        assert done.stdout is not None
        assert done.stderr is not None
        assert done.stdout.read(1) == b"a"
        done.stdout.close()
        assert done.stderr.read() == b""
    assert done.returncode == 0
