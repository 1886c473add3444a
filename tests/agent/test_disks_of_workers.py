"""A placement's disks as its worker meets them: orders are heard, and nothing is made in vain."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schedune.api.vmplacement import PlacementState, VMPlacement
from schedune.api.vmworkload import Backend
from schedune.codes import execution as codes
from schedune.codes.row import Reason
from schedune.lifecycle.transitions import move
from schedune_agent import placement_launch
from schedune_agent.node import Node
from schedune_agent.placement_worker import PlacementWorker
from schedune_agent.system.patience import Patience
from schedune_agent.vmm import disk_making
from schedune_agent.vmm.persistent import persistent_file

NewPlacement = Callable[..., VMPlacement]
Change = Callable[[PlacementWorker], None]
S = PlacementState
PATIENCE_S = 30.0
EPHEMERAL = {"name": "root", "artifact": "image", "format": "Raw", "access": "Ephemeral"}
PERSISTENT = {**EPHEMERAL, "access": "Persistent"}
DISKS = pytest.mark.parametrize("disk", [EPHEMERAL, PERSISTENT], ids=["ephemeral", "persistent"])


class Launching:
    """A placement of Cloud Hypervisor that is about to start, and what became of it."""

    def __init__(self, node: Node, new_placement: NewPlacement, patch: pytest.MonkeyPatch) -> None:
        self.node, self._new, self._patch = node, new_placement, patch
        self.started: list[str] = []
        self.searches = 0
        for folder in (node.settings.run_directory, node.settings.state_directory):
            folder.mkdir(exist_ok=True)

    def placement(self, disk: dict[str, Any], *, deleted: bool = False) -> VMPlacement:
        made = self._new(disks=[disk], deleted=deleted)
        workload = made.spec.workload.model_copy(update={"namespace_uid": "ns-uid"})
        changes = {"backend": Backend.CLOUD_HYPERVISOR, "workload": workload}
        return made.model_copy(update={"spec": made.spec.model_copy(update=changes)})

    def worker(self, disk: dict[str, Any], **record: Any) -> PlacementWorker:
        one = PlacementWorker(self.node, self.placement(disk), None)
        told = {"state": S.LAUNCHING, "argv": ["/vmm"], "backend": Backend.CLOUD_HYPERVISOR}
        one.record = one.record.model_copy(update={**told, **record})
        one._has_record = True
        find = one._find

        async def nothing() -> None:
            """Nothing has changed since the launch was validated."""

        async def start() -> Any:
            self.started.append(one.record.placement_uid)
            raise placement_launch.VmmError("it need not be there")

        def count() -> None:
            self.searches += 1
            find()

        for name, instead in (("_look_once_more", nothing), ("_start", start), ("_find", count)):
            self._patch.setattr(one, name, instead)
        return one

    def files(self) -> list[str]:
        folder = self.node.settings.state_directory
        return sorted(
            one.name
            for one in folder.rglob("*")
            if one.is_file() and one.suffix in (".raw", ".new", ".qcow2")
        )

    async def carry_on(self, worker: PlacementWorker, until: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not until():
            assert time.monotonic() < deadline, worker.record.trace
            await asyncio.sleep(min(await worker.step(), 0.05))


@pytest.fixture
def launching(
    node: Node, new_placement: NewPlacement, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Launching:
    (tmp_path / "image").write_bytes(b"x" * 4096)
    return Launching(node, new_placement, monkeypatch)


@pytest.fixture
def slow_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each copy take so long as that of a large image does."""
    child = tmp_path / "slow_child.py"
    child.write_text("import sys, time\nopen(sys.argv[2], 'w').close()\ntime.sleep(60)\n")
    monkeypatch.setattr(disk_making, "_CHILD", child)


@DISKS
@pytest.mark.usefixtures("slow_copy")
async def test_a_placement_that_is_deleted_while_a_disk_is_copied_ends_and_leaves_nothing(
    launching: Launching, disk: dict[str, Any]
) -> None:
    worker, began = launching.worker(disk), time.monotonic()
    assert await worker.step() == 1.0
    assert time.monotonic() - began < 10
    await launching.carry_on(worker, lambda: bool(launching.files()))
    worker.placement = launching.placement(disk, deleted=True)
    await launching.carry_on(worker, lambda: worker.record.ended is not None)
    await launching.carry_on(worker, lambda: worker._is_clean)
    assert (launching.started, launching.files()) == ([], [])
    assert time.monotonic() - began < 30


@DISKS
@pytest.mark.usefixtures("slow_copy")
async def test_a_host_that_goes_down_waits_for_no_copy(
    launching: Launching, disk: dict[str, Any]
) -> None:
    worker = launching.worker(disk)
    await launching.carry_on(worker, lambda: bool(launching.files()))
    assert not worker.rests
    assert launching.node.shutdown is not None
    launching.node.shutdown.order()
    await launching.carry_on(worker, lambda: worker.rests and not launching.files())
    assert (launching.started, worker.record.state) == ([], S.LAUNCHING)


@pytest.mark.usefixtures("slow_copy")
async def test_while_a_disk_is_copied_nothing_is_searched_and_its_end_wakes_the_worker(
    launching: Launching,
) -> None:
    worker = launching.worker(EPHEMERAL)
    for _ in range(5):
        assert await worker.step() == 1.0
    assert launching.searches == 1
    waking = asyncio.create_task(worker.stirs())
    await asyncio.sleep(0.05)
    assert not waking.done()
    worker.let_go()
    await asyncio.wait_for(waking, 10)


@pytest.mark.parametrize("how", ["deleted", "host goes down"])
async def test_an_order_that_comes_while_the_last_of_it_is_made_is_heard_before_the_start(
    launching: Launching, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    worker = launching.worker(EPHEMERAL)
    are_ready = worker._maker.are_ready

    async def ready_and_ordered(wanted: Any) -> bool:
        is_ready = await are_ready(wanted)
        if how == "deleted":
            worker.placement = launching.placement(EPHEMERAL, deleted=True)
        elif launching.node.shutdown is not None:
            launching.node.shutdown.order()
        return is_ready

    monkeypatch.setattr(worker._maker, "are_ready", ready_and_ordered)
    await launching.carry_on(
        worker, lambda: worker.rests if how != "deleted" else worker.record.ended is not None
    )
    assert launching.started == []


async def test_without_an_order_it_starts_with_its_disk_made(launching: Launching) -> None:
    worker = launching.worker(EPHEMERAL)
    await launching.carry_on(worker, lambda: bool(launching.started))
    assert worker.record.trace[-1].message.endswith("it need not be there")


@pytest.mark.parametrize("told", ["its incarnation", "its trace"])
async def test_a_vm_that_ran_before_waits_for_its_disk_and_gets_no_fresh_one(
    launching: Launching, told: str
) -> None:
    reason = Reason(codes.VMM_STARTED, "pid 1")
    started = move(S.LAUNCHING, S.STARTING, reason, launching.node.clock())
    before = {"incarnation": 2} if told == "its incarnation" else {"trace": [started]}
    worker = launching.worker(PERSISTENT, **before)
    for _ in range(3):
        assert await worker.step() == 2.0
    last = worker.record.trace[-1]
    assert (worker.record.state, last.code) == (S.LAUNCHING, "ERR_EXEC_DISK_GONE")
    path = persistent_file(launching.node.settings.state_directory, worker.placement, "root", "Raw")
    assert str(path) in last.message
    assert [one.code for one in worker.record.trace].count(last.code) == 1
    assert (launching.started, launching.files()) == ([], [])
    path.parent.mkdir(parents=True)
    (path.parent.parent / "owner.json").write_text('{"namespace": "default"}')
    path.write_bytes(b"what the guest wrote")
    await launching.carry_on(worker, lambda: bool(launching.started))
    assert path.read_bytes() == b"what the guest wrote"


async def test_a_persistent_disk_that_is_there_is_used_without_its_image(
    launching: Launching, tmp_path: Path
) -> None:
    worker = launching.worker(PERSISTENT)
    await launching.carry_on(worker, lambda: bool(launching.started))
    (tmp_path / "image").unlink()
    again = launching.worker(PERSISTENT, incarnation=2)
    await launching.carry_on(again, lambda: len(launching.started) == 2)
    assert again._preparation().disks()[0].source is None


async def test_a_disk_is_taken_back_of_which_nobody_knows_the_image(
    launching: Launching, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = launching.node.settings.model_copy(
        update={"image_roots": [tmp_path / "one", tmp_path / "two"]}
    )
    launching.node = replace(launching.node, settings=settings, patience=Patience())
    worker = launching.worker(PERSISTENT, user=20001)
    taken: list[Path] = []
    monkeypatch.setattr(
        "schedune_agent.vm_users.take_back", lambda kept, _scratch: taken.extend(kept)
    )
    worker.placement = launching.placement(PERSISTENT, deleted=True)
    await launching.carry_on(worker, lambda: worker._is_clean)
    assert [one.name for one in taken] == ["root.raw"]
