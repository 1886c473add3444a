"""Processes are recognised by who they are, never by number."""

import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from schedune_agent.system import processes
from schedune_agent.system.child import run_child

SLEEP = ["/bin/sleep", "60"]
BOOT_ID = Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def identity_of(child: subprocess.Popen[bytes]) -> processes.ProcessIdentity:
    """Read it once /proc shows the command line: a moment after the parent goes on."""
    while True:
        found = processes.read_identity(child.pid, BOOT_ID)
        assert found is not None
        if found.argv_digest == processes.digest_argv(SLEEP):
            return found


def identify(child: "subprocess.Popen[bytes]") -> processes.ProcessIdentity:
    """Return who a child is, once /proc shows its command line: a moment after it was started."""
    wanted, deadline = processes.digest_argv(["/bin/sleep", "60"]), time.monotonic() + 10
    while True:
        found = processes.read_identity(child.pid, BOOT_ID)
        assert found is not None
        if found.argv_digest == wanted:
            return found
        assert time.monotonic() < deadline


def test_a_process_is_proved_and_only_then_signalled() -> None:
    with subprocess.Popen(SLEEP) as child:
        found = identity_of(child)
        handle = processes.prove(found, BOOT_ID)
        assert handle is not None
        assert handle.is_alive
        handle.send(signal.SIGKILL)
        assert child.wait(5) == -signal.SIGKILL
        handle.close()


@pytest.mark.parametrize("field", ["start_time", "boot_id", "executable", "argv_digest"])
def test_a_reused_number_is_not_the_process_that_was_recorded(field: str) -> None:
    other = {"start_time": 1, "boot_id": "x", "executable": (0, 0), "argv_digest": "x"}
    with subprocess.Popen(SLEEP) as child:
        found = identity_of(child)
        assert processes.prove(replace(found, **{field: other[field]}), BOOT_ID) is None
        child.kill()


def test_a_program_whose_name_looks_like_fields_is_read_right(tmp_path: Path) -> None:
    """Its name stands in parentheses in /proc/PID/stat, and may hold some itself."""
    program = shutil.copy("/bin/sleep", tmp_path / ") Z 1 (a) R 2")
    with subprocess.Popen([program, "60"]) as child:
        found = processes.read_identity(child.pid, BOOT_ID)
        assert found is not None
        started = psutil.Process(child.pid).create_time() - psutil.boot_time()
        assert found.start_time / os.sysconf("SC_CLK_TCK") == pytest.approx(started, abs=1)
        child.kill()


@pytest.mark.parametrize(
    "name",
    ["виртуалка".encode(), b"\xff\xfe", b"a\x0cUid:\tx", b"a\nUid:\tx", b"\xc2\x85Seccomp:"],
    ids=["cut inside a letter", "no text", "form feed", "line", "next line"],
)
def test_a_process_whose_name_is_no_text_or_several_lines_is_read_like_any_other(
    tmp_path: Path, name: bytes
) -> None:
    """The kernel keeps 15 bytes of a name, and anybody may give himself any."""
    program = shutil.copy("/bin/sleep", tmp_path / os.fsdecode(name))
    with subprocess.Popen([program, "60"]) as child:
        while Path(f"/proc/{child.pid}/comm").read_bytes() != name[:15] + b"\n":
            time.sleep(0.01)
        assert processes.read_identity(child.pid, BOOT_ID) is not None
        assert processes.read_key(child.pid, BOOT_ID) is not None
        assert processes.parent_of(child.pid) == os.getpid()
        assert processes.user_of(child.pid) == os.geteuid()
        assert os.geteuid() in processes.living_users()
        own = processes.threads_without_seccomp(os.getpid())
        assert bool(processes.threads_without_seccomp(child.pid)) is bool(own)
        child.kill()


def test_a_zombie_is_no_living_process() -> None:
    child = subprocess.Popen(["/bin/true"])
    while Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        pass
    assert processes.read_identity(child.pid, BOOT_ID) is None
    child.wait()


async def test_a_child_that_hangs_is_killed_at_its_deadline() -> None:
    result = await run_child([sys.executable, "-c", "import time; time.sleep(60)"], deadline_s=0.3)
    assert result.timed_out


async def test_a_child_that_floods_is_kept_to_the_limit() -> None:
    code = "import sys; sys.stdout.write('x' * 10**7)"
    result = await run_child([sys.executable, "-c", code], deadline_s=20, limit=1000)
    assert result.exit_code == 0
    assert len(result.stdout) == 1000


def tells_exits() -> bool:
    """Say whether this kernel tells how another's child ended."""
    major, minor = platform.release().split(".")[:2]
    return (int(major), int(re.match(r"\d+", minor)[0])) >= (6, 15)  # type: ignore[index]


@pytest.mark.parametrize(
    ("script", "code"), [("exit 7", 7), ("sh -c 'kill -9 $PPID'; true", -9), ("exit 0", 0)]
)
def test_how_another_ones_child_ended_is_told_where_the_kernel_knows(
    script: str, code: int
) -> None:
    parent_script = (
        f"exec 3<&0; (read x <&3; {script}) & echo $!; wait $!; echo collected; sleep 60"
    )
    with subprocess.Popen(
        ["/bin/sh", "-c", parent_script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        found = processes.read_identity(pid, BOOT_ID)
        assert found is not None
        handle = processes.prove(found, BOOT_ID)
        assert handle is not None
        assert handle.reap() is None
        parent.stdin.write(b"go\n")
        parent.stdin.flush()
        assert parent.stdout.readline() == b"collected\n"
        assert not handle.is_alive
        assert handle.reap() == (code if tells_exits() else None)
        handle.close()
        parent.kill()
