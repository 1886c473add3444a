"""A run of chaos or of a measurement that somebody interrupts leaves nothing on the machine."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from schedune_agent.system import cgroup, processes
from schedune_agent.vmm.markers import carries_a_marker, option_marker
from schedune_testing.interrupted import leaving_no_vm

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 120.0


@pytest.fixture
def folder() -> Iterator[Path]:
    """All that a run makes is in here, and its name is on every command line of its VMs."""
    made = Path(tempfile.mkdtemp(prefix="schedune-i-"))
    made.chmod(0o711)  # VMs' own users pass it
    yield made
    shutil.rmtree(made)


def until(holds: Callable[[], object], process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert process.poll() is None
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def naming(folder: Path) -> list[int]:
    """Return the processes that name the folder, this test's own left out."""
    lines = processes.list_command_lines()
    return [pid for pid, argv in lines if any(str(folder) in part for part in argv)]


def vms(folder: Path) -> list[int]:
    """Return the VMs among them."""
    lines = dict(processes.list_command_lines())
    return [pid for pid in naming(folder) if carries_a_marker(lines.get(pid, ()))]


def interrupt(
    folder: Path,
    script: list[str],
    number: signal.Signals,
    has_begun: Callable[[Path], object],
    again: int = 0,
    errors: IO[bytes] | int = subprocess.DEVNULL,
) -> None:
    """Run a script, interrupt it once it has begun, and see that nothing of it is left."""
    support = os.pathsep.join(str(ROOT / one) for one in ("tests/support", "bench"))
    environment = {**os.environ, "TMPDIR": str(folder), "PYTHONPATH": support}
    before = cgroup.names()
    with subprocess.Popen(
        [sys.executable, *script], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL,
        stderr=errors,
    ) as run:  # fmt: skip
        until(lambda: has_begun(folder), run)
        uids = {path.name for path in folder.glob("*/run/*")}
        run.send_signal(number)
        for _ in range(1 if number is signal.SIGTERM else again):
            time.sleep(0.05)
            run.send_signal(number)  # as ``timeout`` does, or who is impatient
        assert run.wait(PATIENCE_S) != 0
    assert naming(folder) == []
    assert list(folder.iterdir()) == []
    assert not uids & (cgroup.names() - before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("script", [["tests/chaos", "--vms", "0"], ["bench/launch.py"]])
def test_an_interrupted_run_ends_its_vms_and_removes_what_it_made(
    folder: Path, script: list[str], number: signal.Signals
) -> None:
    interrupt(folder, script, number, vms)


def test_whoever_presses_ctrl_c_again_does_not_break_off_the_ending_of_chaos(folder: Path) -> None:
    script = ["tests/chaos", "--vms", "0", "--part", "agents"]
    with tempfile.TemporaryFile() as told:
        interrupt(folder, script, signal.SIGINT, vms, again=6, errors=told)
        told.seek(0)
        words = told.read().decode()
    assert words.count("is ending") == 1
    assert "During handling of the above" not in words


def test_whoever_presses_ctrl_c_again_does_not_break_off_what_an_event_loop_ends(
    folder: Path,
) -> None:
    (folder / "run").mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", ENDS_SLOWLY, str(folder)], stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests/support")},
    ) as run:  # fmt: skip
        until((folder / "begun").exists, run)
        for _ in range(4):
            run.send_signal(signal.SIGINT)
            time.sleep(0.1)
        told = run.communicate(timeout=PATIENCE_S)[1]
    assert sorted(one.name for one in folder.iterdir()) == ["after", "begun", "run", "within"]
    assert told.count("is ending") == 1


ENDS_SLOWLY = """
import asyncio, sys, time
from pathlib import Path
from schedune_testing.interrupted import only_the_first_interrupt

folder = Path(sys.argv[1])

async def work():
    with only_the_first_interrupt():
        try:
            (folder / "begun").touch()
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.5)
            (folder / "within").touch()

try:
    asyncio.run(work())
finally:
    time.sleep(0.3)
    (folder / "after").touch()
"""


def test_an_interrupt_that_strikes_while_a_process_is_made_is_not_lost() -> None:
    run = subprocess.run(
        [sys.executable, "-c", STRUCK_IN_A_FORK], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests/support")},
    )  # fmt: skip
    assert run.stdout == "taken\n", run.stderr
    assert "Exception ignored" not in run.stderr


STRUCK_IN_A_FORK = """
import os, signal
from schedune_testing.interrupted import hold_interrupts, take_interrupts

us = os.getpid()
os.register_at_fork(after_in_parent=lambda: os.kill(us, signal.SIGINT))
hold_interrupts()
child = os.fork()
if child == 0:
    os._exit(0)
try:
    take_interrupts()
except KeyboardInterrupt:
    print("taken")
os.waitpid(child, 0)
"""


def test_an_interrupted_measurement_of_operators_ends_its_control_plane(folder: Path) -> None:
    script = ["bench/rate.py", "--nodes", "20", "--count", "20", "--no-rival"]
    interrupt(folder, script, signal.SIGTERM, naming)


def test_vms_that_an_agent_left_are_ended_with_their_control_groups(folder: Path) -> None:
    uid, cluster = str(uuid.uuid4()), str(uuid.uuid4())
    sleep = "import time; time.sleep(60)"
    argv = [sys.executable, "-c", sleep, option_marker(uid, cluster), f"{folder}/{uid}/q.sock"]
    with subprocess.Popen(argv) as vm:
        for door in cgroup.make_groups(uid):
            door.write_text(str(vm.pid))
        until(lambda: vm.pid in naming(folder), vm)
        with pytest.raises(KeyboardInterrupt), leaving_no_vm(cluster, folder):
            raise KeyboardInterrupt
    assert naming(folder) == []
    assert uid not in cgroup.names()
