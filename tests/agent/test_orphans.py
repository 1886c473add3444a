"""VMs without a placement: counted and told of, never acted on; what is proved gone is forgotten.

Processes stand in for VMMs here.
"""

import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schedune.api.nodetruth import Orphan
from schedune.api.vmplacement import Claim, PlacementState, VMPlacement
from schedune.api.vmworkload import Backend
from schedune_agent.node import Node
from schedune_agent.orphans import Orphans
from schedune_agent.placement_worker import PlacementWorker
from schedune_agent.record import LaunchRecord, RecordedProcess
from schedune_agent.system import processes, taps
from schedune_agent.vmm.markers import option_marker
from schedune_agent.vmm.process import paths_of
from schedune_agent.vmm.programs import backend_of
from schedune_agent.vmm.taps import tap_names
from schedune_lab.machine import ensure_qemu
from schedune_testing.own_network import add_bridge, own_network, ports_of

S = PlacementState
UID = "11111111-2222-3333-4444-555555555555"
OTHER = "99999999-2222-3333-4444-555555555555"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
WHOLE_NODE = Claim(vcpus=2, memory="64Mi", overhead_memory="16Mi")
NewPlacement = Callable[..., VMPlacement]
StartMarked = Callable[..., "subprocess.Popen[bytes]"]
StartStray = Callable[..., "subprocess.Popen[bytes]"]


def record(state: PlacementState, **changes: Any) -> LaunchRecord:
    names = {"placement_uid": UID, "workload_uid": "w", "namespace": "default", "name": "vm"}
    return LaunchRecord(**{**names, "state": state, "claim": WHOLE_NODE, **changes})


def ours(orphans: Orphans) -> list[Orphan]:
    """Return what is told of marked processes: unmarked VMMs of others may run here, too."""
    return [one for one in orphans.found if one.placement_uid]


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
    argv = ["qemu", "-machine", "q35", "-accel", "tcg", "-smp", "2", "-m", "64M", "-append", "-smp"]
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
    orphans.sweep({})
    assert [one.class_ for one in ours(orphans)] == ["superseded"]
    assert UID in node.ledger.held
    marked.kill()
    marked.wait()
    orphans.sweep({})
    assert (ours(orphans), orphans.records, node.ledger.held) == ([], {}, {})
    assert node.records.load_all() == {}
    assert not run.exists()


def test_taps_that_a_lost_vm_left_go_and_those_of_known_placements_stay(
    node: Node, marked: "subprocess.Popen[bytes]"
) -> None:
    lost, known, running = "lost", "known", UID
    with own_network():
        add_bridge("br0")
        names = [tap_names(node.settings, uid)[0] for uid in (lost, known, running)]
        for name in names:
            os.close(taps.make(name, "br0", owner=0))
        orphans = Orphans(node)
        orphans.sweep({known: None})
        assert ports_of("br0") == sorted(names[1:])
        marked.kill()
        marked.wait()
        orphans.sweep({known: None})
        assert ports_of("br0") == names[1:2]


def test_a_forgotten_placement_leaves_no_tap(node: Node) -> None:
    with own_network():
        add_bridge("br0")
        os.close(taps.make(tap_names(node.settings, UID)[7], "br0", owner=0))
        node.records.save(record(S.RUNNING))
        orphans = Orphans(node)
        orphans.load()
        orphans.sweep({})
        assert (orphans.records, ports_of("br0")) == ({}, [])


def test_an_agent_of_a_recorded_node_touches_nothing_of_the_machine_it_runs_on(node: Node) -> None:
    with own_network():
        add_bridge("br0")
        name = tap_names(node.settings, "lost")[0]
        os.close(taps.make(name, "br0", owner=0))
        Orphans(replace(node, launches=False)).sweep({})
        assert ports_of("br0") == [name]


def test_a_launch_without_a_recorded_process_is_looked_for_before_it_is_forgotten(
    node: Node, marked: "subprocess.Popen[bytes]"
) -> None:
    node.records.save(record(S.LAUNCHING))
    orphans = Orphans(node)
    orphans.load()
    orphans.sweep({})
    assert orphans.records[UID].may_run
    assert [one.pid for one in ours(orphans)] == [marked.pid]
    assert marked.poll() is None


def test_a_record_whose_placement_is_listed_is_no_orphan_whatever_became_of_it(
    node: Node,
) -> None:
    node.records.save(record(S.RUNNING))
    orphans = Orphans(node)
    orphans.load()
    orphans.sweep({UID: None})
    assert UID in orphans.records
    assert UID in node.ledger.held


def test_a_vm_of_which_only_the_process_is_left_is_counted_and_told_of_until_it_ends(
    node: Node, marked: "subprocess.Popen[bytes]"
) -> None:
    orphans = Orphans(node)
    orphans.load()
    orphans.sweep({})
    assert node.ledger.held[UID] == Claim(vcpus=1, memory="64Mi", overhead_memory="104Mi")
    (told,) = ours(orphans)
    assert (told.class_, told.pid, told.placement_uid) == ("leaked", marked.pid, UID)
    assert told.code == "ERR_ORPHAN_STALE_ARTIFACT_STATE"
    assert marked.poll() is None
    marked.kill()
    marked.wait()
    orphans.sweep({})
    assert (ours(orphans), node.ledger.held) == ([], {})


def test_vms_of_other_clusters_are_not_ours_and_what_is_no_uid_is_no_marker(
    node: Node, start_marked: StartMarked
) -> None:
    start_marked(cluster="another-cluster")
    start_marked("../../etc", cluster=node.settings.cluster_uid)
    start_marked(OTHER)
    orphans = Orphans(node)
    orphans.sweep({})
    assert [told.placement_uid for told in ours(orphans)] == [OTHER]


def test_a_second_vm_of_a_placement_is_told_of_and_both_are_counted_until_it_ends(
    node: Node, start_marked: StartMarked, caplog: pytest.LogCaptureFixture
) -> None:
    vm, double = start_marked(), start_marked()
    held = record(S.RUNNING, process=recorded(vm))
    node.ledger.hold(UID, WHOLE_NODE)
    orphans = Orphans(node)
    for _ in range(2):
        orphans.sweep({UID: held})
    (told,) = ours(orphans)
    assert (told.class_, told.code) == ("split", "ERR_ORPHAN_SPLIT_VM")
    assert (told.pid, told.placement_uid) == (double.pid, UID)
    assert "default/vm" in told.message
    logged = [one.levelname for one in caplog.records if vars(one).get("pid") == double.pid]
    assert logged == ["ERROR"]
    assert sorted(one.vcpus for one in node.ledger.held.values()) == [1, 2]
    assert (vm.poll(), double.poll()) == (None, None)
    double.kill()
    double.wait()
    orphans.sweep({UID: held})
    assert (ours(orphans), node.ledger.held) == ([], {UID: WHOLE_NODE})


def test_of_two_vms_of_which_none_is_recorded_both_are_told_of_and_counted(
    node: Node, start_marked: StartMarked
) -> None:
    twins = [start_marked(), start_marked()]
    orphans = Orphans(node)
    for known, told in (({UID: None}, "split"), ({}, "leaked")):
        orphans.sweep(known)
        assert [one.class_ for one in ours(orphans)] == [told, told]
        assert {one.pid for one in ours(orphans)} == {one.pid for one in twins}
        assert len(node.ledger.held) == len(twins)


def test_a_vm_of_a_placement_that_has_ended_is_counted_again_and_told_of(
    node: Node, marked: "subprocess.Popen[bytes]"
) -> None:
    ended = record(S.TERMINATED, ended={"time": 0, "reason": "GuestPoweredOff"})
    orphans = Orphans(node)
    orphans.sweep({UID: ended})
    assert [(one.class_, one.code) for one in ours(orphans)] == [
        ("superseded", "ERR_ORPHAN_SUPERSEDED")
    ]
    assert node.ledger.held[UID].vcpus == 1
    marked.kill()
    marked.wait()
    orphans.sweep({UID: ended})
    assert (ours(orphans), node.ledger.held) == ([], {})


def test_a_vm_that_its_own_placement_accounts_for_is_no_orphan(
    node: Node, marked: "subprocess.Popen[bytes]"
) -> None:
    orphans = Orphans(node)
    orphans.sweep({UID: record(S.RUNNING, process=recorded(marked))})
    assert ours(orphans) == []


@pytest.mark.parametrize("name", ["виртуалка", os.fsdecode(b"\xd0")], ids=["cut", "no text"])
def test_a_program_whose_name_is_no_text_is_told_of_and_keeps_no_other_from_being(
    node: Node, start_marked: StartMarked, name: str
) -> None:
    other, vm = start_marked(program=name), start_marked(OTHER)
    orphans = Orphans(node)
    orphans.sweep({})
    told = {one.pid: one.message for one in ours(orphans)}
    assert told.keys() == {other.pid, vm.pid}
    shown = name if name.isprintable() else "\\udcd0"
    assert f"it executes {shown}, which is no QEMU of this node" in told[other.pid]


@pytest.fixture
def start_stray() -> Iterator[StartStray]:
    """Start a real QEMU that this node's agent did not start, and wait until it can be seen."""
    ensure_qemu()
    started: list[subprocess.Popen[bytes]] = []

    def start(*options: str) -> "subprocess.Popen[bytes]":
        binary = f"qemu-system-{platform.machine()}"
        size = ["-m", "16M", "-smp", "1", "-S", "-nodefaults", "-display", "none"]
        process = subprocess.Popen(
            [binary, "-machine", _MACHINES[platform.machine()], *size, *options]
        )
        started.append(process)
        wait_until(lambda: backend_of(processes.executable_of(process.pid)) is Backend.QEMU)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


_MACHINES = {"x86_64": "q35,accel=tcg", "aarch64": "virt,accel=tcg"}


def test_a_vmm_of_somebody_elses_is_told_of_once_it_stays_and_is_neither_counted_nor_touched(
    node: Node, start_stray: StartStray
) -> None:
    orphans, stray = Orphans(node), start_stray()

    def told() -> list[Orphan]:
        return [one for one in orphans.found if one.pid == stray.pid]

    orphans.sweep({})
    assert told() == []
    orphans.sweep({})
    (found,) = told()
    assert (found.class_, found.backend, found.placement_uid) == ("unmanaged", Backend.QEMU, None)
    assert found.code == "ERR_ORPHAN_UNMANAGED_BACKEND_PROCESS"
    assert (found.claim, node.ledger.held) == ("1 vCPUs, 16Mi", {})
    assert stray.poll() is None


def test_a_vmm_of_another_cluster_on_this_machine_is_for_that_one_to_tell_of(
    node: Node, start_stray: StartStray
) -> None:
    other = start_stray("-fw_cfg", option_marker(UID, "another-cluster"))
    orphans = Orphans(node)
    for _ in range(2):
        orphans.sweep({})
    assert other.pid not in [one.pid for one in orphans.found]
    assert other.poll() is None


def test_a_recorded_node_tells_nothing_of_the_machine_that_its_agent_runs_on(
    node: Node, start_stray: StartStray
) -> None:
    orphans, stray = Orphans(replace(node, launches=False)), start_stray()
    for _ in range(2):
        orphans.sweep({})
    assert stray.pid not in [one.pid for one in orphans.found]


def test_the_most_urgent_come_first_where_not_all_can_be_told_of(
    node: Node, start_marked: StartMarked
) -> None:
    _, vm, _ = start_marked(OTHER), start_marked(), start_marked()
    orphans = Orphans(node)
    orphans.sweep({UID: record(S.RUNNING, process=recorded(vm))})
    assert [one.class_ for one in orphans.found] == ["split", "leaked"]


@pytest.mark.parametrize(
    ("executable", "backend"),
    [
        ("/usr/bin/qemu-system-aarch64", Backend.QEMU),
        ("/usr/libexec/qemu-kvm", Backend.QEMU),
        ("/opt/cloud-hypervisor", Backend.CLOUD_HYPERVISOR),
        ("/opt/firecracker", Backend.FIRECRACKER),
        ("/usr/bin/qemu-img", None),
        ("/usr/bin/sleep", None),
    ],
)
def test_a_vmm_is_known_by_what_it_executes(executable: str, backend: Backend | None) -> None:
    assert backend_of(executable) is backend


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
