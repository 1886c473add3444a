"""Whose is a VMM process: a placement's, or an orphan of which kind."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedune.api.vmplacement import Claim
from schedune.api.vmworkload import Backend
from schedune.lifecycle.orphans import (
    FoundProcess,
    HeldPlacement,
    OrphanClass,
    OrphanFinding,
    Owner,
    ProcessKey,
    holdings,
    judge_process,
    judge_sweep,
    most_urgent_first,
)

BACKENDS = st.sampled_from(Backend)
KEYS = st.builds(ProcessKey, st.integers(1, 4), st.integers(1, 2), st.sampled_from(["a", "b"]))
UIDS = st.sampled_from(["u1", "u2", "u3"])
CLAIM = Claim(vcpus=1, memory="64Mi", overhead_memory="16Mi")
PROCESSES = st.lists(
    st.builds(
        FoundProcess,
        KEYS,
        BACKENDS,
        st.just("") | UIDS,
        st.none() | st.just(CLAIM),
        doubt=st.sampled_from(["", "its marker is elsewhere"]),
    ),
    unique_by=lambda one: one.key,
    max_size=6,
)
PLACEMENTS = st.lists(
    st.builds(
        HeldPlacement,
        UIDS,
        st.none() | BACKENDS,
        st.none() | KEYS,
        is_current=st.booleans(),
        is_recorded=st.booleans(),
    ),
    unique_by=lambda one: one.uid,
    max_size=3,
)
KEY = ProcessKey(7, 100, "boot")
QEMU = Backend.QEMU


def takes(verdict: Owner | OrphanFinding) -> bool:
    return isinstance(verdict, Owner) or verdict.orphan_class.takes_more


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


def test_an_unmarked_process_in_a_vms_control_group_is_leaked_and_no_rival_of_the_vm() -> None:
    vm = FoundProcess(KEY, QEMU, "u1")
    beside = FoundProcess(ProcessKey(8, 100, "boot"), None, group_uid="u1")
    assert orphan(beside) == (OrphanClass.LEAKED, "ERR_ORPHAN_IN_CONTROL_GROUP")
    verdicts = judge_sweep([vm, beside], [HeldPlacement("u1", QEMU, KEY)])
    assert verdicts[vm.key] == Owner("u1")
    found = verdicts[beside.key]
    assert isinstance(found, OrphanFinding)
    assert (found.orphan_class, found.placement_uid) == (OrphanClass.LEAKED, "u1")


@given(PROCESSES, PLACEMENTS)
def test_the_recorded_process_with_its_own_marker_is_never_called_an_orphan(
    processes: list[FoundProcess], placements: list[HeldPlacement]
) -> None:
    verdicts = judge_sweep(processes, placements)
    for placement in placements:
        for process in processes:
            if (process.placement_uid, process.key) != (placement.uid, placement.key):
                continue
            if not placement.is_recorded:
                continue
            if placement.is_current:
                assert verdicts[process.key] == Owner(placement.uid)
            else:
                assert verdicts[process.key].orphan_class is OrphanClass.SUPERSEDED


@given(PROCESSES, PLACEMENTS)
def test_a_placement_that_is_gone_owns_nothing_and_one_with_two_vms_owns_only_the_recorded_one(
    processes: list[FoundProcess], placements: list[HeldPlacement]
) -> None:
    verdicts = judge_sweep(processes, placements)
    held = {one.uid: one for one in placements}
    for process in processes:
        verdict = verdicts[process.key]
        if isinstance(verdict, Owner):
            owner = held[verdict.placement_uid]
            assert owner.is_current
            rivals = [one for one in processes if one.placement_uid == owner.uid]
            assert owner.key == process.key or rivals == [process]
            is_recorded = owner.is_recorded and owner.key == process.key
            assert is_recorded or not (process.placement_uid and process.doubt)


def test_a_doubtful_carrier_is_leaked_and_counted_until_a_record_names_it() -> None:
    doubtful = FoundProcess(KEY, QEMU, "u1", CLAIM, doubt="it executes sleep")
    for held in (
        HeldPlacement("u1", QEMU, None, "default/vm"),
        HeldPlacement("u1", QEMU, KEY, "default/vm", is_recorded=False),
    ):
        verdicts = judge_sweep([doubtful], [held])
        assert told(verdicts[KEY]) == (OrphanClass.LEAKED, "ERR_ORPHAN_UNPROVED_CARRIER")
        assert "our marker of default/vm and is not proved" in verdicts[KEY].reason.message
        assert "it executes sleep" in verdicts[KEY].reason.message
        assert {*holdings([doubtful], verdicts)} == {"u1"}
    recorded = HeldPlacement("u1", QEMU, KEY, "default/vm")
    assert judge_sweep([doubtful], [recorded])[KEY] == Owner("u1")


def test_of_two_of_which_the_status_told_of_one_both_are_split() -> None:
    """A status is no record: nobody proved that process again since its record was lost."""
    one, other = FoundProcess(KEY, QEMU, "u1"), FoundProcess(ProcessKey(8, 1, "b"), QEMU, "u1")
    lost = HeldPlacement("u1", QEMU, KEY, is_recorded=False)
    found = judge_sweep([one, other], [lost])
    assert [told(verdict)[0] for verdict in found.values()] == [OrphanClass.SPLIT] * 2


@given(PROCESSES, PLACEMENTS)
def test_whatever_takes_of_the_node_is_held_once_and_nothing_else_is(
    processes: list[FoundProcess], placements: list[HeldPlacement]
) -> None:
    verdicts = judge_sweep(processes, placements)
    held = holdings(processes, verdicts)
    counted = [one for one in processes if one.claim and takes(verdicts[one.key])]
    assert len(held) == len(counted)
    assert "" not in held
    for process in counted:
        uid = verdicts[process.key].placement_uid
        assert any(holder == uid or holder.startswith(f"{uid}/") for holder in held)


@given(PROCESSES, PLACEMENTS, st.randoms(use_true_random=False))
def test_the_order_in_which_processes_are_found_changes_no_verdict_and_nothing_that_is_told(
    processes: list[FoundProcess], placements: list[HeldPlacement], random: Random
) -> None:
    verdicts = judge_sweep(processes, placements)
    shuffled = random.sample(processes, len(processes))
    assert judge_sweep(shuffled, placements) == verdicts
    told = [finding for _, finding in most_urgent_first(processes, verdicts)]
    assert told == [finding for _, finding in most_urgent_first(shuffled, verdicts)]
    ranks = [[*OrphanClass].index(one.orphan_class) for one in told]
    assert ranks == sorted(ranks)


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
    assert found == (OrphanClass.LEAKED, "ERR_ORPHAN_STALE_ARTIFACT_STATE")


def test_of_a_vm_of_no_placement_it_is_told_what_it_lacks_to_be_proved_one() -> None:
    found = judge_process(FoundProcess(KEY, QEMU, "gone", doubt="it runs as user 7"), [])
    assert isinstance(found, OrphanFinding)
    assert "marker of gone" in found.reason.message
    assert "it runs as user 7" in found.reason.message


def test_a_vmm_with_neither_marker_nor_placement_is_not_ours() -> None:
    found = orphan(FoundProcess(KEY, QEMU))
    assert found == (OrphanClass.UNMANAGED, "ERR_ORPHAN_UNMANAGED_BACKEND_PROCESS")


def test_a_process_that_several_placements_fit_is_reported_with_all_of_them() -> None:
    found = judge_process(
        FoundProcess(KEY, QEMU), [HeldPlacement("u1", QEMU, KEY), HeldPlacement("u2", QEMU, KEY)]
    )
    assert isinstance(found, OrphanFinding)
    assert found.orphan_class is OrphanClass.CONTESTED
    assert found.reason.row.code == "ERR_ORPHAN_POSSIBLE_SCHEDUNE_PROCESS"
    assert found.reason.message == "QEMU with pid 7 may be ours, but does not fit alone: u1, u2"


def test_of_two_processes_with_one_marker_only_the_recorded_one_is_the_placements() -> None:
    ours, double = FoundProcess(KEY, QEMU, "u1"), FoundProcess(ProcessKey(8, 1, "b"), QEMU, "u1")
    known = judge_sweep([ours, double], [HeldPlacement("u1", QEMU, KEY, "default/vm")])
    assert known[ours.key] == Owner("u1")
    assert told(known[double.key]) == (OrphanClass.SPLIT, "ERR_ORPHAN_SPLIT_VM")
    assert "default/vm" in known[double.key].reason.message
    unknown = judge_sweep([ours, double], [HeldPlacement("u1", QEMU, None)])
    assert [told(one)[0] for one in unknown.values()] == [OrphanClass.SPLIT, OrphanClass.SPLIT]


def test_both_vms_of_one_placement_are_held() -> None:
    ours = FoundProcess(KEY, QEMU, "u1", CLAIM)
    double = FoundProcess(ProcessKey(8, 9, "boot"), QEMU, "u1", CLAIM)
    verdicts = judge_sweep([double, ours], [HeldPlacement("u1", QEMU, KEY)])
    assert {*holdings([double, ours], verdicts)} == {"u1", "u1/8/9/boot"}


def test_a_recorded_vm_whose_placement_is_gone_is_superseded_and_named_for_people() -> None:
    gone = HeldPlacement("u1", QEMU, KEY, "default/vm", is_current=False)
    found = judge_process(FoundProcess(KEY, QEMU, "u1"), [gone])
    assert told(found) == (OrphanClass.SUPERSEDED, "ERR_ORPHAN_SUPERSEDED")
    assert "default/vm, whose VMPlacement is gone" in found.reason.message


@pytest.mark.parametrize("marker", ["", "u1"])
def test_what_is_not_ours_to_give_is_not_held(marker: str) -> None:
    process = FoundProcess(KEY, QEMU, marker, CLAIM)
    verdicts = judge_sweep([process], [])
    assert {*holdings([process], verdicts)} == ({marker} if marker else set())


def told(verdict: Owner | OrphanFinding) -> tuple[OrphanClass, str]:
    assert isinstance(verdict, OrphanFinding)
    return verdict.orphan_class, verdict.reason.row.code
