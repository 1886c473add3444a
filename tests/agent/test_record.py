"""What is on disk is what the agent goes by: whole, or not at all."""

import json
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from schedune.api.vmplacement import PlacementState, VMPlacement, VMPlacementStatus
from schedune_agent.node import Node
from schedune_agent.orphans import Orphans
from schedune_agent.placement_worker import PlacementWorker
from schedune_agent.record import LaunchRecord, RecordError

S = PlacementState
NewPlacement = Callable[..., VMPlacement]
FullDisk = Callable[[], AbstractContextManager[None]]
UID = "11111111-2222-3333-4444-555555555555"


def record(**changes: object) -> LaunchRecord:
    names = {"placement_uid": UID, "workload_uid": "w", "namespace": "default", "name": "vm"}
    return LaunchRecord.model_validate({**names, **changes})


def test_a_record_that_does_not_fit_on_the_disk_leaves_the_old_one_whole(
    node: Node, full_disk: FullDisk
) -> None:
    """The kernel takes the first bytes of a write that does not fit."""
    node.records.save(record(state="Launching"))
    with full_disk(), pytest.raises(RecordError, match=r"record\.json cannot be written"):
        node.records.save(record(state="Starting"))
    assert node.records.load_all()[UID].state is S.LAUNCHING


async def test_a_worker_goes_by_nothing_that_is_not_on_disk_and_says_why_it_waits(
    node: Node, new_placement: NewPlacement, full_disk: FullDisk
) -> None:
    worker = PlacementWorker(node, new_placement(), None)
    await worker.step()
    assert worker.record.state is S.PREPARING
    with full_disk():
        for _ in range(3):
            await worker.step()
            assert worker.record == node.records.load_all()[UID]
    conditions = VMPlacementStatus.model_validate(worker.status()).conditions
    assert {one.reason for one in conditions} == {"RecordUnwritable"}
    assert all("record.json cannot be written: File too large" in c.message for c in conditions)
    await worker.step()
    assert worker.record.state is not S.PREPARING
    assert worker.trouble is None


async def test_a_vm_is_not_called_ready_while_what_is_seen_of_it_cannot_be_written(
    node: Node, new_placement: NewPlacement, full_disk: FullDisk
) -> None:
    worker = PlacementWorker(node, new_placement(), record(state="Running", process=None))
    with full_disk():
        await worker.step()
    status = worker.status()
    assert status["state"] == "Running"
    ready = next(one for one in status["conditions"] if one["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == ("Unknown", "RecordUnwritable")


def test_an_unreadable_record_stops_no_other_and_is_kept_beside_its_place(node: Node) -> None:
    other = record(placement_uid="other", state="Running")
    node.records.save(record(state="Running"))
    node.records.save(other)
    folder = node.settings.state_directory / "placements" / UID
    (folder / "record.json").write_text('{"placementUID": "1111')
    assert node.records.load_all() == {"other": other}
    assert [path.name for path in folder.iterdir()] == ["record.json.unreadable"]


async def test_the_vm_of_an_unreadable_record_is_found_again_and_not_started_beside_itself(
    node: Node, new_placement: NewPlacement, marked: object
) -> None:
    node.records.save(record(state="Running"))
    path = node.settings.state_directory / "placements" / UID / "record.json"
    path.write_bytes(b"")
    status = {"state": "Running"}
    worker = PlacementWorker(node, new_placement(status=status), node.records.load_all().get(UID))
    await worker.step()
    assert worker.record.process is not None
    assert worker.record.process.pid == marked.pid


def test_a_record_of_an_older_agent_loads_and_gets_its_claim_from_the_placement(
    node: Node, new_placement: NewPlacement
) -> None:
    folder = node.settings.state_directory / "placements" / UID
    folder.mkdir(parents=True)
    fresh = {"claim", "quick_ends", "lost_process", "guest_end"}
    text = record(state="Running").model_dump_json(by_alias=True, exclude=fresh)
    (folder / "record.json").write_text(text)
    worker = PlacementWorker(node, new_placement(vcpus=2), node.records.load_all()[UID])
    worker.hold_claim()
    assert node.ledger.held[UID].vcpus == 2


async def test_a_vm_adopted_without_a_record_keeps_its_grace_for_who_ends_it_without_an_agent(
    node: Node, new_placement: NewPlacement, marked: object
) -> None:
    placement = new_placement(terminationGraceSeconds=600, status={"state": "Running"})
    worker = PlacementWorker(node, placement, None)
    await worker.step()
    assert worker.record.process is not None
    assert node.records.load_all()[UID].grace_seconds == 600


@pytest.mark.parametrize("state", ["Launching", "Running"])
def test_what_a_guest_is_given_to_end_is_the_placements_to_say_whoever_wrote_the_record(
    node: Node, new_placement: NewPlacement, state: str
) -> None:
    """Earlier agents wrote it only where they launched the VM themselves."""
    worker = PlacementWorker(
        node, new_placement(terminationGraceSeconds=600), record(state=state, grace_seconds=30)
    )
    assert worker.record.grace_seconds == 600


async def test_a_record_whose_end_was_proved_but_never_written_ends_and_is_not_started_again(
    node: Node, new_placement: NewPlacement
) -> None:
    worker = PlacementWorker(node, new_placement(), record(state="Failed"))
    await worker.step()
    assert worker.record.ended is not None


async def test_a_trace_is_bounded_however_often_the_agent_comes_back(
    new_node: Callable[..., Node], new_placement: NewPlacement
) -> None:
    last = {"reason": "VMMKilled", "time": "2026-11-24T11:00:00Z"}
    node = new_node()
    worker = PlacementWorker(node, new_placement(), record(state="Exited", last_exit=last))
    entry = {"time": "2026-11-24T11:00:00Z", "from": "Running", "to": "Running", "code": "ABC"}
    worker.record = record(state="Exited", last_exit=last, trace=[entry] * 64)
    await worker.step()
    assert len(worker.record.trace) == 64
    assert worker.record.trace[-1].to is S.PREPARING


def leave_record_of_newer_agent(node: Node, **changes: object) -> Path:
    path = node.settings.state_directory / "placements" / UID / "record.json"
    path.parent.mkdir(parents=True)
    told = {"recordFormat": 7, "workloadUID": "w", "namespace": "default", "name": "vm"}
    path.write_text(json.dumps({**told, "placementUID": UID, "state": "Hibernating", **changes}))
    return path


@pytest.mark.parametrize("deleted", [False, True])
async def test_a_record_of_a_newer_agent_makes_its_vm_unknown_and_both_are_left_as_they_are(
    node: Node,
    new_placement: NewPlacement,
    marked: "subprocess.Popen[bytes]",
    *,
    deleted: bool,
) -> None:
    """An agent that was replaced by an older one knows nothing of the record but whose it is."""
    path = leave_record_of_newer_agent(node)
    written = path.read_bytes()
    placement = new_placement(status={"state": "Running", "trace": []}, deleted=deleted)
    worker = PlacementWorker(node, placement, node.records.load_all()[UID])
    worker.hold_claim()
    for _ in range(3):
        await worker.step()
    status = VMPlacementStatus.model_validate(worker.status())
    ready = next(one for one in status.conditions if one.type == "Ready")
    assert (status.state, ready.status, ready.reason) == (
        S.UNKNOWN,
        "Unknown",
        "RecordOfNewerAgent",
    )
    assert "format 7, and this agent reads up to 1" in ready.message
    assert any("ERR_RECORD_OF_NEWER_AGENT" in line for line in status.why)
    assert (worker.is_live, worker.releasable, status.ended) == (True, False, None)
    assert UID in node.ledger.held
    assert (path.read_bytes(), marked.poll()) == (written, None)


def test_a_record_of_a_newer_agent_is_not_forgotten_when_its_placement_is_gone(node: Node) -> None:
    path = leave_record_of_newer_agent(node)
    orphans = Orphans(node)
    orphans.load()
    orphans.sweep({})
    assert orphans.records[UID].may_run
    assert path.exists()


async def test_what_a_newer_agent_wrote_is_never_written_over(
    node: Node, new_placement: NewPlacement
) -> None:
    leave_record_of_newer_agent(node)
    worker = PlacementWorker(node, new_placement(), node.records.load_all()[UID])
    with pytest.raises(RecordError, match="is a newer agent's"):
        worker._keep(state=S.PENDING)


@pytest.mark.parametrize("cut", [0, 1, 40])
async def test_a_record_that_was_cut_anywhere_counts_as_lost_and_its_vm_is_not_started_twice(
    node: Node, new_placement: NewPlacement, marked: "subprocess.Popen[bytes]", cut: int
) -> None:
    node.records.save(record(state="Running"))
    path = node.settings.state_directory / "placements" / UID / "record.json"
    path.write_bytes(path.read_bytes()[:cut])
    placement = new_placement(status={"state": "Running"})
    worker = PlacementWorker(node, placement, node.records.load_all().get(UID))
    await worker.step()
    assert worker.record.process is not None
    assert worker.record.process.pid == marked.pid
    assert [entry.code for entry in worker.record.trace][:1] == ["RECOVERY_RECORD_LOST"]


async def test_a_record_lost_after_an_older_agent_could_not_read_it_leaves_no_gap_in_the_trace(
    node: Node, new_placement: NewPlacement, marked: "subprocess.Popen[bytes]"
) -> None:
    """The older one told Unknown; what it knew of no move must not seem to have been one."""
    path = leave_record_of_newer_agent(node)
    ran = {
        "time": "2026-11-24T12:00:00Z",
        "from": "Starting",
        "to": "Running",
        "code": "GUEST_READY",
    }
    placement = new_placement(status={"state": "Running", "trace": [{**ran, "message": ""}]})
    older = PlacementWorker(node, placement, node.records.load_all()[UID])
    await older.step()
    told = older.status()
    assert told["state"] == "Unknown"
    older.let_go()
    path.unlink()
    worker = PlacementWorker(node, new_placement(status=told), None)
    await worker.step()
    assert marked.poll() is None
    before, after, *_ = worker.record.trace
    assert (after.code, after.from_) == ("RECOVERY_RECORD_LOST", before.to)
