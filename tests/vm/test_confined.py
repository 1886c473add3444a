"""What a real VMM gets of its node, and what whoever takes it over can do with it: little.

The security classes of a running VM: privileges, sockets, the monitor as a way out, disks
that pretend to be another format, guests that say nothing.
"""

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from schedune.api.vmplacement import LaunchDisk, PlacementState
from schedune_agent.record import LaunchRecord
from schedune_agent.vmm.port import DiskFiles
from schedune_agent.vmm.qemu.argv import monitor_socket, ready_socket
from schedune_agent.vmm.qemu.disks import render_disks
from schedune_agent.vmm.qemu.overlay import empty_image
from schedune_agent.vmm.qemu.qmp import QmpClient, QmpError

S = PlacementState
NewWorld = Callable[..., Any]
STILL = {"kernel": {"artifact": "still"}, "initrd": None}
SECCOMP_FILTER = "2"
LONG_S = 10.0


def is_running(record: LaunchRecord) -> bool:
    return record.state is S.RUNNING


@pytest.fixture
async def world(new_world: NewWorld) -> Any:
    """Run a guest that sleeps; its agent is gone, so that its monitor is free."""
    found = new_world(**STILL)
    await found.agent(is_running)
    return found


@pytest.fixture
async def monitor(world: Any) -> AsyncIterator[QmpClient]:
    """Sit at its monitor, as whoever broke into it would."""
    client = await QmpClient.connect(monitor_socket(world.paths))
    yield client
    client.close()
    await asyncio.sleep(0)


@pytest.fixture
def secret(tmp_path: Path) -> Iterator[Path]:
    """Keep a file open that a careless exec would hand down."""
    path = tmp_path / "secret"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    os.set_inheritable(descriptor, True)
    yield path
    os.close(descriptor)


async def test_a_vmm_inherits_no_file_and_no_variable_of_its_agent(
    secret: Path, new_world: NewWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_AGENT", "x")
    world = new_world(**STILL)
    await world.agent(is_running)
    process = Path("/proc") / str(world.record.process.pid)
    held = set()
    for one in (process / "fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            held.add(str(one.readlink()))
    assert str(secret) not in held
    records = world.settings.state_directory / "placements"
    kept = {one for one in held if one.startswith(str(records))}
    assert kept == {str(world.paths.log)}, "it writes its own log, and reads no record"
    assert b"SECRET_OF_THE_AGENT" not in (process / "environ").read_bytes()


async def test_a_vmm_runs_under_a_filter_of_system_calls(world: Any) -> None:
    told = (Path("/proc") / str(world.record.process.pid) / "status").read_text()
    fields = dict(line.split(":", 1) for line in told.splitlines())
    assert fields["Seccomp"].strip() == SECCOMP_FILTER


async def test_nobody_but_the_vmms_own_user_reaches_its_sockets(world: Any) -> None:
    assert stat.S_IMODE(world.paths.run.stat().st_mode) == 0o700
    for socket in (monitor_socket(world.paths), ready_socket(world.paths)):
        mode = socket.stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert not stat.S_IMODE(mode) & 0o077


async def test_whoever_holds_the_monitor_starts_no_program_on_the_node(
    world: Any, monitor: QmpClient, tmp_path: Path
) -> None:
    """A migration to ``exec:`` would be a shell of the VMM's user."""
    mark = tmp_path / "mark"
    try:
        await monitor.execute("migrate", {"uri": f"exec:touch {mark}"})
        for _ in range(20):
            await monitor.execute("query-migrate")
            await asyncio.sleep(0.05)
    except QmpError:
        pass  # the filter ended it
    await asyncio.sleep(0.2)
    assert not mark.exists()


async def test_a_second_client_of_the_monitor_makes_a_vm_unknown_and_ends_nothing(
    world: Any, monitor: QmpClient
) -> None:
    (pid,) = world.vms()
    worker = world.new_agent()
    await world.carry_on(worker, lambda record: record.state is S.UNKNOWN)
    assert world.vms() == [pid]
    monitor.close()
    await world.carry_on(worker, is_running)
    assert world.vms() == [pid]
    worker.let_go()


async def test_a_guest_that_somebody_paused_is_not_let_run_by_an_agent_that_finds_it(
    world: Any, monitor: QmpClient
) -> None:
    await monitor.execute("stop")
    monitor.close()
    await asyncio.sleep(0)
    worker = world.new_agent()
    for _ in range(3):
        await worker.step()
    assert await worker._vm.status() == "paused"
    assert worker.record.state is not S.RUNNING
    worker.let_go()


async def test_a_guest_that_never_says_anything_is_never_called_ready(
    new_world: NewWorld,
) -> None:
    world = new_world(
        **STILL, readiness={"level": "Guest", "timeoutSeconds": 1}, restartPolicy="Never"
    )
    seen = set[PlacementState]()
    worker = world.new_agent()

    def is_over(record: LaunchRecord) -> bool:
        seen.add(record.state)
        return record.ended is not None

    await world.carry_on(worker, is_over)
    assert S.RUNNING not in seen
    assert worker.record.ended.reason != "GuestPoweredOff"
    assert world.vms() == []


async def connected(socket: Path) -> QmpClient:
    for _ in range(int(LONG_S / 0.05)):
        try:
            return await QmpClient.connect(socket)
        except QmpError:
            await asyncio.sleep(0.05)
    pytest.fail("the VMM does not listen")


async def test_a_raw_disk_into_which_a_guest_wrote_a_qcow2_header_stays_a_raw_disk(
    tmp_path: Path, machine: Any
) -> None:
    """Else its backing file could be any file of the node's."""
    header = bytearray(empty_image(2**30))
    name = b"/etc/shadow"
    header[8:20] = (512).to_bytes(8, "big") + len(name).to_bytes(4, "big")
    header[512 : 512 + len(name)] = name
    image, socket = tmp_path / "disk.img", tmp_path / "q.sock"
    image.write_bytes(header)
    disk = LaunchDisk.model_validate({"name": "root", "format": "Raw", "access": "ReadOnly"})
    options = dict(pairwise(render_disks([DiskFiles(disk, image, tmp_path / "none")])))
    argv = [
        machine.facts.backends[0].path, "-M", "none", "-nodefaults", "-display", "none",
        "-blockdev", options["-blockdev"], "-qmp", f"unix:{socket},server=on,wait=off",
    ]  # fmt: skip
    process = await asyncio.create_subprocess_exec(*argv)
    try:
        client = await connected(socket)
        nodes = await client.execute("query-named-block-nodes")
        client.close()
    finally:
        process.kill()
        await process.wait()
    assert {one["drv"] for one in nodes} == {"raw", "file"}
    assert {one["image"]["virtual-size"] for one in nodes} == {len(header)}
    assert not [one for one in nodes if "backing-filename" in one["image"]]
