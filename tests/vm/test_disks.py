"""Disks and network cards that a real guest uses, and what is left of its writes."""

import asyncio
import json
import re
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schedune.api.vmplacement import PlacementState
from schedune.launch.guest_identity import mac_address
from schedune.launch.intent import MOST_DISK
from schedune_agent.placement_worker import PlacementWorker
from schedune_agent.record import LaunchRecord
from schedune_agent.vmm.qemu.overlay import empty_image
from schedune_agent.vmm.qemu.qmp import QmpClient, QmpError
from schedune_lab.ports import free_ports

S = PlacementState
NewWorld = Callable[..., Any]
BOOTED = {"level": "Guest", "timeoutSeconds": 120}
BASE = {"name": "base", "artifact": "data", "format": "Raw", "access": "ReadOnly"}
ROOT = {"name": "root", "artifact": "data", "format": "Raw", "access": "Ephemeral"}
SCRATCH = {"name": "scratch", "emptySize": "1Gi", "format": "Raw", "access": "Ephemeral"}
PATIENCE_S = 30.0


def is_in(*states: PlacementState) -> Callable[[LaunchRecord], bool]:
    return lambda record: record.state in states


async def boot(world: Any) -> PlacementWorker:
    worker: PlacementWorker = world.new_agent()
    await world.carry_on(worker, is_in(S.RUNNING, S.FAILED))
    assert worker.record.state is S.RUNNING, worker.record.trace
    return worker


async def console(worker: PlacementWorker) -> list[str]:
    await worker._vm.keep_console()
    lines = worker._console.tail(20)
    return [line.removeprefix("schedune-guest: ") for line in lines if "schedune-guest" in line]


async def test_a_guest_reads_its_disks_and_writes_only_where_its_writes_are_kept(
    new_world: NewWorld,
) -> None:
    world = new_world(
        readiness=BOOTED,
        disks=[BASE, ROOT, SCRATCH],
        commandLine="console=ttyS0 quiet schedune.test=disks",
    )
    worker = await boot(world)
    assert [line for line in await console(worker) if line.startswith("disk")] == [
        "disk base holds 'from the base', 2048 sectors",
        "disk base is read-only",
        "disk root holds 'from the base', 2048 sectors",
        "disk root took a write",
        "disk scratch holds '', 2097152 sectors",
        "disk scratch took a write",
    ]
    images = world.settings.image_roots[0]
    assert (images / "data").read_bytes()[:40].rstrip(b"\0") == b"from the base"
    assert (world.paths.disks / "root.qcow2").stat().st_size < 2**20
    await end(world, worker)
    assert world.remains() == []


async def test_what_a_guest_wrote_is_there_when_it_is_started_again(new_world: NewWorld) -> None:
    world = new_world(
        readiness=BOOTED, disks=[ROOT], commandLine="console=ttyS0 quiet schedune.test=disks"
    )
    worker = await boot(world)
    written = worker.record.readiness.guest_boot_id[:8]
    worker._vm.handle.send(9)
    await world.carry_on(worker, lambda record: record.incarnation == 2)
    await world.carry_on(worker, is_in(S.RUNNING))
    assert f"disk root holds 'written by {written}" in " ".join(await console(worker))
    await end(world, worker)


async def test_a_port_of_the_node_leads_into_the_guest(new_world: NewWorld) -> None:
    (port,) = free_ports(1)
    forward = {"name": "echo", "nodePort": port, "guestPort": 7}
    card = {"name": "lan", "type": "User", "user": {"portForwards": [forward]}}
    world = new_world(
        readiness=BOOTED, networks=[card], commandLine="console=ttyS0 quiet schedune.test=network"
    )
    worker = await boot(world)
    assert await hear(port) == mac_address("workload-uid", "lan")
    await end(world, worker)


async def hear(port: int) -> str | None:
    """Return what the guest says on a port, as soon as it says something."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.2)
            continue
        line = (await reader.readline()).decode()
        writer.close()
        if found := re.fullmatch(r"schedune-guest: (\S+)\n", line):
            return found[1]
        await asyncio.sleep(0.2)
    return None


async def test_a_disk_that_cannot_be_made_ends_the_attempt_and_says_which(
    new_world: NewWorld,
) -> None:
    world = new_world(disks=[ROOT])
    world.paths.disks.parent.mkdir(parents=True, exist_ok=True)
    world.paths.disks.write_text("in the way")
    worker = world.new_agent()
    await world.carry_on(worker, lambda record: record.ended is not None)
    world.paths.disks.unlink()
    last = worker.record.trace[-1]
    assert (last.to, last.code) == (S.FAILED, "ERR_EXEC_DISK_NOT_MADE")
    assert "root: " in last.message
    assert world.vms() == []


async def test_a_port_that_is_taken_on_the_node_is_refused_before_anything_is_started(
    new_world: NewWorld,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        forward = {"name": "echo", "nodePort": taken.getsockname()[1], "guestPort": 7}
        card = {"name": "lan", "type": "User", "user": {"portForwards": [forward]}}
        world = new_world(networks=[card])
        worker = world.new_agent()
        await world.carry_on(worker, lambda record: record.ended is not None)
    last = worker.record.trace[-1]
    assert (last.to, last.code) == (S.TERMINATED, "REFUSED_NODE_PORT_TAKEN")
    assert world.vms() == []


async def end(world: Any, worker: PlacementWorker) -> None:
    """Delete the placement and let its agent end the VM."""
    world.delete()
    worker.placement = world.placement
    await world.carry_on(worker, lambda record: record.ended is not None)
    await world.carry_on(worker, lambda record: not world.remains())
    worker.let_go()


@pytest.mark.parametrize("size", [512, 2**29, 2**29 + 512, 3 * 2**39, MOST_DISK])
async def test_qemu_sees_an_empty_image_of_exactly_the_size_that_was_asked_for(
    tmp_path: Path, machine: Any, size: int
) -> None:
    image, monitor = tmp_path / "disk.qcow2", tmp_path / "q.sock"
    image.write_bytes(empty_image(size))
    binary = machine.facts.backends[0].path
    file = {"driver": "file", "filename": str(image)}
    node = {"driver": "qcow2", "node-name": "disk", "file": file}
    argv = [
        binary, "-M", "none", "-nodefaults", "-display", "none", "-blockdev", json.dumps(node),
        "-qmp", f"unix:{monitor},server=on,wait=off",
    ]  # fmt: skip
    process = await asyncio.create_subprocess_exec(*argv)
    try:
        (seen,) = await ask_nodes(monitor)
    finally:
        process.kill()
        await process.wait()
    assert seen["image"]["virtual-size"] == size
    assert not seen["image"].get("format-specific", {}).get("data", {}).get("corrupt")


async def ask_nodes(monitor: Path) -> list[Any]:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            client = await QmpClient.connect(monitor)
        except QmpError:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
            continue
        nodes = await client.execute("query-named-block-nodes")
        client.close()
        return [one for one in nodes if one["node-name"] == "disk"]


async def test_a_disk_given_by_its_path_below_an_image_root_is_read(
    new_world: NewWorld, machine: Any
) -> None:
    path = machine.settings.image_roots[0] / "data"
    disk = {"name": "base", "hostPath": str(path), "format": "Raw", "access": "ReadOnly"}
    world = new_world(
        readiness=BOOTED, disks=[disk], commandLine="console=ttyS0 quiet schedune.test=disks"
    )
    worker = await boot(world)
    assert "disk base holds 'from the base', 2048 sectors" in await console(worker)
    await end(world, worker)


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "{root}/../data", "{root}/sub/data", "{root}/gone"]
)
async def test_a_path_that_no_image_root_lists_is_refused(
    new_world: NewWorld, machine: Any, path: str
) -> None:
    asked = path.format(root=machine.settings.image_roots[0])
    disk = {"name": "base", "hostPath": asked, "format": "Raw", "access": "ReadOnly"}
    world = new_world(disks=[disk])
    worker = world.new_agent()
    await world.carry_on(worker, lambda record: record.ended is not None)
    assert worker.record.refusal.code == "REJECT_ARTIFACT_UNKNOWN"
    assert (world.vms(), world.remains()) == ([], [])
