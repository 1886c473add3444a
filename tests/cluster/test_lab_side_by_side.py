"""Two labs on one machine do not meet, nor do their VMs; what crashes can be taken down.

Both labs live through all tests, which come in the order of their lives.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from schedune_lab import lab as labs
from schedune_lab.lab import Lab
from schedune_lab.processes import Identity, start_time
from schedune_lab.state import State
from schedune_testing.waiting import processes_of, until

pytestmark = [pytest.mark.cluster, pytest.mark.vm]
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, Lab]]:
    """Bring two labs up at the same time, and one of them twice."""
    one, other = (tmp_path_factory.mktemp(name) / "state" for name in ("one", "other"))
    with ThreadPoolExecutor() as pool:
        first, again, second = pool.map(labs.up, (one, one, other))
    assert first == again
    yield first, second
    for folder in (one, other):
        labs.down(folder)


def kubectl(lab: Lab, *arguments: str) -> str:
    argv = [str(lab.kubectl), "--kubeconfig", str(lab.user_kubeconfig), *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def placement(lab: Lab) -> dict[str, Any]:
    return dict(json.loads(kubectl(lab, "get", "vmp", "hello", "-o", "json")))


def pid(lab: Lab) -> int:
    return int(placement(lab)["status"]["vmm"]["pid"])


def parts(lab: Lab) -> list[Identity | None]:
    state = State(lab.state)
    return [state.supervisor(), *(state.alive(part.name) for part in state.parts())]


def test_a_vm_of_one_name_runs_in_each_and_is_another(pair: tuple[Lab, Lab]) -> None:
    for lab in pair:
        kubectl(lab, "apply", "-f", str(EXAMPLES / "hello.yaml"))
    for lab in pair:
        kubectl(lab, "wait", "--for=condition=Ready", "vmw/hello", "--timeout=180s")
    assert pid(pair[0]) != pid(pair[1])
    for lab, other in (pair, reversed(pair)):
        command = Path(f"/proc/{pid(lab)}/cmdline").read_bytes()
        assert placement(lab)["metadata"]["uid"].encode() in command
        assert str(lab.state).encode() in command
        assert str(other.state).encode() not in command


def test_each_agent_that_comes_back_adopts_its_own_vm(pair: tuple[Lab, Lab]) -> None:
    before = [pid(lab) for lab in pair]
    for lab in pair:
        lab.kill_agent(lab.node)
    for lab in pair:
        lab.start_agent(lab.node)

    def adopted(lab: Lab) -> bool:
        codes = [one["code"] for one in placement(lab)["status"]["trace"]]
        return "RECOVERY_CONFIRMED" in codes

    until(lambda: all(adopted(lab) for lab in pair))
    for lab in pair:
        kubectl(lab, "wait", "--for=condition=Ready", "vmw/hello", "--timeout=60s")
    assert [pid(lab) for lab in pair] == before


def test_nothing_of_a_lab_acts_as_system_masters(pair: tuple[Lab, Lab]) -> None:
    lab = pair[0]
    held = sorted(path.name for path in lab.state.glob("*.kubeconfig"))
    assert held == ["controllers.kubeconfig", "lab.kubeconfig", "user.kubeconfig"]
    for name in held:
        argv = ["auth", "whoami", "-o", "jsonpath={.status.userInfo.groups}"]
        groups = json.loads(kubectl(lab, f"--kubeconfig={lab.state / name}", *argv))
        assert "system:masters" not in groups, name
    assert not list(lab.state.rglob("admin.*"))
    assert not list(lab.state.rglob("ca.key"))


def test_down_after_a_crash_ends_one_lab_whole_and_leaves_the_other(pair: tuple[Lab, Lab]) -> None:
    one, other = pair
    vm, others_vm, others_parts = pid(one), pid(other), parts(other)
    supervisor, facts = State(one.state).supervisor(), State(one.state).facts()
    assert supervisor
    assert facts
    os.kill(supervisor.pid, signal.SIGKILL)
    until(lambda: start_time(supervisor.pid) is None)
    assert labs.find(one.state) is None
    assert start_time(vm) is not None
    labs.down(one.state)
    assert start_time(vm) is None
    assert processes_of(one.state) == []
    assert not one.state.exists()
    assert not Path(facts.runs).exists()
    assert start_time(others_vm) is not None
    assert parts(other) == others_parts
    assert pid(other) == others_vm


def test_down_ends_what_an_up_that_was_killed_had_started(tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    code = "import pathlib, sys, schedune_lab.lab as labs; labs.up(pathlib.Path(sys.argv[1]))"
    process = subprocess.Popen([sys.executable, "-c", code, str(folder)], stderr=subprocess.DEVNULL)
    until(lambda: State(folder).alive("kube-apiserver"))
    process.kill()
    process.wait()
    assert labs.find(folder) is None
    labs.down(folder)
    assert processes_of(folder) == []
    assert not folder.exists()
