"""What the end of a Firecracker means, what one lacks, and how what it writes is kept."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from schedune.codes import execution
from schedune.codes import firecracker as limits
from schedune.codes.row import Row
from schedune.lifecycle.restart import restarts
from schedune_agent.system.processes import threads_without_seccomp
from schedune_agent.vmm.console_log import HALF_BYTES, ConsoleLog
from schedune_agent.vmm.firecracker.metrics import KEPT, MOST_BYTES
from schedune_agent.vmm.firecracker.output import Output
from schedune_agent.vmm.firecracker.requests import console_pipe, log_pipe, metrics_pipe
from schedune_agent.vmm.firecracker.vm import judge_exit, judge_limits
from schedune_agent.vmm.port import VmPaths


@pytest.fixture
def paths(tmp_path: Path) -> VmPaths:
    (tmp_path / "run").mkdir()
    found = VmPaths(tmp_path / "run", tmp_path / "vms" / "uid")
    found.kept.mkdir(parents=True)
    return found


def tail(paths: VmPaths, output: Output) -> tuple[str, ...]:
    output.drain()
    return ConsoleLog(paths.kept).tail(20)


@pytest.fixture
def output(paths: VmPaths) -> Iterator[Output]:
    made = Output(paths)
    made.make()
    yield made
    made.close()


def write(path: Path, content: bytes) -> None:
    """Write as Firecracker does: it holds both ends and waits for nobody."""
    descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    while content:
        content = content[os.write(descriptor, content) :]
    os.close(descriptor)


@pytest.mark.parametrize(
    ("code", "panicked", "row"),
    [
        (0, False, limits.GUEST_RESET),
        (0, True, execution.GUEST_PANICKED),
        (None, False, execution.EXIT_UNKNOWN),
        (None, True, execution.GUEST_PANICKED),
        (-9, True, execution.VMM_KILLED),
        (1, False, execution.VMM_KILLED),
        (148, True, execution.VMM_KILLED),
    ],
)
def test_a_reboot_and_a_panic_look_alike_but_for_the_console(
    code: int | None, panicked: bool, row: Row
) -> None:
    assert judge_exit(code, panicked=panicked) is row


@pytest.mark.parametrize(
    ("policy", "again"), [("Always", True), ("OnFailure", True), ("Never", False)]
)
def test_what_may_be_a_reboot_is_followed_by_the_restart_policy(policy: str, again: bool) -> None:
    assert restarts(policy, limits.GUEST_RESET.reason) is again


def test_what_a_vm_lacks_is_told_and_nothing_else() -> None:
    assert [one.row for one in judge_limits("x86_64", [])] == [limits.HALT_UNSEEN]
    told = list(judge_limits("aarch64", ["fc_api", "fc_vcpu 0"]))
    assert [one.row for one in told] == [
        limits.HALT_UNSEEN, limits.NO_ORDERLY_STOP, limits.NO_SECCOMP,
    ]  # fmt: skip
    assert "aarch64" in told[1].message
    assert "fc_api, fc_vcpu 0" in told[2].message


def test_threads_without_a_filter_are_read_from_the_kernel() -> None:
    status = Path("/proc/self/status").read_text()
    bare = "Seccomp:\t0" in status
    assert bool(threads_without_seccomp(os.getpid())) == bare
    assert threads_without_seccomp(2**22 + 1) == []


def test_the_last_lines_of_the_console_are_kept_and_escaped(paths: VmPaths, output: Output) -> None:
    write(console_pipe(paths), b"one\r\n\x1b[2Jtwo\n\n" + b"x" * 500 + b"\nlast \xff\n")
    told = tail(paths, output)
    assert told[:2] == ("one", "\\x1b[2Jtwo")
    assert len(told[2]) == 200
    assert told[3] == "last \\xff"


def test_a_panic_is_found_far_above_the_last_lines(paths: VmPaths, output: Output) -> None:
    write(console_pipe(paths), b"Kernel panic - not syncing: x\n" + b"trace\n" * 200)
    assert output.holds(b"Kernel panic - not syncing")


def test_a_panic_of_an_incarnation_before_is_not_this_ones(paths: VmPaths, output: Output) -> None:
    write(console_pipe(paths), b"Kernel panic - not syncing: x\n")
    output.drain()
    ConsoleLog(paths.kept).begin(2)
    write(console_pipe(paths), b"a new boot\n")
    assert not output.holds(b"Kernel panic")
    assert output.holds(b"a new boot")


def test_a_guest_that_writes_without_end_costs_no_more_than_the_kept_console(
    paths: VmPaths, output: Output
) -> None:
    for number in range(20, 40):
        write(console_pipe(paths), b"%d " % number * 80000)
        output.drain()
    assert not output.holds(b"20 ")
    assert output.holds(b"39 ")
    assert len(ConsoleLog(paths.kept).whole()) <= 2 * HALF_BYTES


def test_a_log_that_a_guest_makes_long_is_cut_off(paths: VmPaths, output: Output) -> None:
    for _ in range(5):
        write(log_pipe(paths), b"warning\n" * 4000)
        output.drain()
    assert paths.log.stat().st_size == 65536


def flush(**counted: object) -> bytes:
    return json.dumps({"utc_timestamp_ms": 1, "seccomp": {"num_faults": 0}, **counted}).encode()


def test_the_last_metrics_are_kept_and_only_what_is_a_fault_is_told(
    paths: VmPaths, output: Output
) -> None:
    quiet = flush(vcpu={"failures": 0, "exit_io_in": 9}, signals={"sigsegv": 0})
    write(metrics_pipe(paths), flush() + b"\n" + quiet + b"\n")
    output.drain()
    assert (paths.kept / KEPT).read_bytes() == quiet + b"\n"
    assert not paths.log.exists()
    last = flush(seccomp={"num_faults": 1}, vcpu={"failures": 2}, signals={"sigbus": 3})
    write(metrics_pipe(paths), last[:100])
    output.drain()
    assert (paths.kept / KEPT).read_bytes() == quiet + b"\n"
    write(metrics_pipe(paths), last[100:] + b"\n")
    output.drain()
    assert (paths.kept / KEPT).read_bytes() == last + b"\n"
    assert paths.log.read_text().splitlines() == [
        "metrics: seccomp.num_faults 1", "metrics: vcpu.failures 2", "metrics: signals.sigbus 3",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        b"no json\n", b"[1]\n", b"[" * 60000 + b"\n",
        b'{"seccomp": 1, "vcpu": {"failures": true}}\n',
        b'{"vcpu": {"failures": -1}, "signals": {"sigbus": "x\\n"}}\n',
    ],
)  # fmt: skip
def test_metrics_that_are_none_tell_nothing(paths: VmPaths, output: Output, content: bytes) -> None:
    write(metrics_pipe(paths), content)
    output.drain()
    assert not paths.log.exists()


def test_metrics_without_end_are_bounded(paths: VmPaths, output: Output) -> None:
    for _ in range(20):
        write(metrics_pipe(paths), b"x" * 60000)
        output.drain()
    assert len(output._metrics._rest) <= MOST_BYTES
    for _ in range(2000):
        write(metrics_pipe(paths), flush(vcpu={"failures": 1}, pad="y" * 1000) + b"\n")
        output.drain()
    assert (paths.kept / KEPT).stat().st_size < 2000
    assert paths.log.stat().st_size <= 65536
    assert {one.name for one in paths.kept.iterdir()} == {KEPT, "vmm.log"}


def test_a_vm_whose_pipes_are_of_an_agent_before_metrics_is_drained_all_the_same(
    paths: VmPaths, output: Output
) -> None:
    metrics_pipe(paths).unlink()
    later = Output(paths)
    write(console_pipe(paths), b"hello\n")
    assert tail(paths, later) == ("hello",)
    later.close()


def test_without_pipes_there_is_nothing_to_tell(paths: VmPaths) -> None:
    assert tail(paths, Output(paths)) == ()
