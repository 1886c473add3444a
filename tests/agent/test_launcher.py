"""What a new program gets of its agent: what it is given, and nothing else."""

import ctypes
import os
import platform
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import pytest

from schedune_agent.system import cgroup, launcher_child, processes
from schedune_agent.system.descriptors import raise_limit
from schedune_agent.system.launcher import LAUNCHER, Given, Launcher, Reach, VmUser
from schedune_testing.dynamic_programs import put_interpreter, put_library, write_dynamic
from schedune_testing.stand_ins import write_stand_in

SLEEP = shutil.which("sleep") or "sleep"
USER = VmUser(64099, 64099, (64098,))
_landlock_abi = ctypes.CDLL(None).syscall(444, None, 0, 1)
needs_landlock = pytest.mark.skipif(_landlock_abi < 1, reason="not given: a kernel with Landlock")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="not given: root")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[IO[bytes]]:
    """The file of its complaints."""
    with (tmp_path / "log").open("w+b") as file:
        yield file


@pytest.fixture
def start(log: IO[bytes]) -> Iterator[Callable[..., int]]:
    """Start programs, and end them."""
    pids = []

    def one(*argv: str, program: str = SLEEP, **options: Any) -> int:
        given = Given(program, Path("/"), log.fileno(), **options)
        pids.append(processes.spawn(argv or ("sleeper", "60"), given))
        return pids[-1]

    yield one
    for pid in pids:
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def files_of(pid: int) -> Mapping[int, str]:
    """Return the files that a process holds, once it has loaded its own libraries."""
    folder = Path(f"/proc/{pid}/fd")
    while True:
        with suppress(FileNotFoundError):
            held = {int(one.name): str(one.readlink()) for one in folder.iterdir()}
            if not any(".so" in name for name in held.values()):
                return held


def set_action(number: int, action: ctypes.Array[ctypes.c_uint64]) -> ctypes.Array[ctypes.c_uint64]:
    """Say what a signal does to this process, past the C library; return what it did before."""
    call = {"x86_64": 13, "aarch64": 134}[platform.machine()]
    before = (ctypes.c_uint64 * 4)()
    libc = ctypes.CDLL(None)
    assert libc.syscall(call, int(number), ctypes.byref(action), ctypes.byref(before), 8) == 0
    return before


def status_of(pid: int) -> Mapping[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_it_is_executed_already_under_the_name_it_was_given(start: Callable[..., int]) -> None:
    pid = start("schedune-vm/of/mine", "60")
    assert Path(f"/proc/{pid}/cmdline").read_bytes() == b"schedune-vm/of/mine\x0060\0"


def test_it_is_our_child_so_that_we_learn_how_it_ended(start: Callable[..., int]) -> None:
    pid = start()
    assert status_of(pid)["PPid"] == str(os.getpid())
    found = processes.read_identity(pid, "boot")
    assert found is not None
    handle = processes.prove(found, "boot")
    assert handle is not None
    handle.send(signal.SIGTERM)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert handle.reap() == -signal.SIGTERM
    handle.close()


def test_it_has_a_session_of_its_own_and_no_right_to_gain_any(start: Callable[..., int]) -> None:
    told = status_of(start())
    assert told["NSsid"] == told["Pid"]
    for one in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(told[one], 16) == 0, one
    assert told["NoNewPrivs"] == "1"
    assert (told["SigBlk"], told["SigIgn"]) == ("0" * 16, "0" * 16)


@pytest.mark.parametrize("number", [signal.SIGHUP, 32])
def test_it_ignores_no_signal_that_whoever_began_the_agent_ignored(
    start: Callable[..., int], number: int
) -> None:
    """32 is the C library's own, which it lets nobody set."""
    LAUNCHER.end()
    before = set_action(number, (ctypes.c_uint64 * 4)(signal.SIG_IGN))
    try:
        pid = start()
    finally:
        LAUNCHER.end()
        set_action(number, before)
    assert status_of(pid)["SigIgn"] == "0" * 16


@as_root
def test_it_is_the_user_that_was_asked_for_and_in_no_other_group(start: Callable[..., int]) -> None:
    told = status_of(start(user=USER))
    assert told["Uid"].split() == ["64099"] * 4
    assert told["Gid"].split() == ["64099"] * 4
    assert told["Groups"].split() == ["64098"]
    assert int(told["CapBnd"], 16) == 0


def test_it_holds_no_file_but_those_it_was_given_under_their_numbers(
    start: Callable[..., int], tmp_path: Path
) -> None:
    secret = os.open(tmp_path / "secret", os.O_RDWR | os.O_CREAT)
    os.set_inheritable(secret, True)
    given = os.open(tmp_path / "given", os.O_RDWR | os.O_CREAT)
    try:
        pid = start(descriptors={3: given, 9: given})
    finally:
        os.close(secret)
        os.close(given)
    held = files_of(pid)
    there = str(tmp_path / "given")
    log = str(tmp_path / "log")
    assert held == {0: os.devnull, 1: os.devnull, 2: log, 3: there, 9: there}


@needs_landlock
@pytest.mark.parametrize("user", [None, pytest.param(USER, marks=as_root)], ids=["ours", "own"])
def test_one_with_a_reach_opens_what_is_in_it_and_nothing_else(
    start: Callable[..., int], tmp_path: Path, log: IO[bytes], user: VmUser | None
) -> None:
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    own, read, secret = tmp_path / "run", tmp_path / "read", tmp_path / "secret"
    own.mkdir()
    own.chmod(0o777)
    read.write_text("allowed\n")
    secret.write_text("of others\n")
    systems = (Path("/bin"), Path("/usr"), Path("/lib"), Path("/lib64"), Path("/etc/ld.so.cache"))
    reach = Reach((read, *systems, Path("/not/there")), (own, Path(os.devnull)))
    made = own / "made"
    tried = (f"cat {read} {secret}", f"echo x >>{read}", f"ls {tmp_path}", f"echo mine >{made}")
    script = f"({'; '.join(tried)}; cat {made}) >&2"
    pid = start("sh", "-c", script, program=shutil.which("sh") or "sh", reach=reach, user=user)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    log.seek(0)
    said = log.read().decode()
    assert ("allowed\n" in said, "mine\n" in said, "of others" in said) == (True, True, False)
    assert said.lower().count("permission denied") == len(("secret", "write", "list"))
    assert read.read_text() == "allowed\n"


@needs_landlock
@pytest.mark.parametrize("run_path", ["{folder}/lib", "$ORIGIN/../lib", "${{ORIGIN}}/../lib:/none"])
def test_one_with_a_reach_is_loaded_out_of_the_folders_that_it_names_itself(
    start: Callable[..., int], tmp_path: Path, log: IO[bytes], run_path: str
) -> None:
    """As from a store of packages, where nothing is in the usual places."""
    interpreter = put_interpreter(tmp_path / "store" / "loader")
    put_library(tmp_path / "lib")
    named = run_path.format(folder=tmp_path)
    program = write_dynamic(tmp_path / "bin" / "vmm", interpreter, named)
    pid = start("vmm", program=str(program), reach=Reach((program,), ()))
    ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    log.seek(0)
    assert (ended and ended.si_status, log.read()) == (0, b"")


def test_what_a_program_names_widens_its_reach_by_no_root_and_by_no_relative_folder(
    tmp_path: Path,
) -> None:
    interpreter = put_interpreter(tmp_path / "loader")
    program = write_dynamic(tmp_path / "vmm", interpreter, f"/:/usr/..:lib::{tmp_path}")
    found = launcher_child._loaded_from(str(program))
    assert found == [str(interpreter), str(interpreter.parent), str(tmp_path)]


@pytest.mark.parametrize("length", [0, 20, 64, 100, 300])
def test_a_program_that_is_none_or_is_cut_off_names_nothing(tmp_path: Path, length: int) -> None:
    program = write_dynamic(tmp_path / "vmm", Path("/lib/none.so"), str(tmp_path))
    program.write_bytes(program.read_bytes()[:length])
    static = write_stand_in(tmp_path / "static")
    found = launcher_child._loaded_from(str(program))
    assert str(tmp_path) not in found
    assert launcher_child._loaded_from(str(static)) == []


def test_it_inherits_no_variable_and_leaves_no_core(
    start: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_AGENT", "x")
    pid = start()
    told = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    assert {one.partition(b"=")[0] for one in told} == {b"", b"PATH", b"LC_ALL"}
    limits = Path(f"/proc/{pid}/limits").read_text()
    assert next(one for one in limits.splitlines() if "core" in one).split()[4:6] == ["0", "0"]


def test_it_may_open_as_many_files_as_its_agent_might_before_that_took_all_it_is_let(
    log: IO[bytes],
) -> None:
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, most))
    one = Launcher()
    try:
        raise_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (most, most)
        pid = one.launch(("sleeper", "60"), Given(SLEEP, Path("/"), log.fileno()))
    finally:
        one.end()
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))
    limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    (told,) = (line.split() for line in limits if line.startswith("Max open files"))
    assert told[3:5] == ["512", str(most)]


@as_root
def test_it_is_no_likelier_to_be_killed_than_others_whatever_the_agent_is(
    start: Callable[..., int],
) -> None:
    mine = Path("/proc/self/oom_score_adj")
    before = mine.read_text()
    mine.write_text("300")
    LAUNCHER.end()
    try:
        pid = start()
    finally:
        LAUNCHER.end()
        mine.write_text(before)
    assert Path(f"/proc/{pid}/oom_score_adj").read_text().strip() == "0"


@pytest.mark.skipif(not cgroup.can_contain(), reason="not given: control groups")
def test_it_begins_in_its_groups_in_every_hierarchy(start: Callable[..., int]) -> None:
    name = f"launcher-{os.getpid()}"
    doors = cgroup.make_groups(name)
    try:
        pid = start(doors=doors)
        within = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
        assert [one for one in within if not one.endswith(f"/{name}")] == []
        assert len(within) >= len(doors)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert cgroup.remove_groups(name)


def test_what_cannot_be_executed_is_told_and_leaves_nobody(start: Callable[..., int]) -> None:
    mine = Path(f"/proc/self/task/{os.getpid()}/children")
    start()
    before = mine.read_text()
    with pytest.raises(OSError, match="No such file"):
        start(program="/nowhere")
    assert mine.read_text() == before


def test_a_launcher_that_was_killed_is_followed_by_another(start: Callable[..., int]) -> None:
    start()
    os.kill(LAUNCHER._process.pid, signal.SIGKILL)
    time.sleep(0.2)
    start()


def test_one_that_hangs_is_told_and_starts_nothing_later(
    log: IO[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("schedune_agent.system.launcher._ANSWER_SECONDS", 0.2)
    one = Launcher()
    one.begin()
    os.kill(one._process.pid, signal.SIGSTOP)
    mark = f"late-{os.getpid()}"
    with pytest.raises(OSError, match="does not answer"):
        one.launch((mark, "60"), Given(SLEEP, Path("/"), log.fileno()))
    assert one._process is None
    assert not [argv for _, argv in processes.list_command_lines() if argv[0] == mark]
    one.end()


def test_a_program_of_an_agent_that_is_gone_is_not_started(tmp_path: Path) -> None:
    """Else the next agent, which looked for it already, would start a second one."""
    mark = f"orphan-{os.getpid()}"
    code = f"""
import os, signal, socket
from pathlib import Path
from schedune_agent.system import launcher
one = launcher.Launcher()
one.begin()
os.kill(one._process.pid, signal.SIGSTOP)
print(one._process.pid, flush=True)
log = os.open({str(tmp_path / "log")!r}, os.O_RDWR | os.O_CREAT)
given = launcher.Given({SLEEP!r}, Path("/"), log)
r, w = os.pipe()
socket.send_fds(one._socket, [launcher._message(({mark!r}, "60"), given)], [w, log])
os.kill(os.getpid(), signal.SIGKILL)
"""
    agent = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=False)
    launcher = int(agent.stdout)
    handle = os.pidfd_open(launcher)
    os.kill(launcher, signal.SIGCONT)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{launcher}/cmdline").exists() and time.monotonic() < deadline:
        if status_of(launcher)["State"].startswith("Z"):
            break
        time.sleep(0.05)
    os.close(handle)
    time.sleep(0.3)
    assert not [argv for _, argv in processes.list_command_lines() if argv[0] == mark]
