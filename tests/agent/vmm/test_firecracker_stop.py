"""How long a guest is asked to end: the ladder's own logic, with answers that are made up."""

import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from schedune.codes import execution as codes
from schedune_agent.system import processes
from schedune_agent.vmm.asking import grace_of
from schedune_agent.vmm.firecracker import vm as ladder
from schedune_agent.vmm.firecracker.vm import FirecrackerVm
from schedune_agent.vmm.http_socket import Answer
from schedune_agent.vmm.port import Request, VmmError, VmPaths

BOOT_ID = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
RUNNING = Answer(200, b'{"state": "Running"}')


@pytest.fixture
def guest(monkeypatch: pytest.MonkeyPatch) -> "Iterator[subprocess.Popen[bytes]]":
    """A process whose end is the guest's."""
    monkeypatch.setattr(ladder, "_HAS_KEYBOARD", platform.machine())
    monkeypatch.setattr(ladder, "_POLL_SECONDS", 0.05)
    with subprocess.Popen(["/bin/sleep", "60"]) as process:
        yield process
        process.kill()


@pytest.fixture
def vm(guest: "subprocess.Popen[bytes]", tmp_path: Path) -> FirecrackerVm:
    found = processes.read_identity(guest.pid, BOOT_ID)
    assert found is not None
    handle = processes.prove(found, BOOT_ID)
    assert handle is not None
    return FirecrackerVm(handle, VmPaths(tmp_path, tmp_path), "uid")


@pytest.mark.parametrize("lost", ["GET /", "PUT /actions"])
async def test_a_guest_whose_vmm_does_not_answer_at_once_is_asked_again_within_its_grace(
    vm: FirecrackerVm, guest: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    asked = []

    async def answer(request: Request, _timeout_s: float) -> Answer:
        asked.append(f"{request.method} {request.path}")
        if asked.count(lost) <= 3 and asked[-1] == lost:
            raise VmmError("it is busy")
        if request.method == "PUT":
            guest.terminate()
        return RUNNING

    monkeypatch.setattr(vm, "_answer", answer)
    end = await vm.stop(grace_of(30.0))
    assert asked.count("PUT /actions") == (4 if lost == "PUT /actions" else 1)
    assert end.row is codes.STOPPED_BY_GUEST
    vm.close()


async def test_one_that_never_answers_has_all_of_its_grace_and_no_more(
    vm: FirecrackerVm, guest: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    async def answer(request: Request, _timeout_s: float) -> Answer:
        asked.append(request.path)
        raise VmmError("it is busy")

    monkeypatch.setattr(vm, "_answer", answer)
    end = await vm.stop(grace_of(0.4))
    assert len(asked) > 3
    assert end.row is codes.HOST_STOPPED
    assert guest.wait(5) < 0
    vm.close()


async def test_one_that_was_asked_is_not_asked_again_at_each_look(
    vm: FirecrackerVm, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    async def answer(request: Request, _timeout_s: float) -> Answer:
        asked.append(request.path)
        return RUNNING

    monkeypatch.setattr(vm, "_answer", answer)
    assert (await vm.stop(grace_of(0.4))).row is codes.HOST_STOPPED
    assert asked == ["/", "/actions"]
    vm.close()
