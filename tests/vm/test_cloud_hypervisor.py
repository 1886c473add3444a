"""The real Cloud Hypervisor, where its binary is given: what it does of what the adapter counts on.

KVM need not run guests for it. In a machine whose KVM works ``check_cloud_hypervisor`` boots
guests; what every adapter must do is in ``test_contract``.
"""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from schedune.api.vmplacement import LaunchDisk
from schedune.api.vmworkload import Backend
from schedune.codes import execution as codes
from schedune_agent.system import processes
from schedune_agent.system.launcher import Given
from schedune_agent.vmm.asking import grace_of, no_grace
from schedune_agent.vmm.cloud_hypervisor.requests import API, CREATE, events_file
from schedune_agent.vmm.http_socket import HttpSocket
from schedune_agent.vmm.port import (
    DiskFiles,
    LaunchFiles,
    Request,
    Vm,
    VmmRefusalError,
)
from schedune_testing.bare_vms import BareVm, binary_of, short_folder

CLOUD_HYPERVISOR = Backend.CLOUD_HYPERVISOR
LANDLOCK_ABI = 3


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as made:
        yield made


@pytest.fixture
async def bare(folder: Path) -> AsyncIterator[BareVm]:
    """One that is not started yet, and is gone afterwards."""
    binary_of(CLOUD_HYPERVISOR)
    one = BareVm(CLOUD_HYPERVISOR, folder)
    yield one
    one.close()
    await asyncio.sleep(0)


async def ask(bare: BareVm, method: str, call: str, body: str = "") -> str:
    """Ask it as a stranger would; return the status and what it says."""
    api = HttpSocket(bare.adapter.control_socket(bare.paths), bare.pids()[0])
    answer = await api.request(method, f"{API}/{call}", body, timeout_s=20)
    return f"{answer.status} {answer.body.decode()}"


def without_landlock(plan_body: str) -> str:
    return json.dumps({**json.loads(plan_body), "landlock_enable": False})


async def state(bare: BareVm) -> str:
    told = (await ask(bare, "GET", "vm.info")).partition(" ")[2]
    return str(json.loads(told)["state"])


async def test_disks_of_each_kind_are_taken_with_landlock_on(bare: BareVm, folder: Path) -> None:
    (folder / "data").write_bytes(bytes(2**20))
    (folder / "copy").write_bytes(bytes(2**20))
    read = LaunchDisk.model_validate({"name": "base", "format": "Raw", "access": "ReadOnly"})
    write = LaunchDisk.model_validate({"name": "data-1", "format": "Raw", "access": "Ephemeral"})
    disks = (
        DiskFiles(read, folder / "data", folder / "none"),
        DiskFiles(write, folder / "data", folder / "copy"),
    )
    files = LaunchFiles(bare.inputs.files.kernel, None, disks)
    bare.inputs = replace(bare.inputs, files=files, landlock_abi=LANDLOCK_ABI)
    vm = await bare.run()
    assert await vm.is_running()
    status = Path(f"/proc/{vm.handle.identity.pid}/task")
    filtered = [
        "Seccomp:\t2" in (one / "status").read_text()
        for one in status.iterdir()
        if one.name != str(vm.handle.identity.pid)
    ]
    assert filtered
    assert all(filtered)
    told = await ask(bare, "PUT", "vm.add-disk", json.dumps({"path": "/etc/passwd", "id": "x"}))
    assert "Permission denied" in told, "Landlock does not keep it from other files"


async def test_nothing_is_booted_after_a_create_that_failed(bare: BareVm) -> None:
    vm = await bare.start()
    create, boot = bare.plan.requests
    body = {**json.loads(create.body), "serial": {"mode": "Socket", "socket": "/no/such/c.sock"}}
    with pytest.raises(VmmRefusalError, match=r"vm\.create: Error from API"):
        await vm.begin([Request.of("PUT", CREATE, body), boot])
    assert not await vm.is_running()
    assert '"booting"' not in events_file(bare.paths).read_text()


async def test_a_vm_that_an_agent_created_before_it_was_killed_is_made_anew_and_not_trusted(
    bare: BareVm,
) -> None:
    bare.inputs = replace(bare.inputs, landlock_abi=LANDLOCK_ABI)
    vm = await bare.start()
    create, _ = bare.plan.requests
    assert (await ask(bare, "PUT", "vm.create", without_landlock(create.body))).startswith("204")
    await vm.begin(bare.plan.requests)
    assert await vm.is_running()
    assert '"landlock_enable":true' in await ask(bare, "GET", "vm.info")


async def test_a_misspelt_member_is_not_sent_since_it_would_be_passed_over(bare: BareVm) -> None:
    vm = await bare.start()
    create, boot = bare.plan.requests
    body = {**json.loads(create.body), "landlock_enabled": True}
    wrong = Request.of("PUT", CREATE, body)
    assert (await ask(bare, "PUT", "vm.create", wrong.body)).startswith("204")
    assert (await ask(bare, "PUT", "vm.delete")).startswith("204")
    with pytest.raises(VmmRefusalError, match="landlock_enabled"):
        await vm.begin([wrong, boot])
    assert not await vm.is_running()


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"no kernel " * 100, "bzImage"), (None, r"Cannot open kernel file")],
    ids=["text", "missing"],
)
async def test_what_it_refuses_is_told_in_its_own_words_and_it_can_be_ended(
    bare: BareVm, folder: Path, content: bytes | None, told: str
) -> None:
    if content is not None:
        (folder / "text").write_bytes(content)
    bare.inputs = replace(bare.inputs, files=LaunchFiles(folder / "text", None))
    vm = await bare.start()
    with pytest.raises(VmmRefusalError, match=rf"vm\.boot: .*{told}"):
        await vm.begin(bare.plan.requests)
    assert (await vm.stop(no_grace)).row is codes.HOST_STOPPED
    assert bare.pids() == []


async def test_a_vm_that_was_shut_down_is_over_and_is_not_booted_again(bare: BareVm) -> None:
    vm = await bare.run()
    assert (await ask(bare, "PUT", "vm.shutdown")).startswith("204")
    assert await state(bare) == "Created"
    end = await vm.guest_end()
    assert end is not None
    assert end.row is codes.STOPPED_BY_GUEST
    await vm.begin(bare.plan.requests)
    assert not await vm.is_running()


async def test_a_vm_of_whose_life_nothing_is_left_to_read_is_not_booted_again(
    bare: BareVm,
) -> None:
    vm = await bare.run()
    await ask(bare, "PUT", "vm.shutdown")
    events_file(bare.paths).unlink()
    identity = vm.handle.identity
    await bare.forget()
    again: Vm = await bare.take(identity)
    await again.begin(bare.plan.requests)
    assert not await again.is_running()
    end = await again.guest_end()
    assert end is not None
    assert end.row is codes.EXIT_UNKNOWN


async def test_its_own_reboots_are_counted_and_a_loop_of_them_is_an_end(bare: BareVm) -> None:
    vm = await bare.run()
    pid = vm.handle.identity.pid
    for _ in range(5):
        assert (await ask(bare, "PUT", "vm.reboot")).startswith("204")
    assert await vm.guest_end() is None
    await ask(bare, "PUT", "vm.reboot")
    end = await vm.guest_end()
    assert end is not None
    assert end.row is codes.GUEST_REBOOT_LOOP
    assert bare.pids() == [pid]


async def test_one_that_somebody_ended_by_a_signal_did_not_power_off(bare: BareVm) -> None:
    vm = await bare.run()
    os.kill(vm.handle.identity.pid, signal.SIGTERM)
    assert await vm.handle.wait_gone(5)
    assert vm.exit_seen(vm.handle.reap()).row is codes.VMM_KILLED


async def test_a_guest_that_hears_no_button_is_ended_after_its_grace(bare: BareVm) -> None:
    vm = await bare.run()
    assert (await vm.stop(grace_of(0.5))).row is codes.HOST_STOPPED
    assert bare.pids() == []


async def test_a_second_one_on_the_same_socket_leaves_the_first_alone(bare: BareVm) -> None:
    vm = await bare.run()
    plan = bare.plan
    log = bare.paths.run / "second.log"
    with log.open("wb") as file:
        pid = processes.spawn(plan.argv, Given(plan.binary, bare.paths.run, file.fileno()))
    found = processes.read_identity(pid, vm.handle.identity.boot_id)
    second = processes.prove(found, vm.handle.identity.boot_id) if found else None
    if second is not None:
        assert await second.wait_gone(5)
        second.reap()
        second.close()
    assert "already in use" in log.read_text()
    assert await vm.is_running()
