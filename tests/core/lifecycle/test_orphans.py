"""Whose is a VMM process: a placement's, or an orphan of which kind."""

from hypothesis import given
from hypothesis import strategies as st

from schedune.api.vmworkload import Backend
from schedune.lifecycle.orphans import (
    FoundProcess,
    HeldPlacement,
    OrphanClass,
    OrphanFinding,
    Owner,
    ProcessKey,
    judge_process,
    judge_sweep,
)

BACKENDS = st.sampled_from(Backend)
KEYS = st.builds(ProcessKey, st.integers(1, 4), st.integers(1, 2), st.sampled_from(["a", "b"]))
UIDS = st.sampled_from(["u1", "u2", "u3"])
PROCESSES = st.lists(
    st.builds(FoundProcess, KEYS, BACKENDS, st.just("") | UIDS),
    unique_by=lambda one: one.key,
    max_size=6,
)
PLACEMENTS = st.lists(
    st.builds(HeldPlacement, UIDS, st.none() | BACKENDS, st.none() | KEYS),
    unique_by=lambda one: one.uid,
    max_size=3,
)
KEY = ProcessKey(7, 100, "boot")
QEMU = Backend.QEMU


def orphan(process: FoundProcess, *placements: HeldPlacement) -> tuple[OrphanClass, str]:
    found = judge_process(process, placements)
    assert isinstance(found, OrphanFinding)
    return found.orphan_class, found.reason.row.code


@given(PROCESSES, PLACEMENTS)
def test_a_matched_process_is_never_also_an_orphan_and_every_process_is_judged(
    processes: list[FoundProcess], placements: list[HeldPlacement]
) -> None:
    verdicts = judge_sweep(processes, placements)
    assert {*verdicts} == {one.key for one in processes}
    owners = [one.placement_uid for one in verdicts.values() if isinstance(one, Owner)]
    assert len(owners) == len({*owners})
    assert {*owners} <= {one.uid for one in placements}


@given(PROCESSES, PLACEMENTS)
def test_the_recorded_process_with_its_own_marker_is_never_called_an_orphan(
    processes: list[FoundProcess], placements: list[HeldPlacement]
) -> None:
    verdicts = judge_sweep(processes, placements)
    for placement in placements:
        for process in processes:
            if (process.placement_uid, process.key) == (placement.uid, placement.key):
                assert verdicts[process.key] == Owner(placement.uid)


def test_the_marker_is_compared_with_the_placements_uid() -> None:
    held = (HeldPlacement("u1", QEMU, None), HeldPlacement("u2", QEMU, None))
    assert judge_process(FoundProcess(KEY, QEMU, "u2"), held) == Owner("u2")


def test_a_process_without_a_marker_is_known_by_its_whole_identity() -> None:
    held = HeldPlacement("u1", QEMU, KEY)
    assert judge_process(FoundProcess(KEY, QEMU), [held]) == Owner("u1")
    reused = FoundProcess(ProcessKey(7, 101, "boot"), QEMU)
    assert orphan(reused, held)[0] is OrphanClass.UNMANAGED
    other = FoundProcess(KEY, Backend.FIRECRACKER)
    assert orphan(other, held)[0] is OrphanClass.UNMANAGED


def test_a_marker_of_no_placement_outweighs_a_number_that_fits() -> None:
    found = orphan(FoundProcess(KEY, QEMU, "gone"), HeldPlacement("u1", QEMU, KEY))
    assert found == (OrphanClass.STALE_ARTIFACT, "ERR_ORPHAN_STALE_ARTIFACT_STATE")


def test_a_vmm_with_neither_marker_nor_placement_is_not_ours() -> None:
    found = orphan(FoundProcess(KEY, QEMU))
    assert found == (OrphanClass.UNMANAGED, "ERR_ORPHAN_UNMANAGED_BACKEND_PROCESS")


def test_a_process_that_several_placements_fit_is_reported_with_all_of_them() -> None:
    found = judge_process(
        FoundProcess(KEY, QEMU), [HeldPlacement("u1", QEMU, KEY), HeldPlacement("u2", QEMU, KEY)]
    )
    assert isinstance(found, OrphanFinding)
    assert found.orphan_class is OrphanClass.POSSIBLY_MANAGED
    assert found.reason.row.code == "ERR_ORPHAN_POSSIBLE_SCHEDUNE_PROCESS"
    assert found.reason.message == "QEMU with pid 7 may be ours, but does not fit alone: u1, u2"


def test_of_two_processes_with_one_marker_only_the_recorded_one_is_the_placements() -> None:
    ours, double = FoundProcess(KEY, QEMU, "u1"), FoundProcess(ProcessKey(8, 1, "b"), QEMU, "u1")
    known = judge_sweep([ours, double], [HeldPlacement("u1", QEMU, KEY)])
    assert known[ours.key] == Owner("u1")
    assert isinstance(known[double.key], OrphanFinding)
    unknown = judge_sweep([ours, double], [HeldPlacement("u1", QEMU, None)])
    assert all(isinstance(one, OrphanFinding) for one in unknown.values())
