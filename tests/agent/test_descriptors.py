"""An agent of hundreds of VMs: it has files with numbers that ``select`` does not know."""

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from schedune_agent.system import processes
from schedune_agent.system.descriptors import is_ready
from schedune_agent.system.launcher import Given
from schedune_lab.certificates import Authority

BOOT_ID = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
HIGH = 1100
_SOFT, _MOST = resource.getrlimit(resource.RLIMIT_NOFILE)
needs_files = pytest.mark.skipif(_MOST < HIGH + 200, reason="not given: enough open files")


@pytest.fixture
def all_low_ones_taken() -> Iterator[None]:
    """Have so many files open that whatever is opened next has a high number."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (_MOST, _MOST))
    taken = [os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)]
    while taken[-1] < HIGH:
        taken.append(os.dup(taken[0]))
    yield
    for one in taken:
        os.close(one)
    resource.setrlimit(resource.RLIMIT_NOFILE, (_SOFT, _MOST))


@needs_files
@pytest.mark.usefixtures("all_low_ones_taken")
async def test_the_thousandth_vm_is_started_watched_and_ended_like_the_first(
    tmp_path: Path,
) -> None:
    with (tmp_path / "log").open("wb") as log:
        pid = processes.spawn(["/bin/sleep", "60"], Given("/bin/sleep", tmp_path, log.fileno()))
    found = processes.read_identity(pid, BOOT_ID)
    assert found is not None
    handle = processes.prove(found, BOOT_ID)
    assert handle is not None
    assert handle._descriptor > HIGH
    assert handle.is_alive
    assert not await handle.wait_gone(0.05)
    handle.send(signal.SIGKILL)
    assert await handle.wait_gone(5)
    assert not handle.is_alive
    assert handle.reap() == -signal.SIGKILL
    handle.close()


def test_a_file_that_is_not_open_says_nothing_rather_than_that_it_has_ended() -> None:
    hears, tells = os.pipe()
    assert not is_ready(hears)
    os.close(tells)
    assert is_ready(hears)
    os.close(hears)
    with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
        is_ready(hears)


def test_an_agent_takes_as_many_files_as_it_is_let(tmp_path: Path) -> None:
    told = {
        "kubernetes": {
            "server": "https://127.0.0.1:1",
            "caFile": str(Authority(tmp_path / "pki").certificate),
            "tokenFile": str(tmp_path / "no-token-yet"),
        },
        "stateDirectory": str(tmp_path / "state"),
        "runDirectory": str(tmp_path / "run"),
    }
    file = tmp_path / "settings.yaml"
    file.write_text(yaml.safe_dump(told))
    argv = [sys.executable, "-m", "schedune_agent", "run", "--settings", str(file)]
    with subprocess.Popen(["/bin/sh", "-c", 'ulimit -Sn 200; exec "$@"', "sh", *argv]) as agent:
        try:
            limits = Path(f"/proc/{agent.pid}/limits")
            deadline = time.monotonic() + 60
            while f"{_MOST} {_MOST}" not in " ".join(limits.read_text().split()):
                assert time.monotonic() < deadline
                time.sleep(0.1)
        finally:
            agent.kill()
