"""VMs without a placement: counted and told of, never acted on; what is proved gone is forgotten.

Processes stand in for VMMs here.
"""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schedune.api.vmplacement import Claim, PlacementState, VMPlacement
from schedune_agent.orphans import Orphans
from schedune_agent.placement_base import Node
from schedune_agent.placement_worker import PlacementWorker
from schedune_agent.record import LaunchRecord, RecordedProcess
from schedune_agent.system import processes
from schedune_agent.vmm.qemu.vm import paths_of

S = PlacementState
UID = "11111111-2222-3333-4444-555555555555"
OTHER = "99999999-2222-3333-4444-555555555555"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
WHOLE_NODE = Claim(vcpus=2, memory="64Mi", overhead_memory="16Mi")
NewPlacement = Callable[..., VMPlacement]
StartMarked = Callable[..., "subprocess.Popen[bytes]"]


def record(state: PlacementState, **changes: Any) -> LaunchRecord:
    names = {"placement_uid": UID, "workload_uid": "w", "namespace": "default", "name": "vm"}
    return LaunchRecord(**{**names, "state": state, "claim": WHOLE_NODE, **changes})


def recorded(process: "subprocess.Popen[bytes]") -> RecordedProcess:
    found = processes.read_identity(process.pid, BOOT_ID)
    assert found is not None
    return RecordedProcess.of(found)


@pytest.mark.parametrize("state", [S.PREPARING, S.LAUNCHING, S.RUNNING, S.UNKNOWN, S.EXITED])
async def test_what_an_earlier_agent_admitted_is_counted_before_anything_new_is(
    node: Node, new_placement: NewPlacement, state: PlacementState
) -> None:
    node.records.save(record(state))
    Orphans(node).load()
    worker = PlacementWorker(node, new_placement(OTHER), None)
    await worker.step()
    assert worker.record.refusal is not None
    assert worker.record.refusal.code == "REFUSED_LEDGER_FULL"


@pytest.mark.parametrize(
    "left", [record(S.PENDING), record(S.TERMINATED, ended={"time": 0, "reason": "X"})],
    ids=["pending", "ended"],
)  # fmt: skip
def test_what_was_not_admitted_or_has_ended_holds_nothing(node: Node, left: LaunchRecord) -> None:
    node.records.save(left)
    Orphans(node).load()
    assert node.ledger.held == {}


def test_a_record_from_before_claims_were_kept_counts_by_its_command_line(node: Node) -> None:
    argv = ["qemu", "-machine", "q35,accel=tcg", "-smp", "2", "-m", "64M", "-append", "-smp"]
    node.records.save(record(S.RUNNING, claim=None, argv=[*argv, "9"]))
    Orphans(node).load()
    assert node.ledger.held[UID].vcpus == 2
    assert node.ledger.held[UID].memory == "64Mi"


async def test_an_admitted_launch_is_refused_when_the_node_has_no_room_for_it_any_more(
    node: Node, new_placement: NewPlacement
) -> None:
    node.ledger.hold(OTHER, WHOLE_NODE)
    worker = PlacementWorker(node, new_placement(), record(S.VALIDATED))
    worker.hold_claim()
    await worker.step()
    assert (worker.record.state, worker.record.ended.reason) == (S.FAILED, "LedgerFull")
    assert UID not in node.ledger.held


def test_a_record_without_a_placement_is_forgotten_once_its_vm_is_proved_gone(
    node: Node, marked: "subprocess.Popen[bytes]"
) -> None:
    node.records.save(record(S.RUNNING, process=recorded(marked)))
    run = paths_of(node.settings, UID).run
    run.mkdir(parents=True)
    orphans = Orphans(node)
    orphans.load()
    orphans.sweep(set())
    assert [one.class_ for one in orphans.found] == ["superseded"]
    assert UID in node.ledger.held
    marked.kill()
    marked.wait()
    orphans.sweep(set())
    assert (orphans.found, orphans.records, node.ledger.held) == ([], {}, {})
    assert node.records.load_all() == {}
    assert not run.exists()


def test_a_launch_without_a_recorded_process_is_looked_for_before_it_is_forgotten(
    node: Node, marked: "subprocess.Popen[bytes]"
) -> None:
    node.records.save(record(S.LAUNCHING))
    orphans = Orphans(node)
    orphans.load()
    orphans.sweep(set())
    assert orphans.records[UID].may_run
    assert [one.pid for one in orphans.found] == [marked.pid]
    assert marked.poll() is None


def test_a_record_whose_placement_is_listed_is_no_orphan_whatever_became_of_it(
    node: Node,
) -> None:
    node.records.save(record(S.RUNNING))
    orphans = Orphans(node)
    orphans.load()
    orphans.sweep({UID})
    assert UID in orphans.records
    assert UID in node.ledger.held


def test_a_vm_of_which_only_the_process_is_left_is_counted_and_told_of_until_it_ends(
    node: Node, marked: "subprocess.Popen[bytes]"
) -> None:
    orphans = Orphans(node)
    orphans.load()
    orphans.sweep(set())
    assert node.ledger.held[UID] == Claim(vcpus=1, memory="64Mi", overhead_memory="104Mi")
    (told,) = orphans.found
    assert (told.class_, told.pid, told.placement_uid) == ("leaked", marked.pid, UID)
    assert marked.poll() is None
    marked.kill()
    marked.wait()
    orphans.sweep(set())
    assert (orphans.found, node.ledger.held) == ([], {})


def test_vms_of_other_clusters_and_other_nodes_are_not_ours(
    node: Node, new_node: Callable[..., Node], start_marked: StartMarked, tmp_path: Path
) -> None:
    start_marked(cluster="another-cluster")
    start_marked("../../etc", cluster=node.settings.cluster_uid)
    start_marked(OTHER)
    elsewhere = node.settings.model_copy(update={"run_directory": tmp_path / "elsewhere"})
    other_node = Node(**{**vars(node), "settings": elsewhere})
    for one, uids in ((node, [OTHER]), (other_node, [])):
        orphans = Orphans(one)
        orphans.sweep(set())
        assert [told.placement_uid for told in orphans.found] == uids
